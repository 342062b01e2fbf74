"""The recipe of method ``paper``: the equations as printed, on networks after PGCGM."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from crystalforge.gan.adversarial_recipe import AdversarialRecipe, Optimisation
from crystalforge.gan.recipe_base import Merging, Positive, PositiveReal, Real, Weight
from crystalforge.recipe_files import Part


class Networks(Part):
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


class Augmentation(Part):
    """Self-augmentation of the base sites by symmetry."""

    samples_per_material: Annotated[int, Field(ge=1)]
    """How many choices of orbit members are drawn once for each material."""


class Wasserstein(Part):
    """The Wasserstein GAN with gradient penalty."""

    gradient_penalty: Weight
    """Weight of the gradient penalty."""
    critic_steps: Positive
    """Critic steps for one generator step."""


class Physics(Part):
    """Weights and offsets of the physics losses L_dist and L_box."""

    lambda_inter: Weight
    lambda_intra: Weight
    offset_inter_angstrom: Real
    offset_intra_angstrom: Real
    lambda_volume: Weight
    lambda_abc: Weight


class PaperOptimisation(Optimisation):
    """Optimisers and length of the training; each generator step comes with critic steps and one physics step."""

    physics_learning_rate: PositiveReal


class Sampling(Merging):
    """How samples are drawn from the trained model."""

    compositions: Literal["uniform", "marginals"]
    """`uniform`: any three elements of the space group's crystals; `marginals`: each by its frequency at its site."""


class PaperRecipe(AdversarialRecipe):
    """Every choice of a model of method ``paper`` and its training."""

    method: Literal["paper"]
    networks: Networks
    augmentation: Augmentation
    wasserstein: Wasserstein
    physics: Physics
    optimisation: PaperOptimisation
    sampling: Sampling

    @property
    def n_epochs(self) -> int:
        """Number of reports, the last one perhaps short."""
        return -(-self.optimisation.generator_steps // self.optimisation.steps_per_epoch)
