"""Primitive cells, and the space groups that a search finds in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from crystal_prototypes import PROTOTYPES, batch_of, reference_contacts, reference_structure

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.composition import n_atoms_primitive
from crystalforge.crystals.contacts import least_contacts
from crystalforge.crystals.elements import atomic_number
from crystalforge.crystals.primitive import primitive_basis, primitive_cells
from crystalforge.crystals.symmetry_search import find_space_groups
from crystalforge.symmetry import merge_overlapping_sites, space_group


@pytest.mark.parametrize("number", range(1, 231))
def test_the_primitive_basis_spans_the_centrings_of_every_group(number: int) -> None:
    basis, centrings = primitive_basis(number), space_group(number).centrings
    assert np.linalg.det(basis) == pytest.approx(1 / len(centrings))
    steps = centrings @ np.linalg.inv(basis)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-12)


def test_primitive_cells_hold_the_atoms_of_pymatgens() -> None:
    batch = batch_of()
    cells = dict(primitive_cells(batch))
    counts = n_atoms_primitive(batch)
    for i in range(len(batch)):
        assert len(cells[i].frac_coords) == len(cells[i].atomic_numbers) == counts[i]
        conventional = reference_structure(batch, i)
        assert np.linalg.det(cells[i].lattice) / counts[i] == pytest.approx(conventional.volume / len(conventional))


def test_prototypes_are_found_in_their_group() -> None:
    batch = batch_of()
    assert find_space_groups(batch).tolist() == batch.space_group_number.tolist()


def test_accidental_higher_symmetry_is_found() -> None:
    batch = batch_of(tuple(p for p in PROTOTYPES if p.space_group_number == 123))
    batch.lattice_parameters[:, 2] = batch.lattice_parameters[:, 0] * np.sqrt(2)
    batch.atomic_numbers[0] = [29, 29, 29]  # one element on every site of the face-centred lattice
    batch.lattice_parameters[:, 2] = batch.lattice_parameters[:, 0]
    assert find_space_groups(batch).tolist() == [225]


def test_atoms_in_one_place_and_sites_without_one_give_0(caplog) -> None:
    batch = batch_of(PROTOTYPES[:3])
    batch.frac_coords[0, 1] = batch.frac_coords[0, 0]
    batch.atomic_numbers[0, 1] = batch.atomic_numbers[0, 0]
    batch.frac_coords[1] = np.nan
    assert find_space_groups(batch).tolist() == [0, 0, 221]
    assert "failed=1 of=3" in caplog.text


@pytest.mark.shared
def test_real_crystals_are_found_in_their_group_and_have_the_contacts_of_pymatgen(shared_data: Path) -> None:
    table = pq.read_table(shared_data / "mp_ternary_12sg.parquet")
    rows = table.take(np.random.default_rng(0).choice(table.num_rows, 200, replace=False)).to_pylist()
    batch = _merged(rows)
    assert batch.is_placed.all()
    assert batch.multiplicity.tolist() == [row["base_multiplicity"] for row in rows]
    found = find_space_groups(batch)
    assert (found == batch.space_group_number).mean() >= 0.98, np.flatnonzero(found != batch.space_group_number)
    assert (found >= batch.space_group_number).all()
    ratios = least_contacts(batch).min_contact_ratio
    expected = [reference_contacts(reference_structure(batch, i))[1] for i in range(0, 200, 10)]
    np.testing.assert_allclose(ratios[::10], expected, atol=1e-6)


def _merged(rows: list[dict]) -> CrystalBatch:
    batch = CrystalBatch(
        [row["space_group_number"] for row in rows],
        [[row[f"conv_{name}"] for name in ("a", "b", "c", "alpha", "beta", "gamma")] for row in rows],
        atomic_number([row["base_species"] for row in rows]),
        np.array([row["base_frac_coords"] for row in rows]).reshape(-1, 3, 3),
        [row["base_multiplicity"] for row in rows],
        [row["base_wyckoff"] for row in rows],
    )
    for number, members in batch.by_space_group():
        sites = batch.frac_coords[members].reshape(-1, 3)
        cells = np.repeat(batch.lattice_parameters[members], 3, axis=0)
        merged = merge_overlapping_sites(number, sites, cells, np.full(len(sites), 0.1))
        batch.frac_coords[members] = merged.frac_coords.reshape(-1, 3, 3)
        batch.multiplicity[members] = merged.multiplicity.reshape(-1, 3)
    return batch
