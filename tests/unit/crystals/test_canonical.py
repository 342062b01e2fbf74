"""One setting for each crystal, however it is written, and still the same crystal."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from crystal_prototypes import batch_of
from pymatgen.analysis.structure_matcher import StructureMatcher
from resettings import in_setting, periodic_difference, random_crystals, with_random_members

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.canonical import canonical_setting
from crystalforge.crystals.contacts import pair_distances
from crystalforge.crystals.elements import atomic_number, order_by_electronegativity
from crystalforge.crystals.lattice import apply_crystal_system
from crystalforge.crystals.structures import to_structure
from crystalforge.errors import UsageError
from crystalforge.symmetry import (
    SPACE_GROUPS,
    free_coordinates,
    merge_overlapping_sites,
    normaliser,
    setting_changes,
    wyckoff_letters,
)

NOISE = 1e-7
NOT_POLAR = [number for number in range(1, 231) if not len(normaliser(number).free_directions)]
CELL = [f"conv_{name}" for name in ("a", "b", "c", "alpha", "beta", "gamma")]


def assert_one_setting(crystals: CrystalBatch, rng: np.random.Generator) -> None:
    """Crystals of one group: every change of setting, other members and noise lead to the same arrays."""
    number = int(crystals.space_group_number[0])
    canonical = canonical_setting(crystals)
    for change in range(len(setting_changes(number))):
        for noise in (0.0, NOISE):
            again = canonical_setting(with_random_members(in_setting(crystals, change), rng, noise))
            assert (again.wyckoff_letter == canonical.wyckoff_letter).all(), number
            assert periodic_difference(again.frac_coords, canonical.frac_coords) < 1e-6, number
            assert np.array_equal(again.lattice_parameters, canonical.lattice_parameters), number


def assert_same_crystals(canonical: CrystalBatch, crystals: CrystalBatch) -> None:
    """The same elements at the same distances, by the full orbits and lattice images."""
    assert (canonical.atomic_numbers == crystals.atomic_numbers).all()
    assert (canonical.multiplicity == crystals.multiplicity).all()
    assert np.abs(pair_distances(canonical) - pair_distances(crystals)).max() < 1e-5


@pytest.mark.parametrize("numbers", np.array_split(NOT_POLAR, 3), ids=lambda numbers: f"{numbers[0]}-{numbers[-1]}")
def test_any_way_to_write_a_crystal_leads_to_one(numbers: np.ndarray) -> None:
    rng = np.random.default_rng(int(numbers[0]))
    for number in numbers.tolist():
        crystals = random_crystals(number, 3, rng)
        assert_one_setting(crystals, rng)
        canonical = canonical_setting(crystals)
        letters, multiplicity = wyckoff_letters(number, canonical.frac_coords.reshape(-1, 3))
        assert (letters == canonical.wyckoff_letter.ravel()).all()
        assert (multiplicity == canonical.multiplicity.ravel()).all()
        free_coordinates(number, letters, canonical.frac_coords.reshape(-1, 3))  # refuses what is on no first triplet


@pytest.mark.parametrize("number", [2, 15, 47, 62, 71, 141, 166, 194, 216, 227])
def test_it_is_the_same_crystal(number: int) -> None:
    crystals = random_crystals(number, 5, np.random.default_rng(number))
    assert_same_crystals(canonical_setting(crystals), crystals)


def test_prototypes_are_still_themselves() -> None:
    batch = batch_of()
    canonical = canonical_setting(batch)
    for i in range(len(batch)):
        structure, original = to_structure(canonical, i), to_structure(batch, i)
        assert StructureMatcher(ltol=1e-4, stol=1e-4, angle_tol=1e-3, scale=False).fit(structure, original)


def test_doing_it_twice_changes_nothing() -> None:
    once = canonical_setting(batch_of())
    twice = canonical_setting(once)
    assert np.array_equal(once.wyckoff_letter, twice.wyckoff_letter)
    assert periodic_difference(once.frac_coords, twice.frac_coords) < 1e-12


def test_the_order_of_sites_stays_and_does_not_matter() -> None:
    batch, order = batch_of(), np.array([2, 0, 1])
    turned = replace(
        batch,
        **{name: getattr(batch, name)[:, order] for name in ("atomic_numbers", "multiplicity", "wyckoff_letter")},
        frac_coords=batch.frac_coords[:, order],
    )
    canonical = canonical_setting(turned)
    assert (canonical.atomic_numbers == turned.atomic_numbers).all()
    assert periodic_difference(canonical.frac_coords, canonical_setting(batch).frac_coords[:, order]) == 0.0


def test_sites_of_one_element_are_interchangeable() -> None:
    rng = np.random.default_rng(5)
    crystals = random_crystals(62, 20, rng)
    crystals.atomic_numbers[:, 1] = crystals.atomic_numbers[:, 0]
    order = np.array([1, 0, 2])
    exchanged = replace(
        crystals,
        frac_coords=crystals.frac_coords[:, order],
        multiplicity=crystals.multiplicity[:, order],
        wyckoff_letter=crystals.wyckoff_letter[:, order],
    )
    canonical = canonical_setting(crystals)
    assert_one_setting(crystals, rng)
    assert periodic_difference(canonical.frac_coords, canonical_setting(exchanged).frac_coords[:, order]) < 1e-12


def test_the_least_letters_are_taken_and_the_least_coordinates() -> None:
    """The most electropositive element gets the least letter: Mn of AlMnCu2, Li of LiAlSi."""
    canonical = canonical_setting(batch_of())
    assert canonical.wyckoff_letter[[0, 4]].tolist() == [["b", "a", "c"], ["a", "b", "c"]]
    sites = canonical.frac_coords[5]  # TiNiSi
    assert (sites[:, 1] == 0.25).all()
    assert np.allclose(sites[0], [0.01934, 0.25, 0.18552], atol=1e-12)


def test_crystals_without_a_place_or_off_their_letter_are_refused() -> None:
    batch = batch_of()
    batch.wyckoff_letter[2, 1] = "d"
    with pytest.raises(UsageError, match=r"Site 1 of crystal 2: expected one on Wyckoff position 3d.*221"):
        canonical_setting(batch)
    batch.frac_coords[2, 1] = np.nan
    with pytest.raises(UsageError, match="is_placed"):
        canonical_setting(batch)
    assert len(canonical_setting(CrystalBatch.empty())) == 0


@pytest.fixture(scope="module")
def real_crystals(shared_data: Path) -> CrystalBatch:
    """The shared training set on its Wyckoff positions, elements by electronegativity."""
    table = pq.read_table(shared_data / "mp_ternary_12sg.parquet")
    numbers = table["space_group_number"].to_numpy()
    cells = np.stack([table[name].to_numpy() for name in CELL], axis=1)
    sites = np.array(table["base_frac_coords"].to_pylist()).reshape(-1, 3, 3)
    elements = atomic_number(np.array(table["base_species"].to_pylist()))
    parts = []
    for number in SPACE_GROUPS:
        chosen = np.flatnonzero(numbers == number)
        group_cells = apply_crystal_system(cells[chosen], number)
        merged = merge_overlapping_sites(number, sites[chosen].reshape(-1, 3), np.repeat(group_cells, 3, axis=0), 0.1)
        order = order_by_electronegativity(elements[chosen])
        parts.append(
            CrystalBatch(
                numbers[chosen],
                group_cells,
                np.take_along_axis(elements[chosen], order, axis=1),
                np.take_along_axis(merged.frac_coords.reshape(-1, 3, 3), order[:, :, None], axis=1),
                np.take_along_axis(merged.multiplicity.reshape(-1, 3), order, axis=1),
                np.take_along_axis(merged.wyckoff_letter.reshape(-1, 3), order, axis=1),
            )
        )
    return CrystalBatch.concatenate(parts)


def templates(batch: CrystalBatch) -> tuple[int, int]:
    """How many triples of letters by site, and how many whatever the order of the sites."""
    triples = [(int(n), *row) for n, row in zip(batch.space_group_number, batch.wyckoff_letter.tolist(), strict=True)]
    return len(set(triples)), len({(number, *sorted(letters)) for number, *letters in triples})


@pytest.mark.shared
def test_every_real_crystal_has_one_setting_whatever_the_normaliser_does(real_crystals: CrystalBatch) -> None:
    rng = np.random.default_rng(4)
    assert len(real_crystals) == 12_889
    for _, members in real_crystals.by_space_group():
        assert_one_setting(real_crystals.select(members), rng)


@pytest.mark.shared
def test_real_crystals_stay_the_same(real_crystals: CrystalBatch) -> None:
    start = time.process_time()
    canonical = canonical_setting(real_crystals)
    assert time.process_time() - start < 5
    assert_same_crystals(canonical, real_crystals)
    rng, matcher = np.random.default_rng(6), StructureMatcher(ltol=1e-4, stol=1e-4, angle_tol=1e-3, scale=False)
    for number, members in real_crystals.by_space_group():
        for i in rng.choice(members, 2):
            structure = to_structure(canonical, int(i))
            assert matcher.fit(structure, to_structure(real_crystals, int(i))), (number, i)


@pytest.mark.shared
def test_real_templates_become_fewer(real_crystals: CrystalBatch) -> None:
    assert templates(real_crystals) == (399, 181)
    assert templates(canonical_setting(real_crystals)) == (243, 124)
