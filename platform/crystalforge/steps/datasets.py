"""Known crystals in: ``build_dataset``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from crystalforge.dataset import (
    BuildRequest,
    Dataset,
    FetchOptions,
    Filters,
    Patience,
    build_or_find,
    find_dataset,
    parse_elements,
)
from crystalforge.home import Home
from crystalforge.steps.homes import as_home
from crystalforge.symmetry import SPACE_GROUPS


def build_dataset(
    source: str | Path,
    *,
    name: str | None = None,
    space_groups: Sequence[int] | None = None,
    elements: str | None = None,
    exclude_elements: str | None = None,
    max_energy_above_hull: float | None = None,
    licence: str | None = None,
    attribution: str | None = None,
    own_filter: str | None = None,
    limit: int | None = None,
    refresh: bool = False,
    timeout: float | None = None,
    attempts: int | None = None,
    home: str | Path | Home | None = None,
    progress: Callable[[int, int], None] | None = None,
    fetched: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Curate known crystals into a dataset, or find the one that the same request built before.

    Args:
        source: ``bundled``; the path of a Parquet file, a CSV with a column ``cif`` or a folder of CIF files;
            ``materials-project``; ``optimade:`` with a URL or a provider.
        name: of the dataset; the source's by default.
        space_groups: numbers to keep; the paper's 12 by default.
        elements: of every crystal, ``*`` is any: ``"Li,*,O"``.
        exclude_elements: of no crystal: ``"Pb,Hg"``.
        max_energy_above_hull: eV/atom by the source; crystals without one are left out.
        licence: of the crystals, as ``CC-BY-4.0``; the source's by default.
        attribution: whom to name; the source's by default.
        own_filter: more, in OPTIMADE's language: ``"nsites<20"``.
        limit: most crystals to fetch, to try a server.
        refresh: fetch anew what was fetched before.
        timeout: seconds until a server's answer must begin; 60 by default.
        attempts: tries of one request, with growing waits; 6 by default.
        home: folder of datasets, trainings and generations; by default as the commands find it.
        progress: called with (inputs done, inputs in all).
        fetched: called with (crystals fetched from a server, crystals in all or 0).

    Returns:
        the dataset: ``dataset_id``, ``manifest`` with counts and what was left out, ``materials()`` as Arrow table.

    Raises:
        SourceError: the source cannot be used, does not answer, or no crystal of it fits.
        UsageError: the name, a space group or a filter is not possible.
        BusyError: another process builds the same dataset.

    Example:
        >>> dataset = crystalforge.build_dataset("bundled")
        >>> dataset.manifest.n_materials
        1163
    """
    place = as_home(home)
    request = request_of(
        source,
        name=name,
        space_groups=space_groups,
        elements=elements,
        exclude_elements=exclude_elements,
        max_energy_above_hull=max_energy_above_hull,
        licence=licence,
        attribution=attribution,
        own_filter=own_filter,
        limit=limit,
        refresh=refresh,
        timeout=timeout,
        attempts=attempts,
    )
    outcome = build_or_find(place, request, progress=progress, fetched=fetched)
    return find_dataset(place, outcome.manifest.dataset_id)


def request_of(
    source: str | Path,
    *,
    name: str | None,
    space_groups: Sequence[int] | None,
    elements: str | None,
    exclude_elements: str | None,
    max_energy_above_hull: float | None,
    licence: str | None,
    attribution: str | None,
    own_filter: str | None,
    limit: int | None,
    refresh: bool,
    timeout: float | None,
    attempts: int | None,
) -> BuildRequest:
    """What is asked of a build, from a person's words.

    Raises:
        UsageError: something is no element, or a number is none that can be.
    """
    usual = Patience()
    patience = Patience(timeout=timeout or usual.timeout, attempts=attempts or usual.attempts)
    return BuildRequest(
        str(source),
        name,
        space_groups or SPACE_GROUPS,
        Filters(parse_elements(elements), parse_elements(exclude_elements), max_energy_above_hull),
        licence,
        attribution,
        FetchOptions(own_filter, limit, refresh, patience),
    )
