"""The real crystals: what the training saw, and what is set aside to judge by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.composition import reduced_formulas
from crystalforge.crystals.rows import CRYSTAL_COLUMNS, batch_from_table
from crystalforge.dataset.cif_child import ParserLimits
from crystalforge.dataset.crystal_columns import CrystalColumns
from crystalforge.dataset.curation import curate
from crystalforge.dataset.exclusion import Exclusion
from crystalforge.dataset.sources import SourceKind, open_source
from crystalforge.dataset.split import is_validation
from crystalforge.dataset.standard_parquet import REQUIRED
from crystalforge.dataset.store import find_dataset
from crystalforge.errors import SourceError, UsageError
from crystalforge.evaluation.generations import Drawn
from crystalforge.evaluation.samples import in_one_setting
from crystalforge.home import Home
from crystalforge.symmetry import hall_number_of


@dataclass(frozen=True)
class RealCrystals:
    """Real crystals of the generation's space groups.

    Attributes:
        reference: dataset or file of those set aside.
        seen: what the training saw: novelty, templates and elements are measured against these.
        training: the same without those set aside.
        set_aside: what the samples are compared with.
        held_out: whether the training saw none of the formulas set aside, by its record.
        n_left_out: crystals of a file that could not be used, or are of other space groups.
    """

    reference: str
    seen: CrystalBatch
    training: CrystalBatch
    set_aside: CrystalBatch
    held_out: bool
    n_left_out: int = 0


def real_crystals(home: Home, drawn: Drawn, reference: str | None, share: float) -> RealCrystals:
    """The training crystals of a generation, and those to judge it by.

    Args:
        home: where the dataset lies.
        drawn: the generation.
        reference: a file or folder of crystals; by default the validation part of the training's dataset.
        share: of the validation part.

    Raises:
        DatasetNotFoundError: the dataset of the training is gone.
        SourceError: the reference cannot be used, or has no crystal in the space groups of the generation.
        UsageError: the share sets no crystal aside, or none of a group is left to learn from.
    """
    groups = np.unique(drawn.samples.space_group_number)
    known = _known_crystals(home, drawn)
    formulas = reduced_formulas(known)
    seen = known.select(~is_validation(formulas, drawn.validation_share))
    if reference is None:
        aside = is_validation(formulas, share)
        _refuse_empty_split(known, aside, groups, share)
        return RealCrystals(
            drawn.dataset_id, seen, known.select(~aside), known.select(aside), drawn.validation_share >= share
        )
    theirs, exclusions = read_reference(reference)
    fitting = np.isin(theirs.space_group_number, groups)
    if not fitting.any():
        raise SourceError(
            f"No crystal of {reference} is of a space group of generation {drawn.generation_id}: expected some of "
            f"{_list(groups)}, found {_list(np.unique(theirs.space_group_number))}. Give another --reference."
        )
    set_aside = theirs.select(fitting)
    overlap = np.isin(reduced_formulas(set_aside), reduced_formulas(seen))
    left_out = len(exclusions) + int((~fitting).sum())
    return RealCrystals(reference, seen, seen, set_aside, not overlap.any(), left_out)


def training_crystals(home: Home, drawn: Drawn) -> CrystalBatch:
    """What the training of a generation saw, of its space groups.

    Raises:
        DatasetNotFoundError: the dataset of the training is gone.
    """
    known = _known_crystals(home, drawn)
    return known.select(~is_validation(reduced_formulas(known), drawn.validation_share))


def _known_crystals(home: Home, drawn: Drawn) -> CrystalBatch:
    table = find_dataset(home, drawn.dataset_id).materials()
    groups = np.unique(drawn.samples.space_group_number)
    return in_one_setting(batch_from_table(table.filter(pa.array(np.isin(_numbers(table), groups)))))


def _refuse_empty_split(known: CrystalBatch, aside: NDArray[np.bool_], groups: NDArray[Any], share: float) -> None:
    if not aside.any():
        raise UsageError(
            f"--validation-share {share} sets none of the {len(known)} crystals aside: expected some to judge by. "
            "Give a larger share, or your own crystals by --reference."
        )
    absent = np.setdiff1d(groups, known.space_group_number[~aside])
    if len(absent):
        raise UsageError(
            f"--validation-share {share} leaves no training crystal of space group {_list(absent)}: expected some. "
            "Give a smaller share."
        )


def read_reference(given: str) -> tuple[CrystalBatch, list[Exclusion]]:
    """A person's own crystals, curated as those of a dataset, elements in the canonical order.

    Args:
        given: ``bundled``, a Parquet file (schema ``materials``, or standardised crystals), a CSV of CIFs or a folder.

    Returns:
        the crystals, and what was left out, with reasons.

    Raises:
        SourceError: it cannot be read, is empty, lacks columns, or no crystal of it fits.
    """
    source = open_source(given)
    if source.kind is SourceKind.PARQUET and _has_columns(source.path, CRYSTAL_COLUMNS):
        columns, unread = _columns_of_materials(source.path), list[Exclusion]()
    elif source.kind is SourceKind.PARQUET and not _has_columns(source.path, REQUIRED):
        raise SourceError(
            f"{given} lacks columns: expected those of schema materials ({', '.join(CRYSTAL_COLUMNS)}) or of "
            f"standardised crystals ({', '.join(REQUIRED)}), found {', '.join(_names(source.path))[:500]}."
        )
    else:
        columns, unread = source.read(ParserLimits())
    numbers = [int(number) for number in np.unique(columns.space_group_number) if 1 <= number <= 230]
    curated = curate(columns, numbers)
    exclusions = [*unread, *curated.exclusions]
    if len(curated.batch) == 0:
        first = f"the first, {exclusions[0].input}: {exclusions[0].detail}" if exclusions else "it has no rows"
        raise SourceError(
            f"{given} has no crystal to judge by: expected ternaries of three inequivalent sites, "
            f"{len(exclusions)} inputs were left out ({first})."
        )
    return in_one_setting(curated.batch), exclusions


def _names(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path} cannot be read as Parquet: {error}. Check that the file is whole.") from error


def _has_columns(path: Path, wanted: tuple[str, ...]) -> bool:
    return set(wanted) <= set(_names(path))


def _columns_of_materials(path: Path) -> CrystalColumns:
    """Rows of schema ``materials`` as a source of crystals."""
    optional = [name for name in ("material_id", "hall_number") if name in _names(path)]
    table = pq.read_table(path, columns=[*CRYSTAL_COLUMNS, *optional])
    if table.num_rows == 0:
        raise SourceError(f"{path} is empty: expected at least one crystal, found 0 rows.")
    try:
        batch = batch_from_table(table)
    except (UsageError, pa.ArrowException, ValueError, TypeError) as error:
        raise SourceError(f"{path} does not hold crystals of schema materials: {error}") from error
    rows = [f"{path.name} row {row}" for row in range(1, len(batch) + 1)]
    names = np.array(table["material_id"].to_pylist() if "material_id" in optional else rows, dtype=object)
    hall = table["hall_number"].to_numpy() if "hall_number" in optional else _hall_numbers(batch)
    return CrystalColumns(
        inputs=names,
        material_ids=names,
        space_group_number=batch.space_group_number,
        hall_number=np.asarray(hall, dtype=np.int64),
        lattice_parameters=batch.lattice_parameters,
        atomic_numbers=batch.atomic_numbers,
        frac_coords=batch.frac_coords,
        n_atoms_conventional=batch.multiplicity.sum(axis=1),
        multiplicity=batch.multiplicity,
        properties={},
    )


def _hall_numbers(batch: CrystalBatch) -> NDArray[np.int64]:
    numbers, inverse = np.unique(batch.space_group_number, return_inverse=True)
    return np.array([hall_number_of(int(n)) if 1 <= n <= 230 else 0 for n in numbers], dtype=np.int64)[inverse]


def _numbers(table: pa.Table) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = table["space_group_number"].to_numpy()
    return numbers


def _list(numbers: NDArray[Any]) -> str:
    return ", ".join(str(number) for number in numbers.tolist())
