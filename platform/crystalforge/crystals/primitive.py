"""Primitive cells: the smallest cell that repeats the whole crystal, with all of its atoms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import N_SITES, CrystalBatch
from crystalforge.crystals.lattice import lattice_matrices
from crystalforge.symmetry import expand_orbits, space_group

_BASES: dict[str, list[list[float]]] = {
    "P": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "A": [[1, 0, 0], [0, 1 / 2, -1 / 2], [0, 1 / 2, 1 / 2]],
    "B": [[1 / 2, 0, -1 / 2], [0, 1, 0], [1 / 2, 0, 1 / 2]],
    "C": [[1 / 2, 1 / 2, 0], [-1 / 2, 1 / 2, 0], [0, 0, 1]],
    "I": [[-1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [1 / 2, 1 / 2, -1 / 2]],
    "F": [[0, 1 / 2, 1 / 2], [1 / 2, 0, 1 / 2], [1 / 2, 1 / 2, 0]],
    "R": [[2 / 3, 1 / 3, 1 / 3], [-1 / 3, 1 / 3, 1 / 3], [-1 / 3, -2 / 3, 1 / 3]],
}
"""Primitive vectors in units of the conventional ones, by the letter of the centring (R: obverse, hexagonal axes)."""

_STEPS = 10_000
_OFFSET = 0.5371  # as in identity.py: rounding bounds off the decimals that people write


@dataclass(frozen=True)
class PrimitiveCell:
    """All atoms of one crystal in its primitive cell.

    Attributes:
        lattice: (3, 3) vectors as rows (Å).
        frac_coords: (n_atoms, 3) in units of those vectors.
        atomic_numbers: (n_atoms,).
    """

    lattice: NDArray[np.float64]
    frac_coords: NDArray[np.float64]
    atomic_numbers: NDArray[np.int64]


@cache
def primitive_basis(space_group_number: int) -> NDArray[np.float64]:
    """Primitive vectors of a space group as rows, in units of the conventional ones: (3, 3), not writable."""
    basis = np.array(_BASES[space_group(space_group_number).international_symbol[0]], dtype=np.float64)
    basis.setflags(write=False)
    return basis


def primitive_cells(batch: CrystalBatch) -> Iterator[tuple[int, PrimitiveCell]]:
    """The primitive cell of every crystal whose sites have a place, with its index in the batch.

    Crystals come group by group, not in the order of the batch.
    """
    placed = np.flatnonzero(batch.is_placed)
    for number, members in batch.select(placed).by_space_group():
        indices = placed[members]
        basis = primitive_basis(number)
        lattices = basis @ lattice_matrices(batch.lattice_parameters[indices])
        sites = batch.frac_coords[indices].reshape(-1, 3)
        frac_coords, site_index = primitive_atoms(number, sites, basis)
        species = batch.atomic_numbers[indices].reshape(-1)[site_index]
        ends = np.searchsorted(site_index, np.arange(1, len(indices) + 1) * N_SITES)
        for place, (start, end) in enumerate(zip(np.concatenate([[0], ends[:-1]]), ends, strict=True)):
            cell = PrimitiveCell(lattices[place], frac_coords[start:end], species[start:end])
            yield int(indices[place]), cell


def primitive_atoms(
    space_group_number: int, sites: NDArray[np.float64], basis: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Atoms of the primitive cell, ordered by site: coordinates (total, 3) and the site of each (total,).

    Args:
        space_group_number: 1 to 230.
        sites: (n, 3) representative sites, in the conventional cell.
        basis: (3, 3) of the space group (``primitive_basis``).
    """
    orbits = expand_orbits(space_group_number, sites)
    frac_coords = orbits.frac_coords @ np.linalg.inv(basis)
    steps = np.floor(frac_coords * _STEPS + _OFFSET).astype(np.int64) % _STEPS
    keys = np.column_stack([orbits.site_index, steps])
    _, first = np.unique(keys, axis=0, return_index=True)
    return (frac_coords % 1.0)[first], np.asarray(orbits.site_index)[first]
