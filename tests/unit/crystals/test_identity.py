"""Equal crystals meet, different ones do not."""

from __future__ import annotations

import numpy as np
import pytest
from crystal_prototypes import HALL_NUMBERS, PROTOTYPES, batch_of, expand_plainly

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.identity import crystal_ids


def with_other_members(batch: CrystalBatch, rng: np.random.Generator) -> CrystalBatch:
    """The same crystals: other members of the orbits, other cells, another order of the sites, noise."""
    coords, numbers, letters, counts = [], [], [], []
    for i in range(len(batch)):
        hall_number = HALL_NUMBERS[int(batch.space_group_number[i])]
        orbits = [expand_plainly(hall_number, site) for site in batch.frac_coords[i]]
        members = np.array([orbit[rng.integers(len(orbit))] for orbit in orbits])
        order = rng.permutation(3)
        coords.append((members + rng.integers(-2, 3, (3, 3)) + rng.normal(0, 1e-9, (3, 3)))[order])
        numbers.append(batch.atomic_numbers[i][order])
        letters.append(batch.wyckoff_letter[i][order])
        counts.append(batch.multiplicity[i][order])
    return CrystalBatch(batch.space_group_number, batch.lattice_parameters, numbers, coords, counts, letters)


def general_batch(rng: np.random.Generator, n: int, digits: int) -> CrystalBatch:
    prototypes = batch_of()
    batch = prototypes.select(np.tile(np.arange(len(prototypes)), n))
    batch.frac_coords[:] = np.round(rng.random(batch.frac_coords.shape), digits)
    return batch


def test_ids_are_16_bytes_of_hex_and_distinct_for_prototypes() -> None:
    ids = crystal_ids(batch_of())
    assert len(set(ids)) == len(PROTOTYPES)
    assert all(len(bytes.fromhex(crystal_id)) == 16 for crystal_id in ids)


def test_orbit_member_cell_and_order_of_sites_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    batch = batch_of()
    for _ in range(5):
        assert crystal_ids(with_other_members(batch, rng)) == crystal_ids(batch)


@pytest.mark.parametrize("digits", [3, 4, 5, 12])
def test_nor_do_they_for_general_positions_with_few_digits(digits: int) -> None:
    rng = np.random.default_rng(digits)
    batch = general_batch(rng, 4, digits)
    assert crystal_ids(with_other_members(batch, rng)) == crystal_ids(batch)
    assert len(set(crystal_ids(batch))) == len(batch)


def test_any_other_content_is_another_crystal() -> None:
    (plain,) = crystal_ids(batch_of(PROTOTYPES[5:6]))
    others = batch_of(PROTOTYPES[5:6]).select([0] * 6)
    others.space_group_number[0] = 71
    others.lattice_parameters[1, 0] += 0.002
    others.atomic_numbers[2, 0] += 1
    others.frac_coords[3, 0, 0] += 0.0002
    others.wyckoff_letter[4, 0] = "d"
    others.atomic_numbers[5] = others.atomic_numbers[5][[1, 0, 2]]
    ids = crystal_ids(others)
    assert plain not in ids and len(set(ids)) == 6


def test_the_id_is_the_same_tomorrow_and_in_any_batch() -> None:
    batch = batch_of()
    assert crystal_ids(batch.select([2])) == [crystal_ids(batch)[2]] == ["bbedd27d0b89342a2b4e4f64e310a81d"]
    assert crystal_ids(CrystalBatch.empty()) == []


def test_sites_without_a_place_are_refused() -> None:
    batch = batch_of()
    batch.frac_coords[0, 0] = np.nan
    with pytest.raises(ValueError, match="is_placed"):
        crystal_ids(batch)
