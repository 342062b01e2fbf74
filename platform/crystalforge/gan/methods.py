"""The methods: for each, what trains it and what draws from it. Its kind of recipe stands in ``gan.recipe``."""

from __future__ import annotations

from dataclasses import dataclass

from crystalforge.gan.baselines import CopyModel, CopyTrainer
from crystalforge.gan.forge.model import ForgeModel
from crystalforge.gan.forge.training import ForgeTrainer
from crystalforge.gan.model import Model
from crystalforge.gan.paper_model import PaperModel
from crystalforge.gan.paper_training import PaperTrainer
from crystalforge.gan.recipe_base import Recipe
from crystalforge.gan.training import AnyTrainer


@dataclass(frozen=True)
class Method:
    """The two classes of a method."""

    trainer: type[AnyTrainer]
    model: type[Model]


METHODS: dict[str, Method] = {
    "paper": Method(PaperTrainer, PaperModel),
    "forge": Method(ForgeTrainer, ForgeModel),
    "donor": Method(CopyTrainer, CopyModel),
    "swap": Method(CopyTrainer, CopyModel),
}
"""By ``Recipe.method``."""


def method_of(recipe: Recipe) -> Method:
    """The method of a recipe that was loaded, hence is known."""
    return METHODS[recipe.method]
