"""A symmetry search on merged crystals finds the requested group: a short run of a part of benchmarks/oracle.py."""

from __future__ import annotations

import numpy as np
import pytest
from symmetry_agreement import LEFT_OUT, draw_crystals, holds, moyopy_search, search_group

from crystalforge.symmetry import SPACE_GROUPS, space_group

CUBE = 6.0 * np.eye(3)


@pytest.mark.parametrize("n_orbits", [1, 3])
@pytest.mark.parametrize("number", SPACE_GROUPS)
def test_the_requested_operations_are_found(number: int, n_orbits: int) -> None:
    found = search_group(number, n_orbits, 15, 2, [number, n_orbits])
    assert found["moyopy_holds_the_group"] == found["n"] == 15, found["failures"]
    assert found["spglib_holds_the_group"] == found["n_spglib"] == 2
    assert found["package_search_same_number"] == (15 if n_orbits == 3 else None)
    assert set(found["left_out"]) == set(LEFT_OUT)
    if n_orbits == 3:
        assert found["moyopy_exact"] >= 10
        assert found["null_same_number"] == 0  # displaced by 0.02 Å, the group is gone


def test_a_larger_number_alone_is_no_supergroup() -> None:
    """Fm-3m (225) holds F-43m (216) and P-43m (215), Fd-3m (227) does not hold Fm-3m, nor a shifted copy of itself."""
    operations = {number: (space_group(number).rotations, space_group(number).translations) for number in range(1, 231)}
    for larger, smaller in ((225, 216), (225, 215), (225, 225), (221, 215), (227, 216)):
        assert holds(operations[larger], operations[smaller], CUBE)
    for found, requested in ((216, 225), (227, 225), (229, 225), (230, 227), (221, 225)):
        assert not holds(operations[found], operations[requested], CUBE)
    R, t = operations[227]
    shift = np.array([1 / 8, 1 / 8, 1 / 8])
    assert not holds((R, t + shift - R @ shift), (R, t), CUBE)
    whole_cells = np.random.default_rng(0).integers(-3, 4, t.shape)
    assert holds((R, t + whole_cells), (R, t), CUBE)
    assert not holds((R, t + np.array([0.005, 0, 0])), (R, t), CUBE)  # 0.03 Å


def test_displaced_atoms_lose_the_group() -> None:
    rng = np.random.default_rng(5)
    crystals, left_out = draw_crystals(62, 3, 5, rng)
    assert len(crystals) == 5 and min(left_out.values()) >= 0
    for crystal in crystals:
        assert moyopy_search(crystal)[1]
        number, held = moyopy_search(crystal, displaced=rng)
        assert not held and number < 62
