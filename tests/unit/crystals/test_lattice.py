"""Cells against pymatgen's."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice

from crystalforge.crystals.lattice import (
    apply_crystal_system,
    cell_volumes,
    lattice_matrices,
    metric_tensors,
)
from crystalforge.errors import UnknownSpaceGroupError

CELLS = np.array(
    [
        [4.0, 4.0, 4.0, 90.0, 90.0, 90.0],
        [3.1, 3.1, 15.2, 90.0, 90.0, 120.0],
        [5.0, 6.0, 7.0, 90.0, 103.0, 90.0],
        [5.0, 6.0, 7.0, 63.0, 103.0, 71.0],
    ]
)


def test_matrices_volumes_and_metric_are_those_of_pymatgen() -> None:
    lattices = [Lattice.from_parameters(*cell) for cell in CELLS]
    matrices = lattice_matrices(CELLS)
    np.testing.assert_allclose(matrices @ matrices.transpose(0, 2, 1), metric_tensors(CELLS), atol=1e-10)
    np.testing.assert_allclose(metric_tensors(CELLS), [lattice.metric_tensor for lattice in lattices], atol=1e-10)
    np.testing.assert_allclose(cell_volumes(CELLS), [lattice.volume for lattice in lattices])
    np.testing.assert_allclose(cell_volumes(CELLS), np.linalg.det(matrices))


def test_right_angles_are_exact_and_a_lies_along_x() -> None:
    matrices = lattice_matrices(CELLS)
    assert np.array_equal(matrices[0], 4.0 * np.eye(3))
    assert not np.any(matrices[:, 0, 1:]) and not np.any(matrices[:, 1, 2])
    assert metric_tensors(CELLS)[1, 0, 1] == pytest.approx(-0.5 * 3.1**2, abs=0)


def test_angles_that_enclose_no_volume_give_nan() -> None:
    assert np.isnan(cell_volumes([[5.0, 5.0, 5.0, 30.0, 40.0, 120.0]])).all()
    assert np.isnan(lattice_matrices([[5.0, 5.0, 5.0, 30.0, 40.0, 120.0]])).any()


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("cubic", [2, 2, 2, 90, 90, 90]),
        ("hexagonal", [1.5, 1.5, 3, 90, 90, 120]),
        (166, [1.5, 1.5, 3, 90, 90, 120]),
        (139, [1.5, 1.5, 3, 90, 90, 90]),
        (62, [1, 2, 3, 90, 90, 90]),
        (14, [1, 2, 3, 90, 81, 90]),
        (2, [1, 2, 3, 80, 81, 82]),
    ],
)
def test_crystal_systems(system: str | int, expected: list[float]) -> None:
    given = np.array([[1.0, 2.0, 3.0, 80.0, 81.0, 82.0]])
    np.testing.assert_allclose(apply_crystal_system(given, system), [expected])
    assert given[0, 0] == 1.0


def test_unknown_systems_are_refused() -> None:
    with pytest.raises(UnknownSpaceGroupError, match="cubical"):
        apply_crystal_system(CELLS, "cubical")
    with pytest.raises(UnknownSpaceGroupError, match="231"):
        apply_crystal_system(CELLS, 231)
