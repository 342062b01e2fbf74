"""Build a dataset: read the source, curate, write ``materials``, ``exclusions`` and the manifest."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from crystalforge.dataset.build_request import BuildRequest, as_name, check_name, check_space_groups
from crystalforge.dataset.cif_child import ParserLimits
from crystalforge.dataset.curation import MERGE_CUTOFF, CuratedCrystals, curate
from crystalforge.dataset.exclusion import Exclusion, count_reasons, exclusions_table
from crystalforge.dataset.manifest import DatasetManifest
from crystalforge.dataset.materials_table import content_hash, count_space_groups, materials_table, with_dataset_id
from crystalforge.dataset.servers import FetchOptions, is_server
from crystalforge.dataset.sources import Progress, Source, downloaded_source, open_source
from crystalforge.dataset.standardise import SYMPREC
from crystalforge.dataset.store import find_dataset, list_datasets
from crystalforge.errors import DamagedFileError, DatasetNotFoundError, SourceError, UsageError
from crystalforge.files import fingerprint, path_within, utc_now, write_json
from crystalforge.home import DATASET_RECORD, EXCLUSIONS_FILE, MATERIALS_FILE, Home
from crystalforge.locks import exclusive
from crystalforge.object_store import on_store
from crystalforge.symmetry import SPACE_GROUPS
from crystalforge.table_files import TableFile, write_table

CURATION_VERSION = 2
"""Goes up with each change that makes other materials of the same source."""
COMPRESSION_LEVEL = 9
PACKAGES = ("crystalforge", "spglib", "pymatgen", "numpy", "pyarrow")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuildOutcome:
    """What a build gave.

    Attributes:
        manifest: of the dataset.
        was_built: False where it existed already and nothing was done.
    """

    manifest: DatasetManifest
    was_built: bool


def build_dataset(
    home: Home,
    source: str,
    *,
    name: str | None = None,
    space_groups: Sequence[int] = SPACE_GROUPS,
    progress: Progress | None = None,
    limits: ParserLimits | None = None,
) -> DatasetManifest:
    """Build a dataset, or find the one that the same request built before.

    Args:
        home: where datasets lie.
        source: as ``BuildRequest`` has it.
        name: of the dataset; default the source's.
        space_groups: those to keep.
        progress: called with (inputs done, inputs in all).
        limits: of the parser.

    Returns:
        its manifest.

    Raises:
        SourceError: the source cannot be used, or no crystal of it fits.
        UsageError: the name or a space group is not possible.
        BusyError: another process builds the same dataset.
    """
    return build_or_find(home, source, name=name, space_groups=space_groups, progress=progress, limits=limits).manifest


def build_or_find(
    home: Home,
    source: str | BuildRequest,
    *,
    name: str | None = None,
    space_groups: Sequence[int] = SPACE_GROUPS,
    progress: Progress | None = None,
    fetched: Progress | None = None,
    limits: ParserLimits | None = None,
) -> BuildOutcome:
    """As ``build_dataset``, saying also whether there was anything to do.

    Args:
        home: where datasets lie.
        source: as ``BuildRequest`` has it, or a whole request, which then decides all that follows but the callbacks.
        name: of the dataset; default the source's.
        space_groups: those to keep.
        progress: called with (inputs done, inputs in all).
        fetched: called with (crystals fetched from a server so far, crystals in all or 0).
        limits: of the parser.
    """
    if isinstance(source, str):
        source = BuildRequest(source, name, space_groups, limits=limits or ParserLimits())
    return _build(home, source, progress, fetched)


def _build(home: Home, asked: BuildRequest, progress: Progress | None, fetched: Progress | None) -> BuildOutcome:
    groups = check_space_groups(asked.space_groups)
    check_name(asked.name or "dataset")
    opened = _open(home, asked, groups, fetched)
    chosen_name = check_name(asked.name or as_name(opened.default_name))
    checksum = opened.checksum()
    request = request_of(asked, opened, checksum, chosen_name, groups)
    with exclusive(home.datasets / f".build-{chosen_name}-{request}", f"The build of dataset {chosen_name}"):
        existing = next((found for found in list_datasets(home) if found.request == request), None)
        whole = existing and _whole(home, existing.dataset_id)
        if whole:
            logger.info("dataset=%s event=exists", whole.dataset_id)
            return BuildOutcome(_restate(home, whole, asked), was_built=False)
        started = time.monotonic()
        columns, unread = opened.read(asked.limits, progress)
        curated = curate(columns, groups, asked.filters)
        exclusions = [*unread, *curated.exclusions]
        _refuse_empty(opened, exclusions, curated)
        materials = materials_table(columns, curated)
        seconds = time.monotonic() - started
        return _commit(home, opened, asked, chosen_name, groups, checksum, request, materials, exclusions, seconds)


def request_of(asked: BuildRequest, source: Source, checksum: str, name: str, groups: Sequence[int]) -> str:
    """Fingerprint of all that decides a dataset's crystals: an equal one needs no second build."""
    identity: list[Any] = [CURATION_VERSION, name, checksum, source.kind, sorted(groups)]
    if asked.filters.to_json():
        identity.append(asked.filters.to_json())
    return fingerprint(identity, digits=16)


