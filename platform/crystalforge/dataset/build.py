"""Build a dataset: read the source, curate, write ``materials``, ``exclusions`` and the manifest."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa

from crystalforge.crystals.rows import batch_to_columns
from crystalforge.dataset.cif_child import ParserLimits
from crystalforge.dataset.crystal_columns import PROPERTIES, CrystalColumns
from crystalforge.dataset.curation import MERGE_CUTOFF, CuratedCrystals, curate
from crystalforge.dataset.exclusion import Exclusion, count_reasons, exclusions_table
from crystalforge.dataset.manifest import DatasetManifest
from crystalforge.dataset.sources import Progress, Source, open_source
from crystalforge.dataset.standardise import SYMPREC
from crystalforge.dataset.store import Dataset, find_dataset, list_datasets
from crystalforge.errors import DamagedFileError, DatasetNotFoundError, SourceError, UsageError
from crystalforge.files import exclusive, fingerprint, path_within, utc_now, write_json
from crystalforge.home import DATASET_RECORD, EXCLUSIONS_FILE, MATERIALS_FILE, Home
from crystalforge.schemas import MATERIALS
from crystalforge.symmetry import SPACE_GROUPS, hall_number_of
from crystalforge.table_files import TableFile, write_table

CURATION_VERSION = 2
"""Goes up with each change that makes other materials of the same source."""
COMPRESSION_LEVEL = 9
PACKAGES = ("crystalforge", "spglib", "pymatgen", "numpy", "pyarrow")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
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
        source: ``bundled``, or the path of a Parquet file, a CSV with a column ``cif`` or a folder of CIF files.
        name: of the dataset; default the source's.
        space_groups: those to keep.
        progress: called with (inputs done, inputs in all).
        limits: of the CIF parser.

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
    source: str,
    *,
    name: str | None = None,
    space_groups: Sequence[int] = SPACE_GROUPS,
    progress: Progress | None = None,
    limits: ParserLimits | None = None,
) -> BuildOutcome:
    """As ``build_dataset``, saying also whether there was anything to do."""
    opened = open_source(source)
    chosen_name = _check_name(name or _as_name(opened.default_name))
    groups = _check_space_groups(space_groups)
    checksum = opened.checksum()
    request = fingerprint([CURATION_VERSION, chosen_name, checksum, opened.kind, sorted(groups)], digits=16)
    with exclusive(home.datasets / f".build-{chosen_name}-{request}", f"The build of dataset {chosen_name}"):
        existing = next((found for found in list_datasets(home) if found.request == request), None)
        whole = existing and _whole(home, existing.dataset_id)
        if whole:
            logger.info("dataset=%s event=exists", whole.dataset_id)
            return BuildOutcome(whole, was_built=False)
        columns, unread = opened.read(limits or ParserLimits(), progress)
        curated = curate(columns, groups)
        exclusions = [*unread, *curated.exclusions]
        _refuse_empty(opened, exclusions, curated)
        materials = materials_table(columns, curated)
        return _commit(home, opened, chosen_name, groups, checksum, request, materials, exclusions)


def materials_table(columns: CrystalColumns, curated: CuratedCrystals) -> pa.Table:
    """Rows of ``materials`` but for ``dataset_id``, by space group and identifier."""
    arrays = dict(batch_to_columns(curated.batch))
    arrays["material_id"] = pa.array(columns.material_ids[curated.rows], pa.string())
    arrays["crystal_id"] = pa.array(curated.crystal_ids, pa.string())
    for name in PROPERTIES:
        arrays[name] = pa.array(columns.properties[name][curated.rows], pa.float64(), from_pandas=True)
    names = [name for name in MATERIALS.names if name != "dataset_id"]
    table = pa.table({name: arrays[name] for name in names})
    keys = [("space_group_number", "ascending"), ("material_id", "ascending"), ("crystal_id", "ascending")]
    return table.sort_by(keys)


def _commit(
    home: Home,
    source: Source,
    name: str,
    groups: list[int],
    source_checksum: str,
    request: str,
    materials: pa.Table,
    exclusions: list[Exclusion],
) -> BuildOutcome:
    dataset_id = f"{name}-{_content_hash(materials)[:8]}"
    folder = home.datasets / dataset_id
    with exclusive(folder, f"Dataset {dataset_id}"):
        if (folder / DATASET_RECORD).is_file() and (whole := _whole(home, dataset_id)):
            return BuildOutcome(whole, was_built=False)  # another source of the same crystals
        table = _with_dataset_id(materials, dataset_id)
        kept = _write(folder, MATERIALS_FILE, table)
        excluded = _write(folder, EXCLUSIONS_FILE, exclusions_table(exclusions))
        manifest = DatasetManifest(
            dataset_id=dataset_id,
            name=name,
            source=source.given,
            source_kind=str(source.kind),
            source_checksum=source_checksum,
            licence=source.licence,
            attribution=source.attribution,
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


def _content_hash(materials: pa.Table) -> str:
    """SHA-256 of the rows; the identifier that follows from it is itself a column, so it cannot be the file's."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, materials.schema) as stream:
        stream.write_table(materials.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _with_dataset_id(materials: pa.Table, dataset_id: str) -> pa.Table:
    identifiers = pa.DictionaryArray.from_arrays(np.zeros(materials.num_rows, dtype=np.int32), pa.array([dataset_id]))
    arrays = [identifiers if name == "dataset_id" else materials[name] for name in MATERIALS.names]
    return pa.Table.from_arrays(arrays, schema=MATERIALS)


def _write(folder: Path, name: str, table: pa.Table) -> TableFile:
    path = path_within(folder, name, source=folder)
    return write_table(path, table, compression_level=COMPRESSION_LEVEL)


def count_space_groups(table: pa.Table, groups: Sequence[int]) -> dict[int, int]:
    """Crystals of each group, in the order given."""
    numbers, counts = np.unique(table["space_group_number"].to_numpy(), return_counts=True)
    found = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    return {number: found.get(number, 0) for number in groups}


def _check_space_groups(space_groups: Sequence[int]) -> list[int]:
    groups = list(dict.fromkeys(int(number) for number in space_groups))
    if not groups:
        raise UsageError("No space group was asked for: expected at least one number 1 to 230, as 225,62.")
    for number in groups:
        hall_number_of(number)
    return groups


def _as_name(text: str) -> str:
    """A file's name, made a dataset's."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")[:64] or "dataset"


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"The name {name!r} is not possible: expected up to 64 letters, digits, '-' and '_', "
            "beginning with a letter or digit. Give another with --name."
        )
    return name


def _refuse_empty(source: Source, exclusions: list[Exclusion], curated: CuratedCrystals) -> None:
    if len(curated.batch):
        return
    reasons = ", ".join(f"{reason}: {count}" for reason, count in count_reasons(exclusions).items())
    first = exclusions[0]
    raise SourceError(
        f"No crystal of {source.given} fits: expected ternaries of three inequivalent sites in the space groups asked "
        f"for, all {len(exclusions)} inputs were left out ({reasons}); the first, {first.input}: {first.detail}."
    )


__all__ = ["BuildOutcome", "Dataset", "build_dataset", "build_or_find", "count_space_groups", "materials_table"]
