"""Recipes: the bundled ones load, and every fault of a person's own is named with its repair."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crystalforge.errors import RecipeError
from crystalforge.gan.recipe import load_recipe, recipe_from_values, recipe_names


def test_every_bundled_recipe_loads_under_its_name() -> None:
    assert {"donor", "paper", "quick", "swap"} <= set(recipe_names())
    for name in recipe_names():
        assert load_recipe(name).name == name


def test_the_paper_recipe_holds_the_figures_of_the_paper() -> None:
    recipe = load_recipe("paper")
    assert recipe.augmentation.samples_per_material == 32
    assert recipe.wasserstein.gradient_penalty == 10
    physics = recipe.physics
    assert (physics.lambda_inter, physics.lambda_intra) == (3.5, 5.0)
    assert (physics.lambda_volume, physics.lambda_abc) == (12.5, 5.0)
    rates = recipe.optimisation
    assert (rates.critic_learning_rate, rates.generator_learning_rate, rates.physics_learning_rate) == (
        2e-4,
        5e-4,
        5e-4,
    )


def test_the_quick_recipe_has_the_equations_of_the_paper() -> None:
    paper, quick = load_recipe("paper"), load_recipe("quick")
    assert quick.physics == paper.physics
    assert quick.wasserstein == paper.wasserstein
    assert quick.augmentation == paper.augmentation


def _written(folder: Path, old: str, new: str) -> str:
    source = Path(__file__).parents[3] / "platform/crystalforge/gan/recipes/quick.toml"
    text = source.read_text()
    assert old in text
    path = folder / "mine.toml"
    path.write_text(text.replace(old, new))
    return str(path)


def test_a_recipe_of_ones_own_takes_the_name_of_its_file(tmp_path: Path) -> None:
    assert load_recipe(_written(tmp_path, "batch_size = 64", "batch_size = 16")).name == "mine"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("critic_steps", "critic_step", r"wasserstein.critic_step: unknown key. Did you mean 'critic_steps'\?"),
        ("[physics]", "[physic]", r"physic: unknown key. Did you mean 'physics'\?"),
        ("merge_ratio = 0.5", "", "sampling.merge_ratio: missing"),
        ("batch_size = 64", "batch_size = 1", "optimisation.batch_size = 1: .*greater than or equal to 2"),
        ("batch_size = 64", "batch_size = 'big'", "optimisation.batch_size = 'big'"),
        ("lambda_inter = 3.5", "lambda_inter = nan", "physics.lambda_inter"),
        ('compositions = "marginals"', 'compositions = "magic"', "'uniform' or 'marginals'"),
        ('method = "paper"', "", "method: missing. Expected one of paper"),
        ('method = "paper"', 'method = "papr"', "method = 'papr': there is no such method. Did you mean 'paper'"),
        ("[networks]", "[networks", "not valid TOML"),
        ("# The equations", "name = '../../escape'\n# The equations", "name = '../../escape': string should match"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(_written(tmp_path, old, new))


def test_a_recipe_that_does_not_exist_suggests_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"No recipe 'papr'.*Did you mean 'paper'\?"):
        load_recipe("papr")


def test_a_recipe_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(str(path))


def test_steps_replace_the_recipes_and_change_its_fingerprint() -> None:
    recipe = load_recipe("quick")
    assert recipe.with_steps(None) is recipe
    shorter = recipe.with_steps(45)
    assert (shorter.optimisation.generator_steps, shorter.n_epochs) == (45, 2)
    assert shorter.fingerprint != recipe.fingerprint
    with pytest.raises(RecipeError, match="generator_steps = 0"):
        recipe.with_steps(0)


def test_values_survive_a_round_trip() -> None:
    recipe = load_recipe("paper")
    assert recipe_from_values(recipe.model_dump(), "round trip") == recipe


def test_the_cutoff_of_the_merge_is_a_share_of_the_radii_with_a_floor() -> None:
    radii = np.array([[0.25, 0.6, 2.0]])  # H, O and an alkali metal
    assert load_recipe("paper").sampling.merge_cutoff(radii).tolist() == [[0.25, 0.6, 2.0]]
    assert load_recipe("quick").sampling.merge_cutoff(radii).tolist() == [[1.0, 1.0, 2.0]]
