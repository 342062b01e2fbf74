"""What a recipe of method ``forge`` is made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from crystalforge.gan.adversarial_recipe import AdversarialRecipe, Optimisation
from crystalforge.gan.recipe_base import Merging, Positive, PositiveReal, Weight
from crystalforge.recipe_files import Part


class ForgeNetworks(Part):
    """Shapes of generator and critic: multilayer perceptrons."""

    noise_size: Positive
    """Length of the noise vector."""
    generator_features: Annotated[list[Positive], Field(min_length=1)]
    critic_features: Annotated[list[Positive], Field(min_length=1)]
    leaky_slope: Weight
    """Slope of the leaky ReLU below zero."""
    nearest_contacts: Positive
    """How many of the least contacts of each pair of sites the critic sees."""


class ForgeDonors(Part):
    """The known crystals that a sample starts from."""

    n_donors: Positive
    """Nearest crystals of the same template that are asked."""
    n_modes: Positive
    """Structures tried for each sample, of those that the donors support."""
    trust: Weight
    """What the logarithm of a mode's support counts for, beside the critic's score, when one is chosen."""


class ForgeWasserstein(Part):
    """The Wasserstein GAN with gradient penalty."""

    gradient_penalty: Weight
    critic_steps: Positive
    """Critic steps for one generator step."""
    adversarial: Weight
    """Weight of the critic's judgement in the generator's loss."""


class ForgePhysics(Part):
    """Weights of the physics losses."""

    contact: Weight
    """Two-sided hinge on the least contact ratio, outside the middle 90 % of the training crystals."""
    volume: Weight
    """Error of the logarithm of the volume per atom, given the elements."""
    ratios: Weight
    """Error of the logarithms of the ratios of the edges, given the elements."""
    sites: Weight
    """Error of the free parameters, given the elements; robust, because a template can have several minima."""


class ForgeOptimisation(Optimisation):
    """Optimisers and length of the training."""

    average_decay: Annotated[float, Field(ge=0, lt=1)]
    """Decay per step of the moving average of the generator that samples are drawn from; 0: the last one."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Epochs without a better one, by the judged crystals, that end the training early; 0: it takes all steps."""
    judged_share: Annotated[float, Field(ge=0, lt=0.5)]
    """Share of the training crystals, by elements, that the networks do not learn from: they choose the epoch."""


class ForgeSampling(Merging):
    """How samples are drawn from the trained model."""

    compositions: Literal["uniform", "marginals", "swap", "autoregressive", "mixture"]
    """Kind of the sampler of Wyckoff letters and elements."""
    temperature: PositiveReal
    """Of the compositions: above 1 flatter, below 1 more of the likely."""
    even: bool
    """Whether a generation takes compositions at even places of their distribution, with fewer repetitions than by
    chance."""


class ForgeRecipe(AdversarialRecipe):
    """Every choice of a model of method ``forge`` and its training."""

    method: Literal["forge"]
    networks: ForgeNetworks
    donors: ForgeDonors
    wasserstein: ForgeWasserstein
    physics: ForgePhysics
    optimisation: ForgeOptimisation
    sampling: ForgeSampling
    validation: Annotated[float, Field(ge=0, lt=0.5)]
    """Share of the crystals, chosen by formula, that is set aside: the training never looks at it."""

    @property
    def validation_share(self) -> float:
        """Share of the crystals, chosen by formula, that the training must not see."""
        return self.validation
