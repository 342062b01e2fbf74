from __future__ import annotations

from pathlib import Path

import pytest

from crystalforge.errors import RecipeError
from crystalforge.validation.engines import find_engine
from crystalforge.validation.recipe import load_recipe, recipe_from_values, recipe_names

VALUES = {"name": "mine", "engine": "stand-in", "physics": {"cutoff_ev": 900.0, "kpoint_density": 30.0}}


@pytest.mark.parametrize("name", recipe_names())
def test_every_bundled_recipe_loads_and_has_its_engine(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert find_engine(recipe.engine).name == recipe.engine


def test_the_hash_holds_what_decides_the_energy_and_nothing_else() -> None:
    recipe = recipe_from_values(VALUES, "mine")
    resources = recipe_from_values(VALUES | {"resources": {"walltime_s": 5, "cores": 4}, "name": "other"}, "other")
    assert resources.recipe_hash == recipe.recipe_hash
    for physics in ({"cutoff_ev": 520.0}, {"kpoint_density": 40.0}, {"smearing_ev": 0.1}, {"spin": "collinear"}):
        changed = recipe_from_values(VALUES | {"physics": VALUES["physics"] | physics}, "changed")
        assert changed.recipe_hash != recipe.recipe_hash, physics
    assert recipe_from_values(VALUES | {"options": {"seconds": 1}}, "x").recipe_hash != recipe.recipe_hash


def test_corrections_multiply_the_limits() -> None:
    recipe = recipe_from_values(VALUES | {"resources": {"walltime_s": 10, "memory_mb": 100}}, "mine")
    limits = recipe.corrected({"walltime": 4.0, "memory": 2.0, "slower_mixing": 2.0})
    assert (limits.walltime_s, limits.memory_mb, limits.cores) == (40, 200, 1)


def test_every_fault_of_a_recipe_is_named(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text('[physics]\ncutoff_ev = -1\ncutof = 3\n[resources]\nwalltime_s = "long"\n')
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path))
    for part in ("engine: missing", "physics.cutoff_ev = -1", "physics.cutof: unknown key", "resources.walltime_s"):
        assert part in str(caught.value)
    path.write_text("engine = ")
    with pytest.raises(RecipeError, match="not valid TOML"):
        load_recipe(str(path))
    with pytest.raises(RecipeError, match="Did you mean 'stand-in'"):
        load_recipe("stand-inn")
    with pytest.raises(RecipeError, match="no such engine"):
        find_engine("gpaww")
