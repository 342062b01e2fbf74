"""A recipe: every choice of a model and its training, read from a TOML file and checked on load."""

from __future__ import annotations

import difflib
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from crystalforge.errors import RecipeError, StorageError
from crystalforge.files import fingerprint, storage_errors

Positive = Annotated[int, Field(gt=0)]
PositiveReal = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Real = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Networks(_Part):
    """Shapes of generator and critic; the defaults of the field are PGCGM's published networks."""

    noise_size: Positive
    """Length of the noise vector."""
    noise_features: Positive
    """Features of the linear noise block."""
    space_group_channels: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    """Channels of the three 2×2 convolutions over the 192 × 4 × 4 stack of operations."""
    element_channels: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    """Channels of the two convolutions (kernel 2) over the three elements."""
    element_features: Positive
    """Features of the linear element block."""
    coordinate_channels: Annotated[list[Positive], Field(min_length=3)]
    """Channels of the two transposed 2×2 convolutions, then of the 1×1 convolutions, before x, y, z."""
    length_features: list[Positive]
    """Features of the linear layers before the three cell lengths."""
    length_minimum_angstrom: PositiveReal
    """Least cell length (Å)."""
    length_maximum_angstrom: Annotated[list[PositiveReal], Field(min_length=3, max_length=3)]
    """Greatest a, b and c (Å)."""
    critic_channels: Annotated[list[Positive], Field(min_length=7, max_length=7)]
    """Channels of the seven 2×2 convolutions that take the 8 × 8 crystal tensor to 1 × 1."""
    critic_features: Positive
    """Features of the critic's hidden linear layer."""
    leaky_slope: Weight
    """Slope of the leaky ReLU below zero."""


class Augmentation(_Part):
    """Self-augmentation of the base sites by symmetry."""

    samples_per_material: Annotated[int, Field(ge=1)]
    """How many choices of orbit members are drawn once for each material."""


class Wasserstein(_Part):
    """The Wasserstein GAN with gradient penalty."""

    gradient_penalty: Weight
    """Weight of the gradient penalty."""
    critic_steps: Positive
    """Critic steps for one generator step."""


class Physics(_Part):
    """Weights and offsets of the physics losses L_dist and L_box."""

    lambda_inter: Weight
    lambda_intra: Weight
    offset_inter_angstrom: Real
    offset_intra_angstrom: Real
    lambda_volume: Weight
    lambda_abc: Weight


class Optimisation(_Part):
    """Optimisers and length of the training."""

    critic_learning_rate: PositiveReal
    generator_learning_rate: PositiveReal
    physics_learning_rate: PositiveReal
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]
    """Adam's β1 and β2."""
    batch_size: Annotated[int, Field(ge=2)]
    """Crystals in a minibatch."""
    generator_steps: Positive
    """Generator steps in all; each comes with `critic_steps` critic steps and one physics step."""
    steps_per_epoch: Positive
    """Generator steps between two reports and checkpoints."""


class Sampling(_Part):
    """How samples are drawn from the trained model."""

    compositions: Literal["uniform", "marginals"]
    """`uniform`: any three elements of the space group's crystals; `marginals`: each by its frequency at its site."""
    merge_ratio: Annotated[float, Field(gt=0, le=1)]
    """Atoms of one orbit merge when they are closer than this share of twice their atomic radius,"""
    merge_floor_angstrom: Weight = 0.0
    """and whatever their radius when they are closer than this (Å)."""

    def merge_cutoff(self, radii: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cut-offs (Å) of the merge, in the shape of the atomic radii (Å)."""
        return np.maximum(self.merge_ratio * 2 * radii, self.merge_floor_angstrom)


class Recipe(_Part):
    """Every choice of a model and its training; equal recipes have equal fingerprints."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    """Begins the names of its trainings, which are folders."""
    networks: Networks
    augmentation: Augmentation
    wasserstein: Wasserstein
    physics: Physics
    optimisation: Optimisation
    sampling: Sampling

    @property
    def fingerprint(self) -> str:
        """Short hash of all values."""
        return fingerprint(self.model_dump())

    @property
    def n_epochs(self) -> int:
        """Number of reports, the last one perhaps short."""
        return -(-self.optimisation.generator_steps // self.optimisation.steps_per_epoch)

    def with_steps(self, generator_steps: int | None) -> Recipe:
        """The same recipe with another number of generator steps.

        Raises:
            RecipeError: the number is not positive.
        """
        if generator_steps is None:
            return self
        values = self.model_dump()
        values["optimisation"]["generator_steps"] = generator_steps
        return _validated(values, "--steps")


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
            f"{_hint(name_or_path, names)}"
        )
    try:
        with storage_errors(path):
            return path.read_text(encoding="utf-8"), str(path)
    except (StorageError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error}.") from error


def _validated(values: dict[str, Any], origin: str) -> Recipe:
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        faults = "\n".join(f"  {_fault(detail)}" for detail in error.errors())
        raise RecipeError(f"The recipe {origin} does not fit:\n{faults}") from error


def _fault(detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown key.{_hint(str(detail['loc'][-1]), _keys_beside(detail['loc']))}"
    if detail["type"] == "missing":
        return f"{key}: missing."
    return f"{key} = {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}."


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    part: type[BaseModel] = Recipe
    for name in location[:-1]:
        part = part.model_fields[str(name)].annotation  # type: ignore[assignment]
    return list(part.model_fields)


def _hint(word: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" Did you mean '{nearest[0]}'?" if nearest else f" Known: {', '.join(known)}."
