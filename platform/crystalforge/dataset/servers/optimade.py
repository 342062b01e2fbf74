"""Crystals from an OPTIMADE server, by the client of optimade-python-tools.

The client builds the queries and follows the pages; requests go through ``transport``. Servers differ in what they can
be asked and in how long a page may be: what one refuses is asked again more modestly; the record says what was sent.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from crystalforge.dataset.cif_parser import UnitCell
from crystalforge.dataset.exclusion import ExclusionReason, LeftOutError
from crystalforge.dataset.filters import Filters
from crystalforge.dataset.servers.entries import one_element, unit_cell
from crystalforge.dataset.servers.optimade_filters import (
    ServerFields,
    mandatory_clauses,
    numbers_of,
    optional_clauses,
    server_fields,
)
from crystalforge.errors import MissingDependencyError, SourceError

if TYPE_CHECKING:
    from crystalforge.dataset.servers.transport import Transport

PAGE_LIMITS = (500, 100, None)
"""Crystals of a page: the most that optimade-python-tools serves by default, less, and what the server likes."""
NO_LIMIT = 2**31
"""The client's own limits on crystals and requests: without a number it fails where a server does not count."""
PAGES_ENDPOINT = "/structures"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerInfo:
    """What a server says of itself.

    Attributes:
        fields: its names of space group and energies.
        provider: who runs it.
        prefix: of the provider's own properties.
        homepage: of the provider.
        api_version: of OPTIMADE.
        database_version: of the data, or of the server's program, where it tells.
        licences: SPDX identifiers; empty where it states none.
        licence_page: URL; empty where it states none.
    """

    fields: ServerFields
    provider: str
    prefix: str
    homepage: str
    api_version: str
    database_version: str
    licences: tuple[str, ...]
    licence_page: str


@dataclass(frozen=True)
class Fetched:
    """What came of a query.

    Attributes:
        filter: that the server took.
        not_sent: clauses that it refused; the curation does their work.
        matched: crystals that match, by the server.
        available: crystals that it has in all.
        warnings: the server's.
    """

    filter: str
    not_sent: list[str]
    matched: int | None
    available: int | None
    warnings: list[str]


def base_url(given: str) -> str:
    """URL without version and endpoint, as ``https://optimade.materialsproject.org``."""
    path = re.sub(r"(/v\d[\d.]*)?(/structures|/info)?/*$", "", urlsplit(given).path)
    return urlsplit(given)._replace(path=path, query="", fragment="").geturl()


def is_page(url: str) -> bool:
    """Whether a URL is one of a page of crystals."""
    return urlsplit(url).path.endswith(PAGES_ENDPOINT) and "/info/" not in url


def read_info(transport: Transport, url: str) -> ServerInfo:
    """Ask a server what it is and which properties it has.

    Raises:
        SourceError: it does not answer as OPTIMADE does.
    """
    base, about = _info(transport, url, "info")
    properties, _ = _info(transport, url, "info/structures")
    listed = properties.get("properties")
    if not isinstance(listed, dict):
        raise SourceError(f"{url} is no OPTIMADE server: expected the list of its properties at /v1/info/structures.")
    said = base.get("attributes") or {}
    provider, program = about.get("provider") or {}, about.get("implementation") or {}
    database = about.get("database") or {}
    licences = said.get("available_licenses") or said.get("available_licenses_for_entries") or []
    return ServerInfo(
        fields=server_fields(listed),
        provider=str(provider.get("name") or urlsplit(url).netloc),
        prefix=str(provider.get("prefix") or ""),
        homepage=_link(provider.get("homepage")),
        api_version=str(said.get("api_version") or about.get("api_version") or ""),
        database_version=str(database.get("version") or program.get("version") or ""),
        licences=tuple(str(licence) for licence in licences),
        licence_page=_link(said.get("license")),
    )


