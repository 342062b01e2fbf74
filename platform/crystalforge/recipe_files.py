"""Recipes as TOML files: found by name or path, checked against their kind, every fault named with its key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from crystalforge.errors import RecipeError, StorageError
from crystalforge.files import storage_errors
from crystalforge.suggestions import hint

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


class Part(BaseModel):
    """A table of a recipe: unknown keys are faults, values stay as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnyPart = TypeVar("AnyPart", bound=Part)


def bundled_recipes(package: str) -> list[str]:
    """Names of the recipes that come with a package, in its folder ``recipes``."""
    folder = resources.files(package) / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def read_recipe(package: str, name_or_path: str, what: str = "") -> dict[str, Any]:
    """Values of a recipe by the name of a bundled one or by the path of a TOML file; unless it says, named after it.

    Args:
        package: that bundles recipes.
        name_or_path: given by the user.
        what: behind "No recipe 'x'", which kind was looked for.

    Raises:
        RecipeError: there is none, it cannot be read, or it is not TOML.
    """
    text = _text(package, name_or_path, what)
    try:
        return {"name": Path(name_or_path).stem, **tomllib.loads(text)}
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"The recipe {name_or_path} is not valid TOML: {error}.") from error


def validated(kind: type[AnyPart], values: Mapping[str, Any], origin: str) -> AnyPart:
    """A recipe of one kind from its values.

    Raises:
        RecipeError: a key or value does not fit; every fault is named.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        faults = "\n".join(f"  {_fault(kind, detail)}" for detail in error.errors())
        raise RecipeError(f"The recipe {origin} does not fit:\n{faults}") from error


def _text(package: str, name_or_path: str, what: str) -> str:
    names = bundled_recipes(package)
    if name_or_path in names:
        return (resources.files(package) / "recipes" / f"{name_or_path}.toml").read_text(encoding="utf-8")
    path = Path(name_or_path)
    if not path.is_file():
        raise RecipeError(
            f"No recipe '{name_or_path}'{what}: expected one of {', '.join(names)}, or the path of a TOML file."
            f"{hint(name_or_path, names)}"
        )
    try:
        with storage_errors(path):
            return path.read_text(encoding="utf-8")
    except (StorageError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error}.") from error


def _fault(kind: type[BaseModel], detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown key.{hint(str(detail['loc'][-1]), _keys_beside(kind, detail['loc']))}"
    if detail["type"] == "missing":
        return f"{key}: missing."
    return f"{key} = {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}."


def _keys_beside(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    part: type[BaseModel] = kind
    for name in location[:-1]:
        part = part.model_fields[str(name)].annotation  # type: ignore[assignment]
    return list(part.model_fields)
