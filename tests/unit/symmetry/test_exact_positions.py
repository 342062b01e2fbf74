"""Noisy sites of every Wyckoff position of all 230 groups: the merged centre has the exact rational coordinates."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from oracle_cases import random_cells

from crystalforge.symmetry import SPACE_GROUPS, merge_overlapping_sites, space_group

NOISE = 0.03
"""Å, largest error along each edge."""
CUTOFF = 0.2
"""Å. In a cell of any angles the error is at most 3·NOISE long, and two images of one site twice that apart."""
FREE = np.array([0.1391, 0.3413, 0.4447])
"""Free coordinates away from every position of more symmetry."""
N_DRAWS = 8
PRECISION = 1e-9


@pytest.mark.parametrize("number", range(1, 231))
def test_fixed_coordinates_are_the_rational_numbers(number: int) -> None:
    group, rng = space_group(number), np.random.default_rng(number)
    cells = random_cells(group.crystal_system, N_DRAWS, rng) * [3, 3, 3, 1, 1, 1]
    noise = rng.uniform(-NOISE, NOISE, (N_DRAWS, 3)) / cells[:, :3]
    for position in group.wyckoff_positions:
        exact = position.linear @ FREE + position.constant
        merged = merge_overlapping_sites(number, exact + noise, cells, CUTOFF)
        assert merged.multiplicity.tolist() == [position.multiplicity] * N_DRAWS, position
        assert merged.wyckoff_letter.tolist() == [position.letter] * N_DRAWS, position
        # What the affine form fixes is the part of a coordinate that no change of x, y, z reaches.
        complement = np.eye(3) - position.linear @ np.linalg.pinv(position.linear)
        difference = merged.frac_coords - exact
        difference -= np.round(difference)
        assert (np.abs(difference @ complement.T) < PRECISION).all(), position
        for axis, text in enumerate(position.coordinates.split(",")):
            if not position.linear[axis].any():
                error = merged.frac_coords[:, axis] - float(Fraction(text))
                assert (np.abs(error - np.round(error)) < PRECISION).all(), position


def test_thirds_and_eighths_occur() -> None:
    """The test above is not about halves alone."""
    fixed = {
        text
        for number in SPACE_GROUPS
        for position in space_group(number).wyckoff_positions
        for text in position.coordinates.split(",")
        if not any(letter in text for letter in "xyz")
    }
    assert {"0", "1/2", "1/4", "3/4", "1/3", "2/3", "1/8", "5/8"} <= fixed
