"""Does a symmetry search find the space group that was asked for?

Every crystal has the operations of its group by construction. So a search finds this group, or a supergroup by
accidental symmetry, or at a wide tolerance loses its way.
"""

from __future__ import annotations

import logging
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.primitive import PrimitiveCell, primitive_basis, primitive_cells
from crystalforge.evaluation.workers import Workers
from crystalforge.symmetry import space_group

PIECE = 500


class Agreement(IntEnum):
    """What a search found; the names end those of the metrics."""

    FAILED = 0
    """Nothing."""
    EQUAL = 1
    """The group that was asked for."""
    SUPERGROUP = 2
    """Another group that has all rotations of the one asked for."""
    OTHER = 3
    """A group that lacks some of them."""


def agreements(crystals: CrystalBatch, symprec: float, workers: Workers) -> NDArray[np.int64]:
    """What moyopy finds on each primitive cell.

    Args:
        crystals: n of any groups.
        symprec: tolerance (Å).
        workers: processes.

    Returns:
        (n,) ``Agreement``.
    """
    ends = np.arange(PIECE, len(crystals), PIECE)
    pieces = [(crystals.select(rows), symprec) for rows in np.split(np.arange(len(crystals)), ends)]
    found = list(workers.map(_agreements_of, pieces))
    return np.concatenate([np.zeros(0, dtype=np.int64), *found])


def _agreements_of(piece: tuple[CrystalBatch, float]) -> NDArray[np.int64]:
    crystals, symprec = piece
    logging.getLogger("moyo").setLevel(logging.ERROR)
    found = np.full(len(crystals), Agreement.FAILED, dtype=np.int64)
    for index, cell in primitive_cells(crystals):
        found[index] = _agreement(int(crystals.space_group_number[index]), cell, symprec)
    return found


def _agreement(space_group_number: int, cell: PrimitiveCell, symprec: float) -> Agreement:
    import moyopy

    moyo_cell = moyopy.Cell(cell.lattice.tolist(), cell.frac_coords.tolist(), cell.atomic_numbers.tolist())
    try:
        dataset: Any = moyopy.MoyoDataset(moyo_cell, symprec=symprec)
    except ValueError:  # moyopy's only error: atoms closer than symprec, or no consistent group
        return Agreement.FAILED
    if dataset.number == space_group_number:
        return Agreement.EQUAL
    found = {np.asarray(rotation).tobytes() for rotation in np.asarray(dataset.operations.rotations, dtype=np.int64)}
    return Agreement.SUPERGROUP if found >= _rotations_in_primitive_basis(space_group_number) else Agreement.OTHER


def _rotations_in_primitive_basis(space_group_number: int) -> set[bytes]:
    """Rotations of a group as integers of its primitive basis, W' = P⁻¹·W·P with the basis vectors as columns of P."""
    columns = primitive_basis(space_group_number).T
    rotations = np.unique(space_group(space_group_number).rotations, axis=0)
    inside = np.rint(np.linalg.inv(columns) @ rotations @ columns).astype(np.int64)
    return {np.ascontiguousarray(rotation).tobytes() for rotation in inside}
