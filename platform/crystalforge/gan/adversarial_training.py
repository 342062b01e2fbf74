"""What the trainings of all adversarial methods share: the epoch, the look for divergence, one step of an optimiser."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TypeVar

import torch
from torch import Tensor, nn

from crystalforge.errors import DivergedError
from crystalforge.gan.adversarial_recipe import AdversarialRecipe, Optimisation
from crystalforge.gan.training import EPOCH_STREAM, Data, Trainer, seed_stream, torch_seed

AdversarialKind = TypeVar("AdversarialKind", bound=AdversarialRecipe)


def adam(network: nn.Module, learning_rate: float, rates: Optimisation) -> torch.optim.Adam:
    """A fresh optimiser of a network."""
    beta_1, beta_2 = rates.betas
    return torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(beta_1, beta_2))


class AdversarialTrainer(Trainer[AdversarialKind, Data]):
    """A generator and a critic that are trained by steps.

    One epoch is ``steps_per_epoch`` generator steps. Its random numbers come from (seed, space group, epoch) alone.
    """

    generator: nn.Module
    critic: nn.Module
    optimisers: dict[str, torch.optim.Adam]

    def train_epoch(self, data: Data) -> dict[str, float]:
        """Train one epoch.

        Returns:
            The mean of every loss term over the epoch, and what ``_finish_epoch`` adds.

        Raises:
            DivergedError: a term is infinite or not a number; the networks are then unfit and not to be saved.
        """
        optimisation = self.recipe.optimisation
        n_steps = min(optimisation.steps_per_epoch, optimisation.generator_steps - self.generator_steps)
        device = next(self.generator.parameters()).device
        stream = seed_stream(self.seed, self.space_group_number, EPOCH_STREAM, self.epoch)
        random = torch.Generator(device).manual_seed(torch_seed(stream))
        self.generator.train()
        totals: dict[str, Tensor] = {}
        for _ in range(n_steps):
            for name, value in self._step(data, random).items():
                totals[name] = totals.get(name, torch.zeros((), device=device)) + value
        means = {name: float(total) / n_steps for name, total in totals.items()}
        self._check(means)
        self.epoch += 1
        self.generator_steps += n_steps
        return means | self._finish_epoch(data)

    @abstractmethod
    def _step(self, data: Data, random: torch.Generator) -> dict[str, Tensor]:
        """One generator step with all that belongs to it; its loss terms."""

    def _finish_epoch(self, data: Data) -> dict[str, float]:  # noqa: ARG002
        """What is done after an epoch that did not diverge; further figures."""
        return {}

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

    def _descend(self, name: str, loss: Tensor) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
