"""Self-augmentation: every drawn site belongs to its orbit, every member of an orbit is drawn."""

from __future__ import annotations

import numpy as np
import torch

from crystalforge.dataset import TrainingTable
from crystalforge.gan.data import TrainingData, radius_table


def test_drawn_sites_are_members_of_the_orbits(data_62: TrainingData) -> None:
    batch = data_62.draw(200, torch.Generator().manual_seed(1))
    assert batch.base_sites.shape == (200, 3, 3, 3)
    for i in range(200):
        same_cell = (data_62.lattice_parameters == batch.lattice_parameters[i]).all(1)
        fitting = [
            m
            for m in torch.nonzero(same_cell).flatten().tolist()
            if torch.equal(data_62.property_table[data_62.atomic_numbers[m]], batch.properties[i])
        ]
        assert any(
            all(
                (data_62.orbit_coords[m, element] == batch.base_sites[i, s, element]).all(1).any()
                for s in range(3)
                for element in range(3)
            )
            for m in fitting
        )


def test_every_member_of_every_orbit_is_drawn(data_62: TrainingData, table_62: TrainingTable) -> None:
    for element in range(3):
        for multiplicity in np.unique(table_62.multiplicity[:, element]):
            rows = np.flatnonzero(table_62.multiplicity[:, element] == multiplicity)
            drawn = data_62.members[rows][..., element]
            assert set(np.unique(drawn)) == set(range(multiplicity))


def test_the_three_sets_are_drawn_independently(data_62: TrainingData) -> None:
    first, second = data_62.members[:, :, 0], data_62.members[:, :, 1]
    assert not torch.equal(first, second)


def test_the_same_seed_draws_the_same_crystals(data_62: TrainingData) -> None:
    first, second, other = (data_62.draw(50, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.base_sites, second.base_sites)
    assert not torch.equal(first.base_sites, other.base_sites)


def test_every_element_has_a_radius() -> None:
    radii = radius_table()
    assert torch.isfinite(radii[1:]).all()
    assert radii[8] == 0.6  # oxygen, Slater
