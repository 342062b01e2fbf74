"""Recipes: every choice of a model and its training, read from a TOML file and checked on load.

The key ``method`` decides which parts a recipe has. A new method adds its kind of recipe here and its trainer to
``gan.methods``.
"""

from __future__ import annotations

from typing import Any

from crystalforge.errors import RecipeError
from crystalforge.gan.copy_recipe import CopyRecipe
from crystalforge.gan.forge_recipe import ForgeRecipe
from crystalforge.gan.paper_recipe import PaperRecipe
from crystalforge.gan.recipe_base import Recipe
from crystalforge.recipe_files import bundled_recipes, read_recipe, validated
from crystalforge.suggestions import hint

__all__ = ["RECIPE_KINDS", "Recipe", "load_recipe", "recipe_from_values", "recipe_names"]

RECIPE_KINDS: dict[str, type[Recipe]] = {
    "paper": PaperRecipe,
    "forge": ForgeRecipe,
    "donor": CopyRecipe,
    "swap": CopyRecipe,
}
"""What a recipe of each method is made of."""


PACKAGE = "crystalforge.gan"


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return bundled_recipes(PACKAGE)


def load_recipe(name_or_path: str) -> Recipe:
    """Read a recipe by the name of a bundled one or by the path of a TOML file.

    Raises:
        RecipeError: there is none, it is not TOML, or a key or value does not fit; every fault is named.
    """
    return recipe_from_values(read_recipe(PACKAGE, name_or_path), name_or_path)


def recipe_from_values(values: dict[str, Any], origin: str) -> Recipe:
    """Check the values of a recipe that was stored in a checkpoint or a plan.

    Raises:
        RecipeError: a key or value does not fit.
    """
    return validated(_kind(values, origin), values, origin)


def _kind(values: dict[str, Any], origin: str) -> type[Recipe]:
    method, known = values.get("method"), list(RECIPE_KINDS)
    if isinstance(method, str) and method in RECIPE_KINDS:
        return RECIPE_KINDS[method]
    if method is None:
        fault = f"method: missing. Expected one of {', '.join(known)}."
    else:
        fault = f"method = {method!r}: there is no such method.{hint(str(method), known)}"
    raise RecipeError(f"The recipe {origin} does not fit:\n  {fault}")
