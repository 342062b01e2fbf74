"""The page: sections through their templates, with every script and style inside. It may ask nothing of a network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from crystalforge.report.context import ReportContext
from crystalforge.report.formats import FILTERS
from crystalforge.report.section import Section
from crystalforge.viewer import inline_script, json_for_html, theme_script, viewer_scripts, viewer_styles

OWN_SCRIPTS = ("charts.js", "tables.js", "crystals.js")
OWN_STYLE = "report.css"
# Enforced by the browser: even a library that would ask for something cannot.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "connect-src 'none'; base-uri 'none'; form-action 'none'"
)


def render(context: ReportContext, sections: Sequence[Section]) -> str:
    """The whole page as text."""
    figures = {name: figure for section in sections for name, figure in section.figures.items()}
    data = {section.key: section.data for section in sections if section.data is not None}
    return (
        _environment()
        .get_template("page.html")
        .render(
            generation_id=context.generation_id,
            plan=context.plan,
            recipe=context.training.get("recipe"),
            sections=sections,
            policy=POLICY,
            styles=Markup(viewer_styles() + _own(OWN_STYLE)),  # noqa: S704 (files of ours)
            scripts=[Markup(script) for script in _scripts(bool(figures), bool(data))],  # noqa: S704 (made safe to stand inline)
            figures=Markup(json_for_html(figures)),  # noqa: S704 (made safe to stand inline)
            data=Markup(json_for_html(data)),  # noqa: S704 (made safe to stand inline)
        )
    )


def _scripts(with_figures: bool, with_crystals: bool) -> list[str]:
    """Libraries only where something needs them."""
    found = [_plotly()] if with_figures else []
    found += viewer_scripts() if with_crystals else []
    return [*found, theme_script(), *(inline_script(_own(name)) for name in OWN_SCRIPTS)]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("crystalforge.report", "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment


@cache
def _own(name: str) -> str:
    return files("crystalforge.report").joinpath("static", name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    source: Any = get_plotlyjs()
    return inline_script(str(source))
