"""The training of method ``paper``: critic steps, a generator step, a physics step.

One epoch is ``steps_per_epoch`` generator steps. Its random numbers come from (seed, space group, epoch) alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from crystalforge.gan.adversarial_training import AdversarialTrainer, adam
from crystalforge.gan.data import Minibatch, TrainingData, training_data
from crystalforge.gan.losses import critic_loss, generator_loss, gradient_penalty, physics_losses
from crystalforge.gan.networks import Critic, Generator
from crystalforge.gan.paper_model import PaperModel
from crystalforge.gan.paper_recipe import PaperRecipe
from crystalforge.gan.representation import crystal_tensor
from crystalforge.gan.tensors import load_weights, optimiser_tensors, prefixed, restore_optimiser
from crystalforge.gan.training import (
    AUGMENTATION_STREAM,
    NETWORK_STREAM,
    TrainingCrystals,
    seed_stream,
    torch_seed,
)


@dataclass
class PaperTrainer(AdversarialTrainer[PaperRecipe, TrainingData]):
    """Networks and optimisers of one space group, and how far they have come."""

    space_group_number: int
    recipe: PaperRecipe
    seed: int
    generator: Generator
    critic: Critic
    optimisers: dict[str, torch.optim.Adam]
    """``critic``, ``generator`` and ``physics``; the last two both move the generator."""
    epoch: int = 0
    generator_steps: int = 0

    @classmethod
    def create(
        cls, space_group_number: int, recipe: PaperRecipe, seed: int, device: torch.device | str = "cpu"
    ) -> PaperTrainer:
        """Networks with the first weights that the seed gives."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(seed_stream(seed, space_group_number, NETWORK_STREAM)))
            generator = Generator(space_group_number, recipe.networks)
            critic = Critic(space_group_number, recipe.networks)
        return cls.around(space_group_number, recipe, seed, generator.to(device), critic.to(device))

    @classmethod
    def around(
        cls, space_group_number: int, recipe: PaperRecipe, seed: int, generator: Generator, critic: Critic
    ) -> PaperTrainer:
        """A trainer of given networks, with fresh optimisers."""
        rates = recipe.optimisation
        optimisers = {
            "critic": adam(critic, rates.critic_learning_rate, rates),
            "generator": adam(generator, rates.generator_learning_rate, rates),
            "physics": adam(generator, rates.physics_learning_rate, rates),
        }
        return cls(space_group_number, recipe, seed, generator, critic, optimisers)

    @classmethod
    def restore(
        cls,
        space_group_number: int,
        recipe: PaperRecipe,
        seed: int,
        tensors: dict[str, Tensor],
        state: dict[str, Tensor],
        device: torch.device | str = "cpu",
    ) -> PaperTrainer:
        """The training as a checkpoint holds it."""
        generator = Generator(space_group_number, recipe.networks)
        load_weights(generator, "generator", tensors)
        critic = Critic(space_group_number, recipe.networks)
        load_weights(critic, "critic", state)
        trainer = cls.around(space_group_number, recipe, seed, generator.to(device), critic.to(device))
        for name, optimiser in trainer.optimisers.items():
            restore_optimiser(name, optimiser, state)
        return trainer

    @staticmethod
    def prepare(
        training: TrainingCrystals,
        recipe: PaperRecipe,
        seed: int,
    ) -> TrainingData:
        """The crystals with their self-augmentation drawn."""
        crystals = training.crystals
        return training_data(
            crystals.lattice_parameters,
            crystals.atomic_numbers,
            training.orbit_coords,
            crystals.multiplicity,
            recipe.augmentation.samples_per_material,
            seed_stream(seed, int(crystals.space_group_number[0]), AUGMENTATION_STREAM),
        )

    def model_tensors(self) -> dict[str, Tensor]:
        """The generator."""
        return prefixed("generator", self.generator.state_dict())

    def state_tensors(self) -> dict[str, Tensor]:
        """Critic and optimisers."""
        state = prefixed("critic", self.critic.state_dict())
        for name, optimiser in self.optimisers.items():
            state |= optimiser_tensors(name, optimiser)
        return state

    def model(self, statistics: dict[str, Tensor]) -> PaperModel:
        """The generator as it is now, without a copy."""
        device = next(self.generator.parameters()).device
        return PaperModel(self.space_group_number, self.recipe, statistics, device, self.generator.eval())

    @property
    def crystals_per_step(self) -> int:
        """Crystals that pass the networks in one generator step with its critic and physics steps."""
        return self.recipe.optimisation.batch_size * (self.recipe.wasserstein.critic_steps + 2)

    def _step(self, data: TrainingData, random: torch.Generator) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        for _ in range(self.recipe.wasserstein.critic_steps):
            terms |= self._critic_step(self._draw(data, random), random)
        terms |= self._generator_step(self._draw(data, random), random)
        return terms | self._physics_step(self._draw(data, random), random)

    def _draw(self, data: TrainingData, random: torch.Generator) -> Minibatch:
        return data.draw(self.recipe.optimisation.batch_size, random)

    def _fake(self, batch: Minibatch, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Crystals drawn for the elements of a real minibatch."""
        noise = torch.randn(
            len(batch.properties), self.generator.noise_size, generator=random, device=batch.properties.device
        )
        return self.generator(noise, batch.properties)

    def _critic_step(self, batch: Minibatch, random: torch.Generator) -> dict[str, Tensor]:
        with torch.no_grad():
            fake = crystal_tensor(*self._fake(batch, random), batch.properties)
            real = crystal_tensor(batch.base_sites, batch.lattice_parameters, batch.properties)
        real_scores, fake_scores = self.critic(torch.cat([real, fake])).chunk(2)
        wasserstein = critic_loss(real_scores, fake_scores)
        weights = torch.rand(len(real), generator=random, device=real.device)
        penalty = gradient_penalty(self.critic, real, fake, weights)
        self._descend("critic", wasserstein + self.recipe.wasserstein.gradient_penalty * penalty)
        return {"wasserstein_distance": -wasserstein.detach(), "gradient_penalty": penalty.detach()}

    def _generator_step(self, batch: Minibatch, random: torch.Generator) -> dict[str, Tensor]:
        self.critic.requires_grad_(False)
        loss = generator_loss(self.critic(crystal_tensor(*self._fake(batch, random), batch.properties)))
        self._descend("generator", loss)
        self.critic.requires_grad_(True)
        return {"generator_loss": loss.detach()}

    def _physics_step(self, batch: Minibatch, random: torch.Generator) -> dict[str, Tensor]:
        base_sites, lattice_parameters = self._fake(batch, random)
        terms = physics_losses(
            base_sites, lattice_parameters, batch.lattice_parameters, batch.radii, self.recipe.physics
        )
        self._descend("physics", torch.stack(list(terms.values())).sum())
        return {f"physics_{name}": value.detach() for name, value in terms.items()}
