"""What GPAW and Elk must be told alike: the grid of k-points, and the moments that spins start with."""

from __future__ import annotations

import numpy as np

from crystalforge.crystals.elements import symbols
from crystalforge.validation.crystal import Crystal

MAGNETIC = {"V": 3.0, "Cr": 4.0, "Mn": 5.0, "Fe": 4.0, "Co": 3.0, "Ni": 2.0} | {
    "Ce": 1.0,
    "Pr": 2.0,
    "Nd": 3.0,
    "Pm": 4.0,
    "Sm": 5.0,
    "Eu": 7.0,
    "Gd": 7.0,
    "Tb": 6.0,
    "Dy": 5.0,
    "Ho": 4.0,
    "Er": 3.0,
    "Tm": 2.0,
}
"""Starting moments (μB), all parallel: a crystal with one of these is computed with spin ``by-composition``."""
FAINT_MOMENT = 0.5
"""μB; of every other atom where the recipe wants spin always."""


def kpoint_grid(crystal: Crystal, density: float) -> list[int]:
    """Points along each reciprocal vector, so that the grid is as dense as asked and as even as it can be.

    Args:
        crystal: with its lattice.
        density: points per Å⁻³ of reciprocal cell, with the 2π.
    """
    reciprocal = 2 * np.pi * np.linalg.inv(crystal.lattice).T
    lengths = np.linalg.norm(reciprocal, axis=1)
    per_length = (density * abs(np.linalg.det(reciprocal)) / lengths.prod()) ** (1 / 3)
    return [max(1, int(np.ceil(per_length * length - 1e-6))) for length in lengths]


def starting_moments(crystal: Crystal, spin: str) -> list[float] | None:
    """Magnetic moment (μB) that each atom starts with; None: without spin."""
    if crystal.magnetic_moments and spin != "none":
        return list(crystal.magnetic_moments)
    names = symbols(crystal.atomic_numbers).tolist()
    if spin == "none" or (spin == "by-composition" and not set(names) & set(MAGNETIC)):
        return None
    return [MAGNETIC.get(name, FAINT_MOMENT if spin == "collinear" else 0.0) for name in names]
