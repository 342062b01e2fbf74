"""Recipes of calculations: what is computed, and what it may use. Read from TOML, checked, frozen and hashed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from crystalforge.files import fingerprint
from crystalforge.recipe_files import NAME_PATTERN, Part, bundled_recipes, read_recipe, validated

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
HASH_DIGITS = 16
PACKAGE = "crystalforge.validation"


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
    return bundled_recipes(PACKAGE)


def load_recipe(name_or_path: str) -> CalculationRecipe:
    """Read a recipe by the name of a bundled one or by the path of a TOML file.

    Raises:
        RecipeError: there is none, it is not TOML, or a key or value does not fit; every fault is named.
    """
    return recipe_from_values(read_recipe(PACKAGE, name_or_path, " for calculations"), name_or_path)


def recipe_from_values(values: Mapping[str, Any], origin: str) -> CalculationRecipe:
    """Check the values of a recipe.

    Raises:
        RecipeError: a key or value does not fit.
    """
    return validated(CalculationRecipe, values, origin)
