"""Equal crystals meet, different ones do not."""

from __future__ import annotations

import numpy as np
import pytest
from crystal_prototypes import HALL_NUMBERS, PROTOTYPES, batch_of, expand_plainly
from resettings import in_setting, random_crystals, with_random_members

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.identity import crystal_ids
from crystalforge.errors import UsageError
from crystalforge.symmetry import normaliser, setting_changes, space_group, wyckoff_letters


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
    for number, members in batch.by_space_group():
        general = space_group(number).wyckoff_positions[-1]
        batch.wyckoff_letter[members], batch.multiplicity[members] = general.letter, general.multiplicity
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


@pytest.mark.parametrize("number", [1, 8, 16, 62, 71, 123, 164, 194, 216, 225, 227])
def test_nor_does_the_setting_of_the_group(number: int) -> None:
    rng = np.random.default_rng(number)
    crystals = random_crystals(number, 20, rng)
    ids = crystal_ids(crystals)
    assert len(set(ids)) == len(crystals)
    if len(normaliser(number).free_directions):
        return  # the origin of a polar group is free: not recognised
    for change in range(len(setting_changes(number))):
        assert crystal_ids(with_random_members(in_setting(crystals, change), rng, 1e-9)) == ids


def test_two_entries_of_one_nitride_meet() -> None:
    """CsRuN2, entries mp-1118911 and mp-1349635 of the Materials Project: they differ by the origin of 227 alone."""
    batch = batch_of(PROTOTYPES[3:4]).select([0, 0])
    batch.lattice_parameters[:, :3] = 8.638938
    batch.atomic_numbers[:] = [55, 44, 7]
    batch.frac_coords[0] = [[0.25, 0.75, 0.25], [0.25, 0.75, 0.75], [0.375, 0.375, 0.125]]
    batch.frac_coords[1] = [[0.25, 0.25, 0.25], [0.25, 0.25, 0.75], [0.125, 0.375, 0.875]]
    for i in range(2):
        batch.wyckoff_letter[i], batch.multiplicity[i] = wyckoff_letters(227, batch.frac_coords[i])
    assert len(set(crystal_ids(batch))) == 1


def test_any_other_content_is_another_crystal() -> None:
    (plain,) = crystal_ids(batch_of(PROTOTYPES[5:6]))
    others = batch_of(PROTOTYPES[5:6]).select([0] * 6)
    others.space_group_number[0], others.wyckoff_letter[0] = 71, "o"  # 16o is general
    others.lattice_parameters[1, 0] += 0.002
    others.atomic_numbers[2, 0] += 1
    others.frac_coords[3, 0, 0] += 0.0002
    others.wyckoff_letter[4, 0] = "d"  # 8d is general
    others.atomic_numbers[5] = others.atomic_numbers[5][[1, 0, 2]]
    ids = crystal_ids(others)
    assert plain not in ids and len(set(ids)) == 6


def test_the_id_is_the_same_tomorrow_and_in_any_batch() -> None:
    batch = batch_of()
    assert crystal_ids(batch.select([2])) == [crystal_ids(batch)[2]] == ["10271c8f9ab0aefe05b02dc143cf0056"]
    assert crystal_ids(CrystalBatch.empty()) == []


def test_sites_without_a_place_are_refused() -> None:
    batch = batch_of()
    batch.frac_coords[0, 0] = np.nan
    with pytest.raises(UsageError, match="is_placed"):
        crystal_ids(batch)
