"""What recipes of every method have in common: name, method, merging, and how long the training is."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from crystalforge.errors import RecipeError
from crystalforge.files import fingerprint

Positive = Annotated[int, Field(gt=0)]
PositiveReal = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Real = Annotated[float, Field(allow_inf_nan=False)]


class Part(BaseModel):
    """A table of a recipe: unknown keys are faults, values stay as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
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


def validated(kind: type[Recipe], values: dict[str, Any], origin: str) -> Recipe:
    """A recipe of one kind from its values.

    Raises:
        RecipeError: a key or value does not fit; every fault is named.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        faults = "\n".join(f"  {_fault(kind, detail)}" for detail in error.errors())
        raise RecipeError(f"The recipe {origin} does not fit:\n{faults}") from error


def _fault(kind: type[Recipe], detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown key.{hint(str(detail['loc'][-1]), _keys_beside(kind, detail['loc']))}"
    if detail["type"] == "missing":
        return f"{key}: missing."
    return f"{key} = {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}."


def _keys_beside(kind: type[Recipe], location: tuple[int | str, ...]) -> list[str]:
    part: type[BaseModel] = kind
    for name in location[:-1]:
        part = part.model_fields[str(name)].annotation  # type: ignore[assignment]
    return list(part.model_fields)


def hint(word: str, known: list[str]) -> str:
    """The nearest known word to a wrong one, or all."""
    nearest = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" Did you mean '{nearest[0]}'?" if nearest else f" Known: {', '.join(known)}."
