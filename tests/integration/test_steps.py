"""The steps of `import crystalforge` that need Ray, one after another, with what they report on the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_training import small_recipe, write_recipe

import crystalforge
from crystalforge.home import Home


@pytest.mark.ray
def test_the_steps_lead_from_a_dataset_to_structures(bundled_home: Home, tmp_path: Path, ray_session: None) -> None:
    home = shutil.copytree(bundled_home.path, tmp_path / "home")
    recipe = write_recipe(tmp_path / "small.toml", small_recipe(generator_steps=2))
    epochs: list[int] = []
    training = crystalforge.train_all(
        recipe=recipe,
        space_groups=[225],
        home=home,
        progress=lambda space_group_number, generator_steps, terms: epochs.append(generator_steps),
    )
    assert [record["space_group_number"] for record in training.trained] == [225]
    assert epochs[-1] == 2

    drawn: list[int] = []
    generation = crystalforge.generate(
        40,
        training=training.training_id,
        space_groups=[225],
        shard_size=20,
        min_contact_ratio=0.1,
        home=home,
        progress=lambda done, total, accepted: drawn.append(done),
    )
    assert generation.rows == drawn[-1] == 40
    again = crystalforge.generate(resume=generation.generation_id, home=home)
    assert (again.shards_written, again.shards_kept) == (0, 2)

    found = crystalforge.sql("SELECT * FROM samples WHERE base_frac_coords IS NOT NULL LIMIT 3", home=home)
    structures = [crystalforge.to_structure(row) for _, row in found.iterrows()]
    assert [len(each) for each in structures] == found["n_atoms_conventional"].tolist()
