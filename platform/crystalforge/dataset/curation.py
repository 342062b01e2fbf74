"""The curation of the paper: which standardised crystals are kept, and in what form.

Section "Data": ternaries with three base atom sites, in the space groups asked for. Sites are merged at 0.1 Å, exactly
symmetric, so that every kept site lies on its Wyckoff position; elements stand in ascending electronegativity, and each
crystal in the one canonical setting of its space group (``crystals.canonical``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.canonical import canonical_setting
from crystalforge.crystals.elements import order_by_electronegativity
from crystalforge.crystals.identity import crystal_ids
from crystalforge.crystals.lattice import apply_crystal_system, cell_volumes
from crystalforge.dataset.crystal_columns import CrystalColumns
from crystalforge.dataset.exclusion import Exclusion, ExclusionReason
from crystalforge.dataset.filters import Filters, check_filters
from crystalforge.dataset.standardise import LEAST_VOLUME
from crystalforge.symmetry import hall_number_of, merge_overlapping_sites

MERGE_CUTOFF = 0.1
"""Å: atoms of one orbit that are this close are one atom off its special position."""
LENGTH_TOLERANCE = 0.02
"""Relative difference of lengths that a crystal system makes equal; spglib at 0.1 Å allows about this much."""
ANGLE_TOLERANCE = 1.0
"""Degrees, likewise."""

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class CuratedCrystals:
    """Crystals that are kept.

    Attributes:
        batch: in the order of the input.
        crystal_ids: one per crystal, all different.
        rows: (n,) where each stood in the input.
        exclusions: the others.
    """

    batch: CrystalBatch
    crystal_ids: list[str]
    rows: NDArray[np.intp]
    exclusions: list[Exclusion]


class _Sieve:
    """Which rows are still in, and why the others are not."""

    def __init__(self, inputs: NDArray[np.object_]) -> None:
        self.kept = np.ones(len(inputs), dtype=bool)
        self.exclusions: list[Exclusion] = []
        self._inputs = inputs

    def leave_out(self, rows: BoolArray, reason: ExclusionReason, detail: Callable[[int], str]) -> None:
        for row in np.flatnonzero(rows & self.kept):
            self.exclusions.append(Exclusion(str(self._inputs[row]), reason, detail(int(row))))
        self.kept &= ~rows


def curate(columns: CrystalColumns, space_groups: Sequence[int], filters: Filters | None = None) -> CuratedCrystals:
    """Check, merge and order crystals; leave out the rest with reasons.

    Args:
        columns: n crystals of three representative sites.
        space_groups: those asked for.
        filters: what else is asked of the crystals.
    """
    sieve = _Sieve(columns.inputs)
    _check_content(columns, sieve)
    _check_setting(columns, space_groups, sieve)
    check_filters(columns, filters or Filters(), sieve.leave_out)
    _check_cells(columns, sieve)
    rows = np.flatnonzero(sieve.kept)
    batch, percolates = _merge(columns, rows)
    _check_sites(columns, rows, batch, percolates, sieve)
    merged = sieve.kept[rows]
    batch, rows = canonical_setting(_order_elements(batch.select(merged))), rows[merged]
    identities = crystal_ids(batch) if len(batch) else []
    first = _leave_out_duplicates(columns, rows, identities, sieve)
    return CuratedCrystals(batch.select(first), [identities[i] for i in first], rows[first], sieve.exclusions)


def _check_content(columns: CrystalColumns, sieve: _Sieve) -> None:
    numbers, lattices = columns.atomic_numbers, columns.lattice_parameters
    sieve.leave_out(
        np.asarray((numbers < 1).any(axis=1)),
        ExclusionReason.UNKNOWN_ELEMENT,
        lambda _: "expected three element symbols",
    )
    ordered = np.sort(numbers, axis=1)
    sieve.leave_out(
        np.asarray((np.diff(ordered, axis=1) == 0).any(axis=1)),
        ExclusionReason.NOT_TERNARY,
        lambda row: f"expected 3 elements, found {len(set(numbers[row]))}",
    )
    finite = np.isfinite(lattices).all(axis=1) & np.isfinite(columns.frac_coords).all(axis=(1, 2))
    sieve.leave_out(
        np.asarray(~finite),
        ExclusionReason.BAD_CELL,
        lambda _: "expected finite lengths, angles and coordinates, found NaN or ∞",
    )
    with np.errstate(invalid="ignore"):
        in_range = (lattices > 0).all(axis=1) & (lattices[:, 3:] < 180).all(axis=1)
        sound = in_range & (cell_volumes(lattices) >= LEAST_VOLUME)
    sieve.leave_out(
        ~sound,
        ExclusionReason.BAD_CELL,
        lambda row: f"expected a cell of at least {LEAST_VOLUME} Å³, found lattice parameters {lattices[row].tolist()}",
    )


def _check_setting(columns: CrystalColumns, space_groups: Sequence[int], sieve: _Sieve) -> None:
    numbers = columns.space_group_number
    sieve.leave_out(
        ~np.isin(numbers, list(space_groups)),
        ExclusionReason.SPACE_GROUP_NOT_ASKED,
        lambda row: f"expected one of {', '.join(map(str, space_groups))}, found {numbers[row]}",
    )
    hall_of = {number: hall_number_of(number) for number in space_groups}
    expected = np.array([hall_of.get(int(number), 0) for number in numbers], dtype=np.int64)
    sieve.leave_out(
        columns.hall_number != expected,
        ExclusionReason.WRONG_SETTING,
        lambda row: f"expected Hall number {expected[row]}, found {columns.hall_number[row]}",
    )


def _check_cells(columns: CrystalColumns, sieve: _Sieve) -> None:
    """The cell must nearly have the equalities that ``_merge`` then makes exact."""
    strays = np.zeros(len(columns), dtype=bool)
    for number, rows in _rows_of_groups(columns, np.flatnonzero(sieve.kept)):
        given = columns.lattice_parameters[rows]
        exact = apply_crystal_system(given, number)
        lengths_agree = np.abs(given[:, :3] / exact[:, :3] - 1.0) <= LENGTH_TOLERANCE
        angles_agree = np.abs(given[:, 3:] - exact[:, 3:]) <= ANGLE_TOLERANCE
        strays[rows] = ~(lengths_agree.all(axis=1) & angles_agree.all(axis=1))
    sieve.leave_out(
        strays,
        ExclusionReason.CELL_DISAGREES,
        lambda row: (
            f"expected a cell of space group {columns.space_group_number[row]}, "
            f"found {np.round(columns.lattice_parameters[row], 4).tolist()}"
        ),
    )


def _rows_of_groups(columns: CrystalColumns, rows: NDArray[np.intp]) -> list[tuple[int, NDArray[np.intp]]]:
    numbers = columns.space_group_number[rows]
    return [(int(number), rows[numbers == number]) for number in np.unique(numbers)]


def _merge(columns: CrystalColumns, rows: NDArray[np.intp]) -> tuple[CrystalBatch, BoolArray]:
    """Sites on their Wyckoff positions, cells with exact equalities; (n_rows, 3) which sites percolate."""
    lattices = columns.lattice_parameters.copy()
    coords = np.full_like(columns.frac_coords, np.nan)
    multiplicity = np.zeros((len(columns), 3), dtype=np.int64)
    letters = np.full((len(columns), 3), "", dtype="<U1")
    percolates = np.zeros((len(columns), 3), dtype=bool)
    for number, group in _rows_of_groups(columns, rows):
        lattices[group] = apply_crystal_system(lattices[group], number)
        sites = columns.frac_coords[group].reshape(-1, 3)
        cutoff = np.full(len(sites), MERGE_CUTOFF)
        merged = merge_overlapping_sites(number, sites, np.repeat(lattices[group], 3, axis=0), cutoff)
        coords[group] = merged.frac_coords.reshape(-1, 3, 3)
        multiplicity[group] = merged.multiplicity.reshape(-1, 3)
        letters[group] = merged.wyckoff_letter.reshape(-1, 3)
        percolates[group] = merged.percolates.reshape(-1, 3)
    batch = CrystalBatch(
        space_group_number=columns.space_group_number[rows],
        lattice_parameters=lattices[rows],
        atomic_numbers=columns.atomic_numbers[rows],
        frac_coords=coords[rows],
        multiplicity=multiplicity[rows],
        wyckoff_letter=letters[rows],
    )
    return batch, percolates[rows]


def _check_sites(
    columns: CrystalColumns, rows: NDArray[np.intp], batch: CrystalBatch, percolates: BoolArray, sieve: _Sieve
) -> None:
    """The merged sites must make as many atoms as the source says: else setting, cell or sites are not its own."""
    endless, differs = np.zeros(len(columns), dtype=bool), np.zeros(len(columns), dtype=bool)
    endless[rows] = percolates.any(axis=1)
    sieve.leave_out(
        endless, ExclusionReason.PERCOLATES, lambda _: f"expected distinct atoms at {MERGE_CUTOFF} Å, found a chain"
    )
    found = np.zeros((len(columns), 3), dtype=np.int64)
    found[rows] = batch.multiplicity
    stated_sites, stated_atoms = columns.multiplicity, columns.n_atoms_conventional
    differs[rows] = True
    differs &= ((stated_sites > 0) & (found != stated_sites)).any(axis=1) | (
        (stated_atoms > 0) & (found.sum(axis=1) != stated_atoms)
    )
    sieve.leave_out(
        differs,
        ExclusionReason.SITES_DISAGREE,
        lambda row: (
            f"expected multiplicities {stated_sites[row].tolist()} (0: not stated) and {stated_atoms[row]} atoms, "
            f"space group {columns.space_group_number[row]} gives {found[row].tolist()}"
        ),
    )


def _order_elements(batch: CrystalBatch) -> CrystalBatch:
    order = order_by_electronegativity(batch.atomic_numbers)

    def ordered(values: NDArray[Any]) -> NDArray[Any]:
        return np.take_along_axis(values, order, axis=1)

    return CrystalBatch(
        space_group_number=batch.space_group_number,
        lattice_parameters=batch.lattice_parameters,
        atomic_numbers=ordered(batch.atomic_numbers),
        frac_coords=np.take_along_axis(batch.frac_coords, order[:, :, None], axis=1),
        multiplicity=ordered(batch.multiplicity),
        wyckoff_letter=ordered(batch.wyckoff_letter),
    )


def _leave_out_duplicates(
    columns: CrystalColumns, rows: NDArray[np.intp], identities: list[str], sieve: _Sieve
) -> NDArray[np.intp]:
    """Positions among ``rows`` of the first crystal of each identity."""
    first: dict[str, int] = {}
    for position, identity in enumerate(identities):
        first.setdefault(identity, position)
    original = {int(rows[i]): int(rows[first[identity]]) for i, identity in enumerate(identities)}
    repeated = np.zeros(len(columns), dtype=bool)
    repeated[[row for row, earlier in original.items() if row != earlier]] = True
    sieve.leave_out(
        repeated,
        ExclusionReason.DUPLICATE,
        lambda row: f"the same crystal as {columns.inputs[original[row]]}",
    )
    return np.array(sorted(first.values()), dtype=np.intp)
