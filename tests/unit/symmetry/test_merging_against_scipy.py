"""The exact merge against SciPy's single linkage on the expanded cloud: the same clusters in every case.

The number of cases per group is 25; more: ``CRYSTALFORGE_ORACLE_CASES=1000 pytest <this file> --timeout 0``.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from crystalforge.symmetry import (
    SPACE_GROUPS,
    CrystalSystem,
    cluster_overlapping_sites,
    expand_orbits,
    merge_overlapping_sites,
    space_group,
)
from crystalforge.symmetry.single_linkage import _cell_vectors

CASES = int(os.environ.get("CRYSTALFORGE_ORACLE_CASES", "25"))
OTHER_GROUPS = (2, 14, 15, 43, 88, 148, 152, 173, 198, 203, 220, 228, 230)


def random_cells(system: CrystalSystem, n: int, rng: np.random.Generator) -> np.ndarray:
    """Cells (n, 6) of 3 to 13 Å of a crystal system."""
    lengths, angles = rng.uniform(3, 13, (n, 3)), np.full((n, 3), 90.0)
    if system is CrystalSystem.CUBIC:
        lengths[:] = lengths[:, :1]
    elif system in (CrystalSystem.TETRAGONAL, CrystalSystem.TRIGONAL, CrystalSystem.HEXAGONAL):
        lengths[:, 1] = lengths[:, 0]
    if system in (CrystalSystem.TRIGONAL, CrystalSystem.HEXAGONAL):
        angles[:, 2] = 120.0
    elif system is CrystalSystem.MONOCLINIC:
        angles[:, 1] = rng.uniform(60, 120, n)
    elif system is CrystalSystem.TRICLINIC:
        angles[:] = rng.uniform(75, 115, (n, 3))
    return np.concatenate([lengths, angles], axis=1)


def random_sites(number: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Sites (n, 3): a third uniform, a third near special positions, a third on a grid of 1/48."""
    sites = rng.random((n, 3))
    positions = space_group(number).wyckoff_positions
    for row in range(0, n, 3):
        position = positions[rng.integers(len(positions))]
        sites[row] = position.linear @ sites[row] + position.constant + rng.normal(0, 0.03, 3)
    sites[1::3] = rng.integers(0, 48, sites[1::3].shape) / 48
    return sites


@pytest.mark.parametrize("number", SPACE_GROUPS + OTHER_GROUPS)
def test_equals_single_linkage(number: int) -> None:
    rng = np.random.default_rng([number, CASES])
    n = CASES if number in SPACE_GROUPS else CASES // 3
    cells = random_cells(space_group(number).crystal_system, n, rng)
    sites, cutoff = random_sites(number, n, rng), rng.uniform(0.4, 3.2, n)
    merged = merge_overlapping_sites(number, sites, cells, cutoff)
    for row in range(n):
        context = f"site {sites[row].tolist()} cell {cells[row].tolist()} cutoff {cutoff[row]}"
        oracle = cluster_overlapping_sites(number, sites[row], cells[row], cutoff[row])
        assert merged.percolates[row] == oracle.percolates, context
        if oracle.percolates:
            assert np.isnan(merged.frac_coords[row]).all(), context
            assert merged.multiplicity[row] == 0 and merged.wyckoff_letter[row] == "", context
            continue
        assert merged.multiplicity[row] == len(oracle.frac_coords), context
        orbit = expand_orbits(number, merged.frac_coords[row : row + 1]).frac_coords
        assert len(orbit) == len(oracle.frac_coords), context
        difference = orbit[:, None] - oracle.frac_coords[None]
        distance = np.linalg.norm((difference - np.round(difference)) @ _cell_vectors(cells[row]), axis=-1)
        assert (distance.min(axis=0) < 1e-6).all() and (distance.min(axis=1) < 1e-6).all(), context
        # The first point of the cloud is the site itself: its cluster's centre is the one that is returned.
        assert distance[0, oracle.labels[0]] < 1e-6, context


def test_percolation_is_found_by_scipy_on_a_chain() -> None:
    """A primitive cell of 3 Å links to its own images at 3 Å, and at nothing less."""
    cell = [3.0, 3.0, 3.0, 90.0, 90.0, 90.0]
    assert cluster_overlapping_sites(221, [0, 0, 0], cell, 3.0).percolates
    assert not cluster_overlapping_sites(221, [0, 0, 0], cell, 2.9999).percolates
