"""Symmetry search: which space group a crystal really has, found from its atoms alone.

Sites are merged exactly, so a crystal has at least the symmetry of its group: what a search adds is accidental higher
symmetry. It is also the costly step (about 1 ms), so it is meant for accepted, unique crystals.
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.primitive import PrimitiveCell, primitive_cells

logger = logging.getLogger(__name__)

DEFAULT_SYMPREC = 0.01
"""Å."""


def find_space_groups(batch: CrystalBatch, symprec: float = DEFAULT_SYMPREC) -> NDArray[np.int64]:
    """Search the space group of each crystal with moyopy on its primitive cell.

    Args:
        batch: n crystals of any space groups.
        symprec: tolerance in Å.

    Returns:
        (n,) 1 to 230; 0 where a site has no place or the search fails.
    """
    logging.getLogger("moyo").setLevel(logging.ERROR)  # it warns once per atom of a crystal without a consistent group
    found = np.zeros(len(batch), dtype=np.int64)
    failures: list[str] = []
    for index, cell in primitive_cells(batch):
        found[index] = _search(cell, symprec, failures)
    if failures:
        logger.warning("symmetry_search failed=%d of=%d first=%r", len(failures), len(batch), failures[0])
    return found


def find_space_group(cell: PrimitiveCell, symprec: float = DEFAULT_SYMPREC) -> int:
    """Space group of one cell, 1 to 230; 0 where the search fails. ``symprec`` in Å."""
    logging.getLogger("moyo").setLevel(logging.ERROR)
    return _search(cell, symprec, [])


def _search(cell: PrimitiveCell, symprec: float, failures: list[str]) -> int:
    import moyopy

    try:
        moyo_cell = moyopy.Cell(cell.lattice.tolist(), cell.frac_coords.tolist(), cell.atomic_numbers.tolist())
        return int(moyopy.MoyoDataset(moyo_cell, symprec=symprec).number)
    except ValueError as error:  # moyopy's only error: atoms closer than symprec, or no consistent group
        failures.append(str(error))
        return 0