def _open(home: Home, asked: BuildRequest, groups: Sequence[int], fetched: Progress | None) -> Source:
    """The source, once it lies on this machine."""
    if not is_server(asked.source):
        return source_here(asked)
    if on_store(home.path):
        raise UsageError(
            f"{asked.source} is fetched page by page, into a home on a disk of this machine; got {home.path}. Build "
            "the dataset in a local home, then copy its folder below datasets/ to the store."
        )
    from crystalforge.dataset.servers.fetch import fetch

    return downloaded_source(*fetch(home, asked.source, asked.filters, groups, asked.fetching, fetched))


def source_here(asked: BuildRequest) -> Source:
    """The source of this machine that is asked for.

    Raises:
        UsageError: options that only a server understands.
        SourceError: the source cannot be used.
    """
    if asked.fetching != FetchOptions():
        raise UsageError(
            f"{asked.source} is no server: --filter, --limit, --refresh, --timeout and --attempts go with "
            "materials-project and optimade:… only."
        )
    return open_source(asked.source)


def _restate(home: Home, manifest: DatasetManifest, asked: BuildRequest) -> DatasetManifest:
    """The manifest with the licence and attribution that were given now, if others stood there."""
    stated = replace(
        manifest, licence=asked.licence or manifest.licence, attribution=asked.attribution or manifest.attribution
    )
    if stated != manifest:
        folder = path_within(home.datasets, manifest.dataset_id, source=home.datasets)
        write_json(folder / DATASET_RECORD, stated.to_json())
        logger.info("dataset=%s event=restated licence=%s", manifest.dataset_id, stated.licence)
    return stated


def _commit(
    home: Home,
    source: Source,
    asked: BuildRequest,
    name: str,
    groups: list[int],
    source_checksum: str,
    request: str,
    materials: pa.Table,
    exclusions: list[Exclusion],
    seconds: float,
) -> BuildOutcome:
    dataset_id = f"{name}-{content_hash(materials)[:8]}"
    folder = home.datasets / dataset_id
    with exclusive(folder, f"Dataset {dataset_id}"):
        if (folder / DATASET_RECORD).is_file() and (whole := _whole(home, dataset_id)):
            return BuildOutcome(_restate(home, whole, asked), was_built=False)  # another source of the same crystals
        table = with_dataset_id(materials, dataset_id)
        kept = _write(folder, MATERIALS_FILE, table)
        excluded = _write(folder, EXCLUSIONS_FILE, exclusions_table(exclusions))
        manifest = DatasetManifest(
            dataset_id=dataset_id,
            name=name,
            source=source.given,
            source_kind=str(source.kind),
            source_checksum=source_checksum,
            licence=asked.licence or source.licence,
            attribution=asked.attribution or source.attribution,
            space_groups=groups,
            symprec=SYMPREC,
            merge_cutoff=MERGE_CUTOFF,
            request=request,
            n_materials=table.num_rows,
            counts=count_space_groups(table, groups),
            checksum=kept.sha256,
            n_exclusions=len(exclusions),
            exclusion_counts=count_reasons(exclusions),
            exclusions_checksum=excluded.sha256,
            versions={package: version(package) for package in PACKAGES},
            created_at=utc_now(),
            schema=kept.schema,
            filters=asked.filters.to_json(),
            origin=source.record.to_json() if source.record else {},
            seconds=round(seconds, 3),
        )
        write_json(folder / DATASET_RECORD, manifest.to_json())
    logger.info("dataset=%s materials=%d exclusions=%d event=built", dataset_id, table.num_rows, len(exclusions))
    return BuildOutcome(manifest, was_built=True)


def _whole(home: Home, dataset_id: str) -> DatasetManifest | None:
    """The manifest of a dataset that is there and undamaged; a damaged one is built again."""
    try:
        return find_dataset(home, dataset_id).manifest
    except (DamagedFileError, DatasetNotFoundError) as error:
        logger.warning("dataset=%s event=built_again reason=%s", dataset_id, error)
        return None


def _write(folder: Path, name: str, table: pa.Table) -> TableFile:
    path = path_within(folder, name, source=folder)
    return write_table(path, table, compression_level=COMPRESSION_LEVEL)


def _refuse_empty(source: Source, exclusions: list[Exclusion], curated: CuratedCrystals) -> None:
    if len(curated.batch):
        return
    reasons = ", ".join(f"{reason}: {count}" for reason, count in count_reasons(exclusions).items())
    first = exclusions[0]
    raise SourceError(
        f"No crystal of {source.given} fits: expected ternaries of three inequivalent sites in the space groups asked "
        f"for, all {len(exclusions)} inputs were left out ({reasons}); the first, {first.input}: {first.detail}."
    )