def _info(transport: Transport, url: str, endpoint: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """``data`` and ``meta`` of an endpoint that describes the server."""
    results = _client(transport, url, []).get_one(endpoint, "", url, paginate=False)[url]
    _raise_failure(transport, url, results.errors)
    if not isinstance(results.data, dict):
        raise SourceError(f"{url} is no OPTIMADE server: expected an object at /v1/{endpoint}.")
    return results.data, results.meta


def _link(value: Any) -> str:
    """A link of JSON:API, which is a URL or an object with one."""
    return str((value.get("href") if isinstance(value, dict) else value) or "")


def fetch_structures(
    transport: Transport,
    url: str,
    names: ServerFields,
    filters: Filters,
    space_groups: Sequence[int],
    own_filter: str | None,
    limit: int | None,
) -> Fetched:
    """Fetch every page, beginning with what is asked in full and becoming more modest where the server refuses.

    Raises:
        SourceError: it refuses even that, or does not answer.
    """
    mandatory, optional = mandatory_clauses(filters, own_filter), optional_clauses(filters, space_groups, names)
    ways = [(clauses, size) for clauses in ([optional, []] if optional else [[]]) for size in PAGE_LIMITS]
    refusals: list[str] = []
    for sent, page_limit in ways:
        text = " AND ".join([*mandatory, *sent])
        fetched = _try(transport, url, names, text, page_limit, limit)
        if fetched is not None:
            not_sent = [clause for clause in optional if clause not in sent]
            if not_sent:
                logger.warning("url=%s event=refused clauses=%s", url, not_sent)
            return Fetched(text, not_sent, *fetched)
        refusals.append(transport.rejection)
    raise SourceError(
        f"{url} refuses the query: {refusals[-1]}. Expected it to understand {' AND '.join(mandatory)}. "
        "If the filter is yours, change --filter; else report it to the provider."
    )


def _try(
    transport: Transport, url: str, names: ServerFields, text: str, page_limit: int | None, limit: int | None
) -> tuple[int | None, int | None, list[str]] | None:
    """Crystals that match, crystals in all, and warnings; None where the server refuses the query."""
    warnings: list[str] = []
    last: dict[str, Any] = {}

    def keep_little(_url: str, results: dict[str, Any]) -> None:
        """The page is on the disk: all that the client may hold is how many crystals it had."""
        results["data"][:] = [{"id": entry.get("id")} for entry in results["data"] if isinstance(entry, dict)]
        warnings.extend(_texts(results["meta"].get("warnings")))
        last.update(results)

    next_url: str | None = None
    asked = {**({"page_limit": min(page_limit, limit or page_limit)} if page_limit else {})}
    while True:
        results = _client(transport, url, [keep_little], limit).get_one(
            PAGES_ENDPOINT.lstrip("/"),
            quote(text, safe=""),
            url,
            response_fields=names.response_fields(),
            override_url=next_url,
            **asked,
        )[url]
        if transport.rejection and not last:
            return None
        if transport.rejection:
            raise SourceError(
                f"{url} refused a page in the middle: {transport.rejection}. {transport.download.describe()} If its "
                "links to pages expire, begin anew with --refresh."
            )
        _raise_failure(transport, url, [] if results.data else results.errors)
        # The client stops early where pages are smaller than the first: then it is sent on.
        next_url = _link(last["links"].get("next")) or None
        if next_url is None or not results.data or (limit is not None and transport.download.n_entries >= limit):
            matched, available = (_count(last["meta"].get(name)) for name in ("data_returned", "data_available"))
            return matched, available, list(dict.fromkeys(warnings))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _texts(warnings: Any) -> list[str]:
    found = warnings if isinstance(warnings, list) else []
    return [str(one.get("detail") or one.get("title") if isinstance(one, dict) else one)[:300] for one in found]


def _client(transport: Transport, url: str, callbacks: list[Any], limit: int | None = None) -> Any:
    try:
        from optimade.client import OptimadeClient
    except ImportError as error:
        raise MissingDependencyError(
            "Crystals from an OPTIMADE server need its client: pip install 'crystalforge[optimade]'."
        ) from error
    client = OptimadeClient(
        url,
        max_results_per_provider=limit or NO_LIMIT,
        http_timeout=transport.patience.timeout,
        use_async=False,
        silent=True,
        http_client=transport.session_class(),
        callbacks=callbacks,
    )
    client._progress.print = lambda *_texts, **_styles: None  # it writes its errors though told to be silent
    return client


def _raise_failure(transport: Transport, url: str, errors: list[Any]) -> None:
    if transport.failure is not None:
        raise transport.failure
    if errors:
        first = errors[0] if isinstance(errors[0], str) else json.dumps(errors[0])
        raise SourceError(f"{url} does not answer as an OPTIMADE server does: {first[:500]}")


def read_entry(names: ServerFields, entry: Mapping[str, Any]) -> tuple[str, UnitCell, dict[str, float | None]]:
    """Identifier, cell and energies of an entry of ``/structures``.

    Raises:
        LeftOutError: it is disordered, not periodic in three dimensions, or has no sites.
    """
    attributes = entry.get("attributes") or {}
    periodic = attributes.get("dimension_types") or [1, 1, 1]
    if periodic != [1, 1, 1]:
        raise LeftOutError(ExclusionReason.BAD_CELL, f"expected a crystal periodic in 3 dimensions, found {periodic}")
    if attributes.get("cartesian_site_positions") is None or attributes.get("species") is None:
        raise LeftOutError(ExclusionReason.PARSE_FAILED, "expected sites and species, the server has none")
    species = {
        one["name"]: one_element(one["chemical_symbols"], one.get("concentration") or [1.0])
        for one in attributes["species"]
    }
    symbols = [species[name] for name in attributes["species_at_sites"]]
    cell = unit_cell(attributes["lattice_vectors"], attributes["cartesian_site_positions"], symbols, cartesian=True)
    return str(entry["id"]), cell, numbers_of(attributes, names)
