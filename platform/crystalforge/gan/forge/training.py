"""The training of method ``forge``.

One epoch is ``steps_per_epoch`` generator steps. Its random numbers come from (seed, space group, epoch) alone.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from crystalforge.gan.adversarial_training import AdversarialTrainer, adam
from crystalforge.gan.forge.drawing import best_of_candidates, generate
from crystalforge.gan.forge.knowledge import Composition, Structures
from crystalforge.gan.forge.learning import ForgeData, forge_data
from crystalforge.gan.forge.losses import physics_losses
from crystalforge.gan.forge.model import ForgeModel
from crystalforge.gan.forge.networks import Critic, Generator
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
    """Weights of the average and of the critic at the best epoch by the validation part."""
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
    def prepare(
        training: TrainingCrystals, validation: TrainingCrystals | None, recipe: ForgeRecipe, seed: int
    ) -> ForgeData:
        """Learn cells and compositions, and look up the donors."""
        return forge_data(training.crystals, validation.crystals if validation else None, recipe, seed)

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

    def _finish_epoch(self, data: ForgeData) -> dict[str, float]:
        """Keep what was learned besides the networks, and look at the validation part."""
        self.learned = prefixed("knowledge", data.knowledge.state()) | prefixed(
            "compositions", data.compositions.state()
        )
        return self._keep_if_best(data)

    def _keep_if_best(self, data: ForgeData) -> dict[str, float]:
        """Figures of the validation part; the networks are kept if no epoch was better, or there is nothing to ask."""
        figures: dict[str, float] = {}
        score = math.inf
        if data.validation is not None:
            composition, real, donors = data.validation
            networks = self.recipe.networks
            shape = (*donors.index.shape, networks.noise_size)
            noise = torch.zeros(shape, device=donors.index.device)  # the middle of the noise: no luck in the choice
            with torch.inference_mode():
                made = best_of_candidates(
                    data.knowledge, self.average, self.critic, composition, donors, noise, networks.nearest_contacts
                )
                figures = validation_figures(data.knowledge, composition, made, real)
            score = validation_score(figures)
        self.epochs_since_best += 1
        if score >= self.best_score:
            self.epochs_since_best = 0
            self.best_score = score if math.isfinite(score) else -math.inf
            weights = prefixed("generator", self.average.state_dict()) | prefixed("critic", self.critic.state_dict())
            self.best = {name: tensor.detach().clone() for name, tensor in weights.items()}
        return figures

    def _step(self, data: ForgeData, random: torch.Generator) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        for _ in range(self.recipe.wasserstein.critic_steps):
            terms |= self._critic_step(data, random)
        terms |= self._generator_step(data, random)
        self._average()
        return terms

    def _draw(self, data: ForgeData, random: torch.Generator) -> tuple[Composition, Structures, Tensor]:
        """Compositions and structures of a minibatch of real crystals, and a donor of each."""
        n, device, known = self.recipe.optimisation.batch_size, data.knowledge.device, data.knowledge.known
        rows = torch.randint(len(known), (n,), generator=random, device=device)
        n_donors = data.donors.exists[rows].sum(dim=1)
        chosen = (torch.rand(n, generator=random, device=device) * n_donors).long()
        # A crystal that is alone in its template is its own donor.
        donor = torch.where(n_donors > 0, data.donors.index[rows, chosen], rows)
        real = Structures(known.parameters[rows], known.log_volume[rows], known.log_ratios[rows])
        return data.knowledge.suggested.take(rows), real, donor

    def _fake(self, data: ForgeData, composition: Composition, donor: Tensor, random: torch.Generator) -> Structures:
        noise = torch.randn(len(donor), self.generator.noise_size, generator=random, device=donor.device)
        return generate(data.knowledge, self.generator, composition, donor, noise)

    def _features(self, data: ForgeData, composition: Composition, structures: Structures) -> tuple[Tensor, Tensor]:
        """What the critic sees, and the contact ratios."""
        ratios = data.knowledge.contact_ratios(composition, structures, self.recipe.networks.nearest_contacts)
        return data.knowledge.features(composition, structures, ratios), ratios

    def _critic_step(self, data: ForgeData, random: torch.Generator) -> dict[str, Tensor]:
        composition, real, donor = self._draw(data, random)
        condition = data.knowledge.condition(composition)
        with torch.no_grad():
            fake_features, _ = self._features(data, composition, self._fake(data, composition, donor, random))
            real_features, _ = self._features(data, composition, real)
        scores = self.critic(torch.cat([condition, condition]), torch.cat([real_features, fake_features]))
        wasserstein = critic_loss(*scores.chunk(2))
        weight = torch.rand(len(donor), 1, generator=random, device=donor.device)
        penalty = self._gradient_penalty(condition, real_features, fake_features, weight)
        self._descend("critic", wasserstein + self.recipe.wasserstein.gradient_penalty * penalty)
        return {"wasserstein_distance": -wasserstein.detach(), "gradient_penalty": penalty.detach()}

    def _gradient_penalty(self, condition: Tensor, real: Tensor, fake: Tensor, weight: Tensor) -> Tensor:
        """E[(|∇ D(x̂)| - 1)²] on the segment between real and fake of the same composition, one U(0, 1) weight each."""
        between = (weight * real + (1 - weight) * fake).requires_grad_(True)
        (gradient,) = torch.autograd.grad(self.critic(condition, between).sum(), between, create_graph=True)
        return ((gradient.norm(dim=1) - 1) ** 2).mean()

    def _generator_step(self, data: ForgeData, random: torch.Generator) -> dict[str, Tensor]:
        composition, real, donor = self._draw(data, random)
        fake = self._fake(data, composition, donor, random)
        features, ratios = self._features(data, composition, fake)
        self.critic.requires_grad_(False)
        adversarial = generator_loss(self.critic(data.knowledge.condition(composition), features))
        terms = physics_losses(data.knowledge, composition.code, fake, real, ratios, self.recipe.physics)
        self._descend("generator", self.recipe.wasserstein.adversarial * adversarial + sum(terms.values()))
        self.critic.requires_grad_(True)
        return {
            "generator_loss": adversarial.detach(),
            **{f"physics_{name}": value.detach() for name, value in terms.items()},
        }

    @torch.no_grad()
    def _average(self) -> None:
        decay = self.recipe.optimisation.average_decay
        for average, now in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            average.lerp_(now, 1 - decay)
