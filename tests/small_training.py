"""A training that is real but small: two space groups, small batches, few steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crystalforge.gan.recipe import Recipe, load_recipe, recipe_from_values

GROUPS = [225, 62]


def small_recipe(**optimisation: float) -> Recipe:
    """The quick recipe with small batches and few steps: three epochs of two steps."""
    values = load_recipe("quick").model_dump()
    values["name"] = "small"
    values["optimisation"] |= {"batch_size": 8, "generator_steps": 6, "steps_per_epoch": 2} | optimisation
    return recipe_from_values(values, "small")


def small_forge_recipe(**optimisation: float) -> Recipe:
    """The forge recipe with small batches and few steps: three epochs of two steps."""
    values = load_recipe("forge").model_dump()
    values["name"] = "small-forge"
    values["sampling"]["compositions"] = "marginals"  # quick to fit
    values["optimisation"] |= {"batch_size": 16, "generator_steps": 6, "steps_per_epoch": 2, "patience": 0}
    values["optimisation"] |= optimisation
    return recipe_from_values(values, "small-forge")


def write_recipe(path: Path, recipe: Recipe) -> Path:
    """A recipe as the TOML file that a user would write."""
    values = recipe.model_dump(exclude={"name"})
    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    lines = _toml_lines(plain)
    for part, content in values.items():
        if part not in plain:
            lines += [f"[{part}]", *_toml_lines(content)]
    path.write_text("\n".join(lines))
    return path


def _toml_lines(values: dict[str, Any]) -> list[str]:
    return [f"{key} = {json.dumps(value)}" for key, value in values.items()]
