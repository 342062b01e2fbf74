"""Orbit tables: every atom of every orbit is there, equally often to be drawn."""

from __future__ import annotations

import numpy as np
import pytest

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.rows import batch_from_table
from crystalforge.dataset import build_dataset, find_dataset, orbit_table, training_table
from crystalforge.errors import UnknownSpaceGroupError
from crystalforge.home import Home
from crystalforge.symmetry import expand_orbits


def perovskites(*space_group_numbers: int) -> CrystalBatch:
    n = len(space_group_numbers)
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]]
    return CrystalBatch(
        space_group_number=np.array(space_group_numbers),
        lattice_parameters=np.tile([3.905, 3.905, 3.905, 90, 90, 90], (n, 1)),
        atomic_numbers=np.tile([38, 22, 8], (n, 1)),
        frac_coords=np.tile(np.array(sites, dtype=float), (n, 1, 1)),
        multiplicity=np.tile([1, 1, 3], (n, 1)),
        wyckoff_letter=np.tile(["a", "b", "c"], (n, 1)),
    )


def test_orbits_are_padded_by_repetition() -> None:
    table = orbit_table(perovskites(221, 221))
    assert table.coords.shape == (2, 3, 3, 3)
    assert table.coords.dtype == np.float32
    assert table.multiplicity.tolist() == [[1, 1, 3]] * 2
    assert (table.coords[:, 0] == 0).all()
    assert (table.coords[:, 1] == 0.5).all()
    oxygens = {tuple(atom) for atom in table.coords[0, 2].tolist()}
    assert oxygens == {(0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5)}


def test_an_orbit_table_holds_one_space_group() -> None:
    for batch in (perovskites(221, 225), perovskites()):
        with pytest.raises(UnknownSpaceGroupError, match="one space group"):
            orbit_table(batch)


def test_training_tables_of_a_real_dataset(home: Home) -> None:
    build_dataset(home, "bundled")
    materials = find_dataset(home).materials()
    batch = batch_from_table(materials)
    for number in (62, 166, 227):
        table = training_table(materials, number)
        chosen = batch.select(batch.space_group_number == number)
        greatest = chosen.multiplicity.max()
        assert table.orbit_coords.shape == (len(chosen), 3, greatest, 3)
        assert (table.orbit_coords >= 0).all()
        assert (table.orbit_coords < 1).all()
        assert np.array_equal(table.multiplicity, chosen.multiplicity)
        assert np.array_equal(table.atomic_numbers, chosen.atomic_numbers)
        last = expand_orbits(number, chosen.frac_coords[-1]).frac_coords[-chosen.multiplicity[-1, 2] :]
        assert np.allclose(table.orbit_coords[-1, 2, : len(last)], last, atol=1e-6)
    with pytest.raises(UnknownSpaceGroupError, match="no crystal of space group 1"):
        training_table(materials, 1)
