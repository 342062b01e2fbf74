"""Recipes of the baselines ``donor`` and ``swap``: no network, only crystals that are copied."""

from __future__ import annotations

from typing import Literal

from crystalforge.gan.recipe_base import Merging, PositiveReal, Recipe, Validation
from crystalforge.recipe_files import Part


class CopySampling(Merging):
    """How compositions are drawn."""

    compositions: Literal["marginals", "swap", "autoregressive"]
    """Kind of ``gan.compositions.CompositionSampler``."""
    temperature: PositiveReal
    """Above 1 flatter, below 1 more of the likely."""


class Copying(Part):
    """What is copied, and how its cell is made to fit."""

    donor: Literal["nearest", "fewest_replacements"]
    """`nearest`: the training crystal of the same template whose elements are most alike, place by place;
    `fewest_replacements`: of those that differ in fewest elements."""
    cell: Literal["learned_volume", "radii"]
    """The copied cell is scaled to the learned volume, or by the sums of the atomic radii."""


class CopyRecipe(Recipe):
    """Every choice of a baseline that copies crystals."""

    method: Literal["donor", "swap"]
    """Two names of one method: a person asks for the baseline by its name."""
    validation: Validation
    copying: Copying
    sampling: CopySampling

    @property
    def total_steps(self) -> int:
        """One: it is fitted at once."""
        return 1

    @property
    def fitted_at_once(self) -> bool:
        """Yes: in seconds."""
        return True

    @property
    def validation_share(self) -> float:
        """Share of the formulas that is set aside."""
        return self.validation.share
