"""A small real training: crystals of one space group from the bundled dataset and a tiny recipe."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crystalforge.dataset import TrainingTable, training_table
from crystalforge.gan.data import TrainingData, training_data
from crystalforge.gan.recipe import Recipe, load_recipe, recipe_from_values


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    """The quick recipe with small batches and two epochs of two steps."""
    values = load_recipe("quick").model_dump()
    values["optimisation"] |= {"batch_size": 8, "generator_steps": 4, "steps_per_epoch": 2}
    values["wasserstein"] |= {"critic_steps": 2}
    return recipe_from_values(values, "tiny")


@pytest.fixture(scope="session")
def table_62(bundled_materials: pa.Table) -> TrainingTable:
    """The bundled crystals of space group 62."""
    return training_table(bundled_materials.filter(pc.equal(bundled_materials["space_group_number"], 62)), 62)


@pytest.fixture(scope="session")
def data_62(table_62: TrainingTable) -> TrainingData:
    """The same, augmented."""
    return training_data(
        table_62.lattice_parameters,
        table_62.atomic_numbers,
        table_62.orbit_coords,
        table_62.multiplicity,
        samples_per_material=32,
        seed=np.random.SeedSequence(1),
    )
