"""A training that is real but small: two space groups, small batches, few steps."""

from __future__ import annotations

from pathlib import Path

from crystalforge.gan.recipe import Recipe, load_recipe, recipe_from_values

GROUPS = [225, 62]


def small_recipe(**optimisation: float) -> Recipe:
    """The quick recipe with small batches and few steps: three epochs of two steps."""
    values = load_recipe("quick").model_dump()
    values["name"] = "small"
    values["optimisation"] |= {"batch_size": 8, "generator_steps": 6, "steps_per_epoch": 2} | optimisation
    return recipe_from_values(values, "small")


def write_recipe(path: Path, recipe: Recipe) -> Path:
    """A recipe as the TOML file that a user would write."""
    lines = [f'method = "{recipe.method}"']
    for part, content in recipe.model_dump(exclude={"name", "method"}).items():
        lines += [f"[{part}]", *(f"{key} = {value!r}".replace("'", '"') for key, value in content.items())]
    path.write_text("\n".join(lines))
    return path
