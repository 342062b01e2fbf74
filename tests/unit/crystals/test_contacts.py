"""Least contacts against pymatgen's neighbour search over all atoms."""

from __future__ import annotations

import numpy as np
import pytest
from crystal_prototypes import HALL_NUMBERS, PROTOTYPES, batch_of, reference_contacts, reference_structure

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.contacts import SITE_PAIRS, least_contacts, pair_distances
from crystalforge.crystals.elements import atomic_radii
from crystalforge.crystals.lattice import apply_crystal_system, cell_volumes, metric_tensors
from crystalforge.crystals.validity import structural_validity


def random_batch(rng: np.random.Generator, number: int, n: int, lattice_parameters: np.ndarray) -> CrystalBatch:
    """Crystals with all three sites in general position."""
    return CrystalBatch(
        np.full(n, number),
        lattice_parameters,
        rng.choice(np.arange(3, 83)[np.isfinite(atomic_radii()[3:83])], (n, 3)),
        rng.random((n, 3, 3)),
        np.ones((n, 3)),
        np.full((n, 3), "x"),
    )


def assert_contacts_match(batch: CrystalBatch, hall_number: int | None = None) -> None:
    found = least_contacts(batch)
    expected = [reference_contacts(reference_structure(batch, i, hall_number)) for i in range(len(batch))]
    np.testing.assert_allclose(found.min_distance, [pair[0] for pair in expected], atol=1e-6)
    np.testing.assert_allclose(found.min_contact_ratio, [pair[1] for pair in expected], atol=1e-6)


def test_prototypes_of_every_group_in_one_batch() -> None:
    assert_contacts_match(batch_of())


@pytest.mark.parametrize("number", HALL_NUMBERS)
def test_general_positions_in_cells_from_1_to_45_angstrom(number: int) -> None:
    rng = np.random.default_rng(number)
    lengths = np.column_stack([rng.uniform(1, 8, 4), rng.uniform(1, 8, 4), rng.uniform(1, 45, 4)])
    lengths[0] = 1.0, 1.0, 45.0
    cells = apply_crystal_system(np.column_stack([lengths, np.full((4, 3), 90.0)]), number)
    assert_contacts_match(random_batch(rng, number, 4, cells))


@pytest.mark.parametrize(("number", "hall_number"), [(1, 1), (2, 2), (14, 81), (12, 63)])
def test_skewed_short_cells(number: int, hall_number: int) -> None:
    rng = np.random.default_rng(number)
    cells = np.column_stack([rng.uniform(1, 3, (60, 2)), rng.uniform(1, 20, 60), rng.uniform(40, 140, (60, 3))])
    cells = apply_crystal_system(cells, number)
    with np.errstate(invalid="ignore"):
        is_solid = cell_volumes(cells) > 0.2 * cells[:, :3].prod(axis=1)
    cells = cells[is_solid][:12]
    assert_contacts_match(random_batch(rng, number, len(cells), cells), hall_number)


def test_hexagonal_images_are_the_nearest_of_many() -> None:
    grid = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 41), np.linspace(-0.5, 0.5, 41)), axis=-1).reshape(-1, 2)
    n = len(grid)
    sites = np.zeros((n, 3, 3))
    sites[:, 1, :2] = grid
    sites[:, 2, 2] = 0.5
    cells = np.tile([1.7, 1.7, 30.0, 90.0, 90.0, 120.0], (n, 1))
    batch = CrystalBatch(np.ones(n), cells, np.full((n, 3), 14), sites, np.ones((n, 3)), np.full((n, 3), "a"))
    steps = np.array([(i, j, 0) for i in range(-3, 4) for j in range(-3, 4)])
    images = (sites[:, 1, None] + steps)[:, :, :]
    squares = np.einsum("nij,jk,nik->ni", images, metric_tensors(cells[:1])[0], images)
    found = pair_distances(batch)[:, SITE_PAIRS.index((0, 1))]
    np.testing.assert_allclose(found, np.sqrt(squares.min(axis=1)), atol=1e-12)


def test_own_lattice_image_counts() -> None:
    batch = batch_of(tuple(p for p in PROTOTYPES if p.space_group_number == 221))
    short = CrystalBatch(
        batch.space_group_number, batch.lattice_parameters * [0.2, 0.2, 0.2, 1, 1, 1], *_sites_of(batch)
    )
    assert pair_distances(short)[0, 0] == pytest.approx(0.2 * 3.905)


def _sites_of(batch: CrystalBatch) -> tuple[np.ndarray, ...]:
    return batch.atomic_numbers, batch.frac_coords, batch.multiplicity, batch.wyckoff_letter


def test_centrings_are_lattice_images() -> None:
    batch = batch_of(PROTOTYPES[:1])
    assert pair_distances(batch)[0, 0] == pytest.approx(5.95 / np.sqrt(2))


def test_two_elements_on_one_place_touch_at_zero() -> None:
    batch = batch_of(PROTOTYPES[:1])
    batch.frac_coords[0, 1] = [1.0, 0.5, 0.5]
    contacts = least_contacts(batch)
    assert contacts.min_distance[0] == pytest.approx(0, abs=1e-12) and contacts.min_contact_ratio[0] == 0


def test_sites_without_a_place_and_unknown_radii_give_nan() -> None:
    batch = batch_of(PROTOTYPES[:3])
    batch.frac_coords[0, 1] = np.nan
    batch.atomic_numbers[1] = 54  # Xe has no Slater radius
    batch.atomic_numbers[2, 0] = 54
    contacts = least_contacts(batch)
    assert np.isnan(contacts.min_distance).tolist() == [True, False, False]
    assert np.isnan(contacts.min_contact_ratio).tolist() == [True, True, False]
    assert contacts.min_contact_ratio[2] == pytest.approx(3.905 / 2 / 2.0)


def test_order_of_a_mixed_batch_does_not_matter() -> None:
    batch = batch_of()
    order = np.random.default_rng(3).permutation(np.repeat(np.arange(len(batch)), 50))
    expected = least_contacts(batch)
    found = least_contacts(batch.select(order))
    np.testing.assert_array_equal(found.min_contact_ratio, expected.min_contact_ratio[order])
    assert len(least_contacts(CrystalBatch.empty()).min_distance) == 0


def test_validity_on_three_scales() -> None:
    batch = batch_of(PROTOTYPES[:1]).select([0, 0, 0, 0])
    batch.lattice_parameters[:, :3] *= np.array([1.0, 0.65, 0.35, 0.15])[:, None]
    batch.frac_coords[3] = np.nan
    judged = structural_validity(least_contacts(batch), cell_volumes(batch.lattice_parameters), [7.0, 24.0, 26.0, 1.0])
    assert judged.cdvae.tolist() == [True, True, True, False]
    assert judged.lemat_genbench.tolist() == [True, True, False, False]
    assert judged.pgcgm.tolist() == [True, False, False, False]
