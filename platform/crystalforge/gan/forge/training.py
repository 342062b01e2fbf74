"""The training of method ``forge``.

One epoch is ``steps_per_epoch`` generator steps. Its random numbers come from (seed, space group, epoch) alone.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from crystalforge.gan.adversarial_training import AdversarialTrainer, adam
from crystalforge.gan.forge.drawing import best_of_modes, generate
from crystalforge.gan.forge.knowledge import Composition, Knowledge, Structures
from crystalforge.gan.forge.learning import ForgeData, forge_data, structures_of
from crystalforge.gan.forge.losses import physics_losses
from crystalforge.gan.forge.model import ForgeModel
from crystalforge.gan.forge.networks import Critic, Generator
from crystalforge.gan.forge.starts import Starts
from crystalforge.gan.forge.validation import validation_figures, validation_score
from crystalforge.gan.forge_recipe import ForgeRecipe
from crystalforge.gan.losses import critic_loss, generator_loss
from crystalforge.gan.tensors import load_weights, optimiser_tensors, prefixed, restore_optimiser
from crystalforge.gan.training import (
    NETWORK_STREAM,
    TrainingCrystals,
    seed_stream,
    torch_seed,
)
from crystalforge.symmetry import space_group


@dataclass
class ForgeTrainer(AdversarialTrainer[ForgeRecipe, ForgeData]):
    """Networks and optimisers of one space group, and how far they have come."""

    space_group_number: int
    recipe: ForgeRecipe
    seed: int
    generator: Generator
    critic: Critic
    average: Generator
    """Moving average of the generator: what samples are drawn from."""
    optimisers: dict[str, torch.optim.Adam]
    best: dict[str, Tensor]
    """Weights of the average and of the critic at the best epoch by the judged crystals."""
    best_score: float = -math.inf
    epochs_since_best: int = 0
    learned: dict[str, Tensor] = field(default_factory=dict)
    """Knowledge and composition sampler, as tensors, since the first epoch."""
    epoch: int = 0
    generator_steps: int = 0

    @classmethod
    def create(
        cls, space_group_number: int, recipe: ForgeRecipe, seed: int, device: torch.device | str = "cpu"
    ) -> ForgeTrainer:
        """Networks with the first weights that the seed gives."""
        n_letters = len(space_group(space_group_number).wyckoff_positions)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(seed_stream(seed, space_group_number, NETWORK_STREAM)))
            generator, critic = Generator(n_letters, recipe.networks), Critic(n_letters, recipe.networks)
        return cls.around(space_group_number, recipe, seed, generator.to(device), critic.to(device))

    @classmethod
    def around(
        cls, space_group_number: int, recipe: ForgeRecipe, seed: int, generator: Generator, critic: Critic
    ) -> ForgeTrainer:
        """A trainer of given networks, with fresh optimisers."""
        rates = recipe.optimisation
        optimisers = {
            "critic": adam(critic, rates.critic_learning_rate, rates),
            "generator": adam(generator, rates.generator_learning_rate, rates),
        }
        average = copy.deepcopy(generator).requires_grad_(False)
        return cls(space_group_number, recipe, seed, generator, critic, average, optimisers, {})

    @classmethod
    def restore(
        cls,
        space_group_number: int,
        recipe: ForgeRecipe,
        seed: int,
        tensors: dict[str, Tensor],
        state: dict[str, Tensor],
        device: torch.device | str = "cpu",
    ) -> ForgeTrainer:
        """The training as a checkpoint holds it."""
        trainer = cls.create(space_group_number, recipe, seed, device)
        for name in ("generator", "critic", "average"):
            load_weights(getattr(trainer, name), f"now.{name}", state)
        for name, optimiser in trainer.optimisers.items():
            restore_optimiser(name, optimiser, state)
        trainer.best_score, trainer.epochs_since_best = float(state["best_score"]), int(state["epochs_since_best"])
        networks = ("generator.", "critic.")
        trainer.best = {name: tensor for name, tensor in tensors.items() if name.startswith(networks)}
        trainer.learned = {name: tensor for name, tensor in tensors.items() if not name.startswith(networks)}
        return trainer

    @staticmethod
    def prepare(training: TrainingCrystals, recipe: ForgeRecipe, seed: int) -> ForgeData:
        """Learn cells and compositions, and find where the generator starts."""
        return forge_data(training.crystals, recipe, seed)

    @property
    def finished(self) -> bool:
        """Whether the recipe's steps are done, or no epoch was better for as many as its patience."""
        return super().finished or 0 < self.recipe.optimisation.patience <= self.epochs_since_best

    @property
    def crystals_per_step(self) -> int:
        """Crystals that pass the networks in one generator step with its critic steps."""
        return self.recipe.optimisation.batch_size * (self.recipe.wasserstein.critic_steps + 1)

    def model_tensors(self) -> dict[str, Tensor]:
        """Networks of the best epoch, and what was learned besides."""
        return self.best | self.learned

    def state_tensors(self) -> dict[str, Tensor]:
        """Networks and optimisers as they are now."""
        state = {name: torch.tensor(getattr(self, name)) for name in ("best_score", "epochs_since_best")}
        for name in ("generator", "critic", "average"):
            state |= prefixed(f"now.{name}", getattr(self, name).state_dict())
        for name, optimiser in self.optimisers.items():
            state |= optimiser_tensors(name, optimiser)
        return state

    def model(self, statistics: dict[str, Tensor]) -> ForgeModel:
        """The best epoch's model."""
        device = next(self.generator.parameters()).device
        return ForgeModel.from_tensors(self.space_group_number, self.recipe, self.model_tensors(), statistics, device)

    def train_epoch(self, data: ForgeData) -> dict[str, float]:
        """One epoch; before the first, the untrained networks are judged too: an epoch must beat them to be kept."""
        if self.epoch == 0:
            self._keep_if_best(data)
        return super().train_epoch(data)

    def _finish_epoch(self, data: ForgeData) -> dict[str, float]:
        """Keep what was learned besides the networks, and look at the judged crystals."""
        self.learned = prefixed("knowledge", data.knowledge.state()) | prefixed(
            "compositions", data.compositions.state()
        )
        return self._keep_if_best(data)

    def _keep_if_best(self, data: ForgeData) -> dict[str, float]:
        """Figures of the judged crystals; the networks are kept if no epoch was better, or there is nothing to ask."""
        figures: dict[str, float] = {}
        score = math.inf
        if data.judged is not None:
            composition, real, starts = data.judged
            made = self.remade(data.knowledge, composition, starts)
            figures = validation_figures(data.knowledge, composition, made, real)
            score = validation_score(figures)
        self.epochs_since_best += 1
        if score >= self.best_score:
            self.epochs_since_best = 0
            self.best_score = score if math.isfinite(score) else -math.inf
            weights = prefixed("generator", self.average.state_dict()) | prefixed("critic", self.critic.state_dict())
            self.best = {name: tensor.detach().clone() for name, tensor in weights.items()}
        return figures

    @torch.no_grad()
    def remade(self, knowledge: Knowledge, composition: Composition, starts: Starts) -> Structures:
        """What would be made of n compositions now, with the middle of the noise: no luck in the choice."""
        noise = torch.zeros(*starts.support.shape, self.recipe.networks.noise_size, device=knowledge.device)
        return best_of_modes(
            knowledge,
            self.average,
            self.critic,
            composition,
            starts,
            noise,
            nearest_contacts=self.recipe.networks.nearest_contacts,
            trust=self.recipe.donors.trust,
        )

    def _step(self, data: ForgeData, random: torch.Generator) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        for condition, real, fake in self._critic_batches(data, random):
            terms |= self._critic_step(condition, real, fake, random)
        terms |= self._generator_step(data, random)
        self._average()
        return terms

    def _draw(self, data: ForgeData, n: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Rows (n,) of known crystals and a mode of each, in proportion to its support."""
        device, support = data.knowledge.device, data.starts.support
        rows = data.learned_rows[torch.randint(len(data.learned_rows), (n,), generator=random, device=device)]
        reached = support[rows].cumsum(dim=1)
        draw = torch.rand(n, 1, generator=random, device=device) * reached[:, -1:]
        return rows, (draw >= reached[:, :-1]).sum(dim=1)

    def _fake(
        self, data: ForgeData, rows: Tensor, mode: Tensor, random: torch.Generator
    ) -> tuple[Structures, Tensor, Tensor]:
        """Crystals of the compositions of known ones, what the critic sees of them, and their contact ratios."""
        knowledge, composition = data.knowledge, data.knowledge.suggested.take(rows)
        noise = torch.randn(len(rows), self.generator.noise_size, generator=random, device=rows.device)
        start = data.starts.take(rows, mode)
        fake = generate(knowledge, self.generator, composition, start, noise, data.conditions[rows])
        ratios = knowledge.contact_ratios(composition, fake, self.recipe.networks.nearest_contacts)
        return fake, knowledge.features(composition, fake, ratios), ratios

    def _critic_batches(self, data: ForgeData, random: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Condition, real and fake features of each critic step. The generator rests, so all are made at once."""
        n, n_steps = self.recipe.optimisation.batch_size, self.recipe.wasserstein.critic_steps
        rows, mode = self._draw(data, n * n_steps, random)
        with torch.no_grad():
            _, fake, _ = self._fake(data, rows, mode, random)
        parts = (data.conditions[rows], data.real_features[rows], fake)
        return zip(*(part.split(n) for part in parts), strict=True)

    def _critic_step(self, condition: Tensor, real: Tensor, fake: Tensor, random: torch.Generator) -> dict[str, Tensor]:
        weight = torch.rand(len(real), 1, generator=random, device=real.device)
        wasserstein = critic_loss(*self.critic(condition.repeat(2, 1), torch.cat([real, fake])).chunk(2))
        # E[(|∇ D(x̂)| - 1)²] on the segment between real and fake of the same composition, one U(0, 1) weight each.
        gradient = self.critic.slopes(condition, torch.lerp(fake, real, weight))
        penalty = ((gradient.norm(dim=1) - 1) ** 2).mean()
        self._descend("critic", wasserstein + self.recipe.wasserstein.gradient_penalty * penalty)
        return {"wasserstein_distance": -wasserstein.detach(), "gradient_penalty": penalty.detach()}

    def _generator_step(self, data: ForgeData, random: torch.Generator) -> dict[str, Tensor]:
        knowledge = data.knowledge
        rows, mode = self._draw(data, self.recipe.optimisation.batch_size, random)
        fake, features, ratios = self._fake(data, rows, mode, random)
        real, own = structures_of(knowledge.known).take(rows), data.is_own_mode[rows, mode]
        self.critic.requires_grad_(False)
        adversarial = generator_loss(self.critic(data.conditions[rows], features))
        terms = physics_losses(knowledge, knowledge.known.code[rows], fake, real, ratios, own, self.recipe.physics)
        self._descend("generator", self.recipe.wasserstein.adversarial * adversarial + sum(terms.values()))
        self.critic.requires_grad_(True)
        return {
            "generator_loss": adversarial.detach(),
            **{f"physics_{name}": value.detach() for name, value in terms.items()},
        }

    @torch.no_grad()
    def _average(self) -> None:
        weight = 1 - self.recipe.optimisation.average_decay
        torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), weight)
