"""What recipes of every method have in common: name, method, merging, and how long the training is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crystalforge.errors import RecipeError
from crystalforge.files import fingerprint
from crystalforge.recipe_files import NAME_PATTERN, Part, validated

Positive = Annotated[int, Field(gt=0)]
PositiveReal = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Real = Annotated[float, Field(allow_inf_nan=False)]


class Merging(Part):
    """Which atoms of one orbit are one atom."""

    merge_ratio: Annotated[float, Field(gt=0, le=1)]
    """Atoms of one orbit merge when they are closer than this share of twice their atomic radius,"""
    merge_floor_angstrom: Weight = 0.0
    """and whatever their radius when they are closer than this (Å)."""

    def merge_cutoff(self, radii: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cut-offs (Å) of the merge, in the shape of the atomic radii (Å)."""
        return np.maximum(self.merge_ratio * 2 * radii, self.merge_floor_angstrom)


class Validation(Part):
    """Crystals that the training must not see, to judge it by them."""

    share: Annotated[float, Field(ge=0, lt=1)]
    """Of the formulas, chosen by their hash (``dataset.split``)."""


class Recipe(Part, ABC):
    """Every choice of a model and its training; equal recipes have equal fingerprints.

    Each method has its own kind of recipe, with the parts that it needs and no others. A kind narrows ``method`` to
    its own name and ``sampling`` to its own choices.
    """

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    """Begins the names of its trainings, which are folders."""
    method: str
    """A key of ``gan.methods.METHODS``."""
    sampling: Merging

    @property
    def fingerprint(self) -> str:
        """Short hash of all values."""
        return fingerprint(self.model_dump())

    @property
    @abstractmethod
    def total_steps(self) -> int:
        """Generator steps in all; 1 for a method that is fitted at once."""

    @property
    def validation_share(self) -> float:
        """Share of the crystals, chosen by formula, that the training must not see."""
        return 0.0

    @property
    def fitted_at_once(self) -> bool:
        """Whether it is fitted in seconds, so that a command may do it without being asked."""
        return False

    def values_with_steps(self, generator_steps: int) -> dict[str, Any]:
        """The recipe's values with another number of generator steps.

        Raises:
            RecipeError: the method takes no steps.
        """
        raise RecipeError(
            f"The recipe {self.name} has no generator steps: its method, {self.method}, is fitted at once. "
            f"Leave out --steps {generator_steps}."
        )

    def with_steps(self, generator_steps: int | None) -> Recipe:
        """The same recipe with another number of generator steps; None leaves it as it is.

        Raises:
            RecipeError: the number is not positive, or the method takes no steps.
        """
        if generator_steps is None:
            return self
        return validated(type(self), self.values_with_steps(generator_steps), "--steps")
