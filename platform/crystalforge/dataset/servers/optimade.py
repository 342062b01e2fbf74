"""Crystals from an OPTIMADE server, by the client of optimade-python-tools.

The client builds the queries and follows the pages; requests go through ``transport``. Servers differ in what they can
be asked and in how long a page may be: what one refuses is asked again more modestly; the record says what was sent.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from crystalforge.dataset.cif_parser import UnitCell
from crystalforge.dataset.exclusion import ExclusionReason, LeftOutError
from crystalforge.dataset.filters import Filters
from crystalforge.dataset.servers.download import StaleDownloadError
from crystalforge.dataset.servers.entries import one_element, unit_cell
from crystalforge.dataset.servers.optimade_client import client_of, link_of, raise_failure
from crystalforge.dataset.servers.optimade_filters import (
    ServerFields,
    mandatory_clauses,
    numbers_of,
    optional_clauses,
)
from crystalforge.errors import SourceError

if TYPE_CHECKING:
    from crystalforge.dataset.servers.transport import Transport

PAGE_LIMITS = (500, 100, None)
"""Crystals of a page: the most that optimade-python-tools serves by default, less, and what the server likes."""
PAGES_ENDPOINT = "/structures"
logger = logging.getLogger(__name__)


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


def is_page(url: str) -> bool:
    """Whether a URL is one of a page of crystals."""
    return urlsplit(url).path.endswith(PAGES_ENDPOINT) and "/info/" not in url


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
    sizes = list(dict.fromkeys(min(size, limit or size) if size else None for size in PAGE_LIMITS))
    ways = [(clauses, size) for clauses in ([optional, []] if optional else [[]]) for size in sizes]
    chosen, refusals = transport.download.chosen_way(), []
    for way, (sent, page_limit) in enumerate(ways):
        if chosen is not None and way != chosen:
            continue
        text = " AND ".join([*mandatory, *sent])
        fetched = _try(transport, url, names, text, page_limit, limit, way)
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
    transport: Transport,
    url: str,
    names: ServerFields,
    text: str,
    page_limit: int | None,
    limit: int | None,
    way: int,
) -> tuple[int | None, int | None, list[str]] | None:
    """Crystals that match, crystals in all, and warnings; None where the server refuses the query."""
    warnings: list[str] = []
    last: dict[str, Any] = {}

    def keep_little(_url: str, results: dict[str, Any]) -> None:
        """The page is on the disk: all that the client may hold is how many crystals it had."""
        results["data"][:] = [{"id": entry.get("id")} for entry in results["data"] if isinstance(entry, dict)]
        warnings.extend(_texts(results["meta"].get("warnings")))
        if not last:
            transport.download.choose(way)
        last.update(results)

    next_url: str | None = None
    while True:
        results = client_of(transport, url, [keep_little], limit).get_one(
            PAGES_ENDPOINT.lstrip("/"),
            quote(text, safe=""),
            url,
            response_fields=names.response_fields(),
            page_limit=page_limit,
            override_url=next_url,
        )[url]
        if transport.rejection and not last:
            return None
        if transport.rejection:
            raise StaleDownloadError(f"{url} refused a page in the middle: {transport.rejection}.")
        raise_failure(transport, url, [] if results.data else results.errors)
        # The client stops early where pages are smaller than the first: then it is sent on.
        next_url = link_of(last["links"].get("next")) or None
        if next_url is None or not results.data or (limit is not None and transport.download.n_entries >= limit):
            matched, available = (_count(last["meta"].get(name)) for name in ("data_returned", "data_available"))
            return matched, available, list(dict.fromkeys(warnings))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _texts(warnings: Any) -> list[str]:
    found = warnings if isinstance(warnings, list) else []
    return [str(one.get("detail") or one.get("title") if isinstance(one, dict) else one)[:300] for one in found]


def read_entry(names: ServerFields, entry: Mapping[str, Any]) -> tuple[UnitCell, dict[str, float | None]]:
    """Cell and energies of an entry of ``/structures``.

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
    return cell, numbers_of(attributes, names)
