"""The page that documents the API, made from the tables that the requests are read by."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from crystalforge.explore.downloads import DOWNLOAD
from crystalforge.explore.pages import CONTENT_TYPES, PageFile
from crystalforge.explore.parameters import FILTERS, NAME, PAGE, Parameter

ADDRESSES: tuple[tuple[str, str, tuple[Parameter, ...]], ...] = (
    (
        "/api/home",
        "Totals, origins, elements, columns. Takes a new snapshot if rows were committed.",
        (),
    ),
    ("/api/state", "Number of the snapshot, and whether rows were committed since.", ()),
    ("/api/crystals", "A page of rows, how many there are in all, and the SQL that gives them.", (*FILTERS, *PAGE)),
    ("/api/facets", "How many rows there are for each element, space group, anonymous formula and energy.", FILTERS),
    ("/api/crystal", "One crystal: its row, its atoms, relaxation, stabilities and calculations.", NAME),
    ("/api/lineage", "Where it comes from, and the real crystals nearest to it.", NAME),
    (
        "/api/download",
        "The crystals as a file. `id`, given once or more, names single ones; without it all that fit are taken.",
        (*FILTERS, *PAGE[:2], *DOWNLOAD),
    ),
)


def api_page() -> PageFile:
    """The documentation as a page of its own."""
    sections = "".join(_section(*address) for address in ADDRESSES)
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>crystalforge explore: API</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="/page/icon.svg">'
        '<link rel="stylesheet" href="/page/theme.css">'
        '<link rel="stylesheet" href="/page/api.css"></head><body><main><h1>The API of this page</h1>'
        "<p>Answers are JSON, by GET, on this machine only. An error is <code>{&quot;error&quot;: message}</code> with "
        "status 400 if the request is wrong and 503 if the home cannot be read. Columns and units of rows: "
        "<code>platform schema crystals</code>.</p>"
        f'{sections}<p><a href="/">Back to the crystals</a></p></main></body></html>'
    )
    return PageFile(html.encode(), CONTENT_TYPES[".html"])


def _section(path: str, about: str, parameters: Sequence[Parameter]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one.name)}</code></td><td>{escape(one.about)}</td><td><code>{escape(one.example)}</code>"
        "</td></tr>"
        for one in parameters
    )
    table = f"<table><tr><th>Parameter</th><th>Meaning</th><th>Example</th></tr>{rows}</table>" if rows else ""
    return f"<h2><code>GET {escape(path)}</code></h2><p>{escape(about)}</p>{table}"
