"""What the recipes of all adversarial methods share: optimisers and the length of the training."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from crystalforge.gan.recipe_base import Positive, PositiveReal, Recipe
from crystalforge.recipe_files import Part


class Optimisation(Part):
    """Optimisers and length of the training."""

    critic_learning_rate: PositiveReal
    generator_learning_rate: PositiveReal
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]
    """Adam's β1 and β2."""
    batch_size: Annotated[int, Field(ge=2)]
    """Crystals in a minibatch."""
    generator_steps: Positive
    """Generator steps in all, each with all that belongs to it."""
    steps_per_epoch: Positive
    """Generator steps between two reports and checkpoints."""


class AdversarialRecipe(Recipe):
    """A recipe whose training takes generator steps."""

    optimisation: Optimisation

    @property
    def total_steps(self) -> int:
        """Generator steps in all."""
        return self.optimisation.generator_steps

    def values_with_steps(self, generator_steps: int) -> dict[str, Any]:
        """The recipe's values with another number of generator steps."""
        values = self.model_dump()
        values["optimisation"]["generator_steps"] = generator_steps
        return values
