"""Whether a crystal that another program read is the one that was written: composition, cell and every atom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

TOLERANCE = 1e-6
"""Fractional for sites, Å for cell vectors."""


def assert_same_atoms(
    symbols: list[str],
    frac_coords: NDArray[np.float64],
    expected_symbols: list[str],
    expected_coords: NDArray[np.float64],
) -> None:
    """Each atom has its partner of the same element; the order of the atoms is free."""
    assert sorted(symbols) == sorted(expected_symbols)
    differences = np.asarray(frac_coords)[:, None] - np.asarray(expected_coords)[None]
    distances = np.abs(differences - np.round(differences)).max(axis=2)
    distances[np.asarray(symbols)[:, None] != np.asarray(expected_symbols)[None]] = 1.0
    rows, columns = linear_sum_assignment(distances)
    assert distances[rows, columns].max() < TOLERANCE


def assert_same_cell(lattice: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    """Lengths and angles agree; how the cell is turned in space is free."""
    metrics = [np.asarray(cell) @ np.asarray(cell).T for cell in (lattice, expected)]
    np.testing.assert_allclose(metrics[0], metrics[1], rtol=TOLERANCE, atol=TOLERANCE)
