"""Crystals of the Materials Project by its own client, mp-api, with a key of the user's.

The key comes from ``MP_API_KEY`` and goes into one header of each request; no file, no log and no message holds it. One
query per space group, in pages of the client's own making; requests go through ``transport``. Structures of GNoME stand
under CC BY-NC and are neither asked for nor taken.

Never run against the real service by the authors: the tests speak to a local server with the part of its API that
mp-api uses.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from crystalforge.dataset.attribution import CC_BY_4, MATERIALS_PROJECT_CITATION
from crystalforge.dataset.cif_parser import UnitCell
from crystalforge.dataset.crystal_columns import PROPERTIES
from crystalforge.dataset.exclusion import ExclusionReason, LeftOutError
from crystalforge.dataset.filters import Filters
from crystalforge.dataset.servers.entries import finite_number, one_element, unit_cell
from crystalforge.errors import MissingDependencyError, SourceError, UsageError

if TYPE_CHECKING:
    from crystalforge.dataset.servers.transport import Transport

KEY_VARIABLE = "MP_API_KEY"
ENDPOINT_VARIABLE = "MP_API_ENDPOINT"
"""mp-api's own; for a mirror, or a server of one's own."""
ENDPOINT = "https://api.materialsproject.org/"
KEY_LENGTH = 32
CHUNK_SIZE = 1000
"""Crystals of a page: the client's default."""
FIELDS = ["material_id", "structure", "symmetry", "builder_meta", *PROPERTIES]
NON_COMMERCIAL = "BY-NC"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LICENCE = CC_BY_4
ATTRIBUTION = f"{MATERIALS_PROJECT_CITATION}. https://materialsproject.org"
REFUSED_KEY = ("HTTP 401", "HTTP 403")
PAGES_ENDPOINT = "/materials/summary/"
logger = logging.getLogger(__name__)


def api_key() -> str:
    """The user's key.

    Raises:
        UsageError: there is none, or it is none.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if len(key) != KEY_LENGTH:
        found = f"{len(key)} characters" if key else "nothing"
        raise UsageError(
            f"The Materials Project needs a key: expected {KEY_LENGTH} characters in the environment variable "
            f"{KEY_VARIABLE}, found {found}. Get one at https://next-gen.materialsproject.org/api, then "
            f"`export {KEY_VARIABLE}=…`. Without a key: `platform dataset build optimade:mp`."
        )
    return key


def endpoint() -> str:
    """URL of the service.

    Raises:
        UsageError: the key would go over the network in the clear.
    """
    url = (os.environ.get(ENDPOINT_VARIABLE) or ENDPOINT).rstrip("/") + "/"
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise UsageError(
            f"{ENDPOINT_VARIABLE} is {url}: expected https://, as the key must not go over the network in the clear."
        )
    return url


def is_page(url: str) -> bool:
    """Whether a URL is one of a page of crystals: the count of all matches is asked there too, and is none."""
    return urlsplit(url).path.endswith(PAGES_ENDPOINT) and "structure" in url


def parameters(filters: Filters) -> dict[str, Any]:
    """What the client is asked, besides the space group."""
    asked: dict[str, Any] = {"num_elements": 3, "deprecated": False, "include_gnome": False}
    if filters.elements:
        asked["elements"] = list(filters.elements)
    if filters.exclude_elements:
        asked["exclude_elements"] = list(filters.exclude_elements)
    if filters.max_energy_above_hull is not None:
        asked["energy_above_hull"] = (0.0, filters.max_energy_above_hull)
    return asked


def connect(transport: Transport, url: str, key: str) -> Any:
    """The client, once the service answers; its ``db_version`` is that of the data.

    Raises:
        MissingDependencyError: mp-api is not installed.
        SourceError: the service does not answer.
    """
    try:
        from mp_api.client import MPRester
    except ImportError as error:
        raise MissingDependencyError(
            "Crystals of the Materials Project need its client: pip install 'crystalforge[materials-project]'. "
            "Without it: `platform dataset build optimade:mp`."
        ) from error
    session = transport.session_class()()
    heartbeat = session.get(f"{url}heartbeat")
    if not heartbeat.ok:
        raise SourceError(f"{url} is not the Materials Project, or it is closed: {transport.rejection} at /heartbeat.")
    session.headers["x-api-key"] = key
    with _quiet(), _errors_of_the_client(transport, url):
        return MPRester(key, endpoint=url, session=session, use_document_model=False, mute_progress_bars=True)


def fetch_summaries(
    transport: Transport, url: str, client: Any, filters: Filters, space_groups: Sequence[int], limit: int | None
) -> None:
    """Fetch the summaries of each space group, page by page.

    Raises:
        SourceError: the service refuses, or does not answer.
    """
    for number in sorted(space_groups):
        left = None if limit is None else limit - transport.download.n_entries
        if left is not None and left <= 0:
            return
        size = CHUNK_SIZE if limit is None else min(CHUNK_SIZE, limit)
        with _quiet(), _errors_of_the_client(transport, url):
            client.materials.summary.search(
                spacegroup_number=number,
                fields=FIELDS,
                all_fields=False,
                chunk_size=size,
                num_chunks=None if left is None else -(-left // size),
                **parameters(filters),
            )
        logger.info("space_group=%d entries=%d", number, transport.download.n_entries)


@contextlib.contextmanager
def _errors_of_the_client(transport: Transport, url: str) -> Iterator[None]:
    """Turn what mp-api raises into our errors; its texts hold URLs, which hold no key."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:  # the client raises what it meets: its own errors, requests', KeyError
        if transport.failure is not None:
            raise transport.failure from error
        refused = transport.rejection
        if refused.startswith(REFUSED_KEY):
            raise UsageError(
                f"{url} refuses the key in {KEY_VARIABLE} ({refused}). Check it at "
                "https://next-gen.materialsproject.org/api."
            ) from None
        raise SourceError(
            f"{url} does not answer as the Materials Project does: {refused or type(error).__name__}: "
            f"{str(error)[:500]}"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """mp-api warns of what is asked on purpose, and of its dependencies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_entry(entry: Mapping[str, Any]) -> tuple[UnitCell, dict[str, float | None]]:
    """Cell and energies of a summary.

    Raises:
        LeftOutError: it is disordered, or may not be used by everybody.
    """
    licence = (entry.get("builder_meta") or {}).get("license")
    if licence == NON_COMMERCIAL:
        raise LeftOutError(ExclusionReason.LICENCE, f"expected {LICENCE}, found {licence}")
    structure = entry["structure"]
    symbols = [
        one_element([one["element"] for one in site["species"]], [one["occu"] for one in site["species"]])
        for site in structure["sites"]
    ]
    cell = unit_cell(
        structure["lattice"]["matrix"], [site["abc"] for site in structure["sites"]], symbols, cartesian=False
    )
    return cell, {name: finite_number(entry.get(name)) for name in PROPERTIES}
