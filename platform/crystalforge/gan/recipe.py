"""Recipes: every choice of a model and its training, read from a TOML file and checked on load.

The key ``method`` decides which parts a recipe has. A new method adds its kind of recipe here and its trainer to
``gan.methods``.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from crystalforge.errors import RecipeError, StorageError
from crystalforge.files import storage_errors
from crystalforge.gan.copy_recipe import CopyRecipe
from crystalforge.gan.forge_recipe import ForgeRecipe
from crystalforge.gan.paper_recipe import PaperRecipe
from crystalforge.gan.recipe_base import Recipe, hint, validated

__all__ = ["RECIPE_KINDS", "Recipe", "load_recipe", "recipe_from_values", "recipe_names"]

RECIPE_KINDS: dict[str, type[Recipe]] = {
    "paper": PaperRecipe,
    "forge": ForgeRecipe,
    "donor": CopyRecipe,
    "swap": CopyRecipe,
}
"""What a recipe of each method is made of."""


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = resources.files("crystalforge.gan") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_recipe(name_or_path: str) -> Recipe:
    """Read a recipe by the name of a bundled one or by the path of a TOML file.

    Raises:
        RecipeError: there is none, it is not TOML, or a key or value does not fit; every fault is named.
    """
    text, origin = _read(name_or_path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"The recipe {origin} is not valid TOML: {error}.") from error
    return _validated({"name": Path(name_or_path).stem, **values}, origin)


def recipe_from_values(values: dict[str, Any], origin: str) -> Recipe:
    """Check the values of a recipe that was stored in a checkpoint or a plan.

    Raises:
        RecipeError: a key or value does not fit.
    """
    return _validated(values, origin)


def _read(name_or_path: str) -> tuple[str, str]:
    names = recipe_names()
    if name_or_path in names:
        return (resources.files("crystalforge.gan") / "recipes" / f"{name_or_path}.toml").read_text(), name_or_path
    path = Path(name_or_path)
    if not path.is_file():
        raise RecipeError(
            f"No recipe '{name_or_path}': expected one of {', '.join(names)}, or the path of a TOML file."
            f"{hint(name_or_path, names)}"
        )
    try:
        with storage_errors(path):
            return path.read_text(encoding="utf-8"), str(path)
    except (StorageError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error}.") from error


def _validated(values: dict[str, Any], origin: str) -> Recipe:
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
