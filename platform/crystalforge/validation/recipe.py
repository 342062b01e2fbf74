"""Recipes of calculations: what is computed, and what it may use. Read from TOML, checked, frozen and hashed."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from crystalforge.errors import RecipeError
from crystalforge.files import fingerprint, storage_errors

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
HASH_DIGITS = 16


class Part(BaseModel):
    """A table of a recipe: unknown keys are faults, values stay as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Physics(Part):
    """What decides the energy; an engine refuses what it does not have."""

    task: Literal["static", "relax"] = "relax"
    """Energy of the crystal as it is, or after its cell and atoms have settled."""
    functional: Name = "PBE"
    cutoff_ev: Positive | None = None
    """Of the plane waves (eV); None for engines without."""
    kpoint_density: Positive | None = None
    """k-points per Å⁻³ of reciprocal cell (with the 2π); None for engines without."""
    smearing: Literal["fermi-dirac", "gaussian", "methfessel-paxton", "none"] = "none"
    smearing_ev: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Width of the smearing (eV)."""
    spin: Literal["none", "by-composition", "collinear"] = "none"
    """Collinear where the composition asks for it, always, or never."""
    correction: Literal["none", "MP2020"] = "none"
    """Scheme of energy corrections that its formation energies get."""
    force_tolerance: Positive = 0.05
    """Largest force of a relaxed crystal (eV/Å)."""
    max_steps: Annotated[int, Field(gt=0)] = 200
    """Of a relaxation."""


class Resources(Part):
    """What one calculation may use."""

    cores: Positive = 1.0
    gpus: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    memory_mb: Positive = 2000.0
    """All its processes together; more ends it."""
    walltime_s: Positive = 3600.0
    grace_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10.0
    """From the request to end (SIGTERM) to the end by force (SIGKILL)."""
    custom: dict[str, Positive] = Field(default_factory=dict)
    """Resources of the cluster that its administrator named, as a licence."""


class CalculationRecipe(Part):
    """Every choice of a calculation."""

    name: Name
    engine: Name
    """A key of ``engines.ENGINES``."""
    physics: Physics = Field(default_factory=Physics)
    options: dict[str, Any] = Field(default_factory=dict)
    """The engine's own; it refuses those that it does not know."""
    resources: Resources = Field(default_factory=Resources)

    @property
    def recipe_hash(self) -> str:
        """Hash of everything that decides the energy: engine, physics and options.

        Name and resources stay out: who allows more time asks for the same energies, and nothing is computed twice.
        Energies of different hashes never share a hull.
        """
        return fingerprint(self.model_dump(include={"engine", "physics", "options"}), HASH_DIGITS)

    def corrected(self, corrections: Mapping[str, float]) -> Resources:
        """Its resources with the factors that a repeated attempt got."""
        changed = {
            "walltime_s": self.resources.walltime_s * corrections.get("walltime", 1.0),
            "memory_mb": self.resources.memory_mb * corrections.get("memory", 1.0),
        }
        return self.resources.model_copy(update=changed)


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = resources.files("crystalforge.validation") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_recipe(name_or_path: str) -> CalculationRecipe:
    """Read a recipe by the name of a bundled one or by the path of a TOML file.

    Raises:
        RecipeError: there is none, it is not TOML, or a key or value does not fit; every fault is named.
        StorageError: the file cannot be read.
    """
    text = _read(name_or_path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"The recipe {name_or_path} is not valid TOML: {error}.") from error
    return recipe_from_values({"name": Path(name_or_path).stem, **values}, name_or_path)


def recipe_from_values(values: Mapping[str, Any], origin: str) -> CalculationRecipe:
    """Check the values of a recipe.

    Raises:
        RecipeError: a key or value does not fit.
    """
    try:
        return CalculationRecipe.model_validate(dict(values))
    except ValidationError as error:
        faults = "\n".join(f"  {_fault(detail)}" for detail in error.errors())
        raise RecipeError(f"The recipe {origin} does not fit:\n{faults}") from error


def _read(name_or_path: str) -> str:
    names = recipe_names()
    if name_or_path in names:
        return (resources.files("crystalforge.validation") / "recipes" / f"{name_or_path}.toml").read_text("utf-8")
    path = Path(name_or_path)
    if not path.is_file():
        near = difflib.get_close_matches(name_or_path, names, n=1, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise RecipeError(
            f"No recipe '{name_or_path}' for calculations: expected one of {', '.join(names)}, or the path of a TOML "
            f"file.{hint}"
        )
    try:
        with storage_errors(path):
            return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error}.") from error


def _fault(detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown key."
    if detail["type"] == "missing":
        return f"{key}: missing."
    return f"{key} = {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}."
