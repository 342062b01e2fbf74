"""Cells and sites that are wrong, as messages; and a unit cell for each crystal system."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystalforge.symmetry.space_groups import CrystalSystem, SpaceGroup

GOOD, NOT_A_CELL, WRONG_SYSTEM = 0, 1, 2
"""Verdicts on a cell."""


def bad_cell(group: SpaceGroup, verdict: int, row: int, cell: NDArray[np.float64]) -> str:
    """What is wrong with the cell (6,) of a row, as a message."""
    expected = {
        NOT_A_CELL: "positive lengths (Å) and angles (degrees) that span a volume",
        WRONG_SYSTEM: f"a {group.crystal_system} cell for space group {group.number}",
    }[verdict]
    return (
        f"Lattice parameters of row {row}: expected {expected}, got {cell.tolist()}. "
        "Average lengths and fix angles by the crystal system first; leave out cells without volume."
    )


def no_position(group: SpaceGroup, site: NDArray[np.float64]) -> str:
    """The message on a site (3,) that no Wyckoff position holds."""
    return (
        f"The table of Wyckoff positions is damaged: none of space group {group.number} holds the site "
        f"{site.tolist()}. Install crystalforge again."
    )


def unit_cell(group: SpaceGroup) -> NDArray[np.float64]:
    """A cell (6,) with edges of 1 that fits the crystal system: distances in it are fractional."""
    hexagonal = group.crystal_system in (CrystalSystem.TRIGONAL, CrystalSystem.HEXAGONAL)
    return np.array([1.0, 1.0, 1.0, 90.0, 90.0, 120.0 if hexagonal else 90.0])
