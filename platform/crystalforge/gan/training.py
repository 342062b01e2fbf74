"""The training loop of one space group: critic steps, a generator step, a physics step. Knows nothing of Ray.

One epoch is ``steps_per_epoch`` generator steps. Its random numbers come from (seed, space group, epoch) alone, so that
a training continued from the checkpoint of any epoch takes the same steps as one that was never interrupted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from crystalforge.errors import DivergedError
from crystalforge.gan.data import Minibatch, TrainingData
from crystalforge.gan.losses import critic_loss, generator_loss, gradient_penalty, physics_losses
from crystalforge.gan.networks import Critic, Generator
from crystalforge.gan.recipe import Recipe
from crystalforge.gan.representation import crystal_tensor

AUGMENTATION_STREAM, NETWORK_STREAM, EPOCH_STREAM = range(3)
"""Independent streams of one training's seed."""


def seed_stream(seed: int, space_group_number: int, *path: int) -> np.random.SeedSequence:
    """The seed of one stream of one space group's training."""
    return np.random.SeedSequence([seed, space_group_number, *path])


def _torch_seed(sequence: np.random.SeedSequence) -> int:
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)


@dataclass
class Trainer:
    """Networks and optimisers of one space group, and how far they have come."""

    space_group_number: int
    recipe: Recipe
    seed: int
    generator: Generator
    critic: Critic
    optimisers: dict[str, torch.optim.Adam]
    """``critic``, ``generator`` and ``physics``; the last two both move the generator."""
    epoch: int = 0
    generator_steps: int = 0

    @classmethod
    def create(cls, space_group_number: int, recipe: Recipe, seed: int, device: torch.device | str = "cpu") -> Trainer:
        """Networks with the first weights that the seed gives."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_torch_seed(seed_stream(seed, space_group_number, NETWORK_STREAM)))
            generator = Generator(space_group_number, recipe.networks)
            critic = Critic(space_group_number, recipe.networks)
        return cls.around(space_group_number, recipe, seed, generator.to(device), critic.to(device))

    @classmethod
    def around(
        cls, space_group_number: int, recipe: Recipe, seed: int, generator: Generator, critic: Critic
    ) -> Trainer:
        """A trainer of given networks, with fresh optimisers."""
        rates = recipe.optimisation
        beta_1, beta_2 = rates.betas

        def adam(network: nn.Module, learning_rate: float) -> torch.optim.Adam:
            return torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(beta_1, beta_2))

        optimisers = {
            "critic": adam(critic, rates.critic_learning_rate),
            "generator": adam(generator, rates.generator_learning_rate),
            "physics": adam(generator, rates.physics_learning_rate),
        }
        return cls(space_group_number, recipe, seed, generator, critic, optimisers)

    @property
    def finished(self) -> bool:
        """Whether the recipe's generator steps are done."""
        return self.generator_steps >= self.recipe.optimisation.generator_steps

    @property
    def crystals_per_step(self) -> int:
        """Crystals that pass the networks in one generator step with its critic and physics steps."""
        return self.recipe.optimisation.batch_size * (self.recipe.wasserstein.critic_steps + 2)

    def train_epoch(self, data: TrainingData) -> dict[str, float]:
        """Train one epoch.

        Returns:
            The mean of every loss term over the epoch.

        Raises:
            DivergedError: a term is infinite or not a number; the networks are then unfit and not to be saved.
        """
        optimisation = self.recipe.optimisation
        n_steps = min(optimisation.steps_per_epoch, optimisation.generator_steps - self.generator_steps)
        device = data.lattice_parameters.device
        stream = seed_stream(self.seed, self.space_group_number, EPOCH_STREAM, self.epoch)
        random = torch.Generator(device).manual_seed(_torch_seed(stream))
        self.generator.train()
        totals: dict[str, Tensor] = {}
        for _ in range(n_steps):
            for name, value in self._step(data, random).items():
                totals[name] = totals.get(name, torch.zeros((), device=device)) + value
        means = {name: float(total) / n_steps for name, total in totals.items()}
        self._check(means)
        self.epoch += 1
        self.generator_steps += n_steps
        return means

    def _check(self, means: dict[str, float]) -> None:
        if all(math.isfinite(value) for value in means.values()):
            return
        terms = ", ".join(f"{name} {value:.4g}" for name, value in means.items())
        raise DivergedError(
            f"The training of space group {self.space_group_number} diverged between generator steps "
            f"{self.generator_steps} and {self.generator_steps + self.recipe.optimisation.steps_per_epoch}: expected "
            f"finite losses, got {terms}. Its last good checkpoint is kept. Lower the learning rates or raise "
            "the gradient penalty in the recipe."
        )

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

    def _descend(self, name: str, loss: Tensor) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

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
