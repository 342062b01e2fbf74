"""The training of method ``forge`` as a plain loop: a Dataset, a DataLoader, one crystal after another in NumPy.

Self-augmentation, choice of a donor, and orbits with their contacts are made for each crystal when it is asked for;
then come the same networks, losses and optimisers as in ``gan.forge.training``. What it is worth to have all of this
as tensors is measured by training_step.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler

from crystalforge.gan.element_metric import place_distances
from crystalforge.gan.forge.drawing import generate
from crystalforge.gan.forge.geometry import PAIRS
from crystalforge.gan.forge.knowledge import MAX_RATIO, Composition, Structures
from crystalforge.gan.forge.learning import ForgeData
from crystalforge.gan.forge.losses import physics_losses
from crystalforge.gan.forge.training import ForgeTrainer
from crystalforge.gan.losses import critic_loss, generator_loss

NEIGHBOURS = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
"""(27, 3) steps to the neighbouring cells."""
_SAME_SITE = 1e-3
"""Å."""

Item = dict[str, NDArray[np.generic]]
Batch = dict[str, Tensor]


class PlainCrystals(Dataset[Item]):
    """Training crystals of one space group, each prepared when it is asked for.

    Args:
        data: of the batched training; only its crystals and its tables of the space group are read.
        n_crystals: without self-augmentation.
        n_donors, n_nearest: as in the recipe.
        search: look for the donors of each crystal when it is asked for; else they are known beforehand.
        seed: of orders and donors.
    """

    def __init__(self, data: ForgeData, n_crystals: int, n_donors: int, n_nearest: int, *, search: bool, seed: int):
        knowledge = data.knowledge
        self.known = {name: tensor.numpy() for name, tensor in knowledge.known.state().items()}
        self.suggested = {name: getattr(knowledge.suggested, name).numpy() for name in ("log_volume", "log_ratios")}
        self.positions = {name: tensor.numpy() for name, tensor in vars(knowledge.positions).items()}
        self.position_of = {code: i for i, code in enumerate(knowledge.position_codes.tolist())}
        self.radii, self.hexagonal = knowledge.radii.numpy(), knowledge.hexagonal
        self.distances = np.array(place_distances())
        self.n_crystals, self.n_donors, self.n_nearest, self.search = n_crystals, n_donors, n_nearest, search
        self.donors, self.exists = data.donors.index.numpy(), data.donors.exists.numpy()
        self.random = np.random.default_rng(seed)
        self.of_template: dict[tuple[int, ...], list[int]] = {}
        self.row_of: dict[tuple[int, ...], int] = {}
        for row, (code, numbers) in enumerate(zip(self.known["code"], self.known["atomic_numbers"], strict=True)):
            self.of_template.setdefault(tuple(code), []).append(row)
            self.row_of[(*code, *numbers)] = row

    def __len__(self) -> int:
        return self.n_crystals

    def __getitem__(self, index: int) -> Item:
        """One crystal in one of its orders, with a donor and its contacts."""
        order = self._order(index)
        code, numbers = self.known["code"][index][order], self.known["atomic_numbers"][index][order]
        item: Item = {name: values[index] for name, values in self.known.items()}
        item |= {"code": code, "atomic_numbers": numbers, "parameters": self.known["parameters"][index][order]}
        item |= {f"suggested_{name}": values[index] for name, values in self.suggested.items()}
        item["donor"] = np.int64(self._donor(index, code, numbers))
        item["ratios"] = self._contact_ratios(item)
        return item

    def _order(self, index: int) -> list[int]:
        """Self-augmentation: one of the orders of the sites that keep the letters ascending."""
        code = self.known["code"][index]
        orders = [order for order in itertools.permutations(range(3)) if all(code[list(order)] == code)]
        return list(orders[self.random.integers(len(orders))])

    def _donor(self, index: int, code: NDArray[np.int64], numbers: NDArray[np.int64]) -> int:
        """One of the nearest known crystals of the same template and other elements."""
        if not self.search:
            row = self.row_of[(*code, *numbers)]
            n_donors = int(self.exists[row].sum())
            return int(self.donors[row, self.random.integers(n_donors)]) if n_donors else index
        rows = np.array(self.of_template[tuple(code)])
        others = self.known["atomic_numbers"][rows]
        different = (np.sort(others, axis=1) != np.sort(numbers)).any(axis=1)
        rows, others = rows[different], others[different]
        if len(rows) == 0:
            return index
        distance = sum(self.distances[numbers[slot], others[:, slot]] for slot in range(3))
        nearest = rows[np.argsort(distance)[: self.n_donors]]
        return int(nearest[self.random.integers(len(nearest))])

    def _contact_ratios(self, item: Item) -> NDArray[np.float32]:
        """The least distances of each pair of sites over the sum of their radii, (6, n_nearest), ascending."""
        place = [self.position_of[code] for code in item["code"].tolist()]
        lattice = self._lattice(item, place)
        sites = [
            self.positions["linear"][p] @ item["parameters"][slot] + self.positions["constant"][p]
            for slot, p in enumerate(place)
        ]
        orbits = []
        for site, p in zip(sites, place, strict=True):
            real = self.positions["is_image"][p]
            orbits.append(self.positions["rotations"][p][real] @ site + self.positions["translations"][p][real])
        ratios = np.full((len(PAIRS), self.n_nearest), MAX_RATIO, dtype=np.float32)
        for i, (first, second) in enumerate(PAIRS):
            difference = orbits[second] - sites[first]
            difference -= np.round(difference)
            images = (difference[:, None] + NEIGHBOURS) @ lattice
            distance = np.linalg.norm(images, axis=2)
            distance[distance < _SAME_SITE] = np.inf
            least = np.sort(distance.min(axis=1))[: self.n_nearest]
            radii = self.radii[item["atomic_numbers"][first]] + self.radii[item["atomic_numbers"][second]]
            ratios[i, : len(least)] = np.minimum(least / radii, MAX_RATIO)
        return ratios

    def _lattice(self, item: Item, place: list[int]) -> NDArray[np.float64]:
        """Rows a, b, c in Å."""
        n_atoms = self.positions["multiplicity"][place].sum()
        b, c = np.exp(item["log_ratios"])
        height = np.sqrt(0.75) if self.hexagonal else 1.0
        a = (np.exp(item["log_volume"]) * n_atoms / (b * c * height)) ** (1 / 3)
        slant = -0.5 if self.hexagonal else 0.0
        return np.array([[a, 0, 0], [slant * b * a, height * b * a, 0], [0, 0, c * a]])


def batches(crystals: PlainCrystals, batch_size: int, n_batches: int) -> Iterator[Batch]:
    """Minibatches of crystals drawn with replacement."""
    sampler = RandomSampler(crystals, replacement=True, num_samples=batch_size * n_batches)
    return iter(DataLoader(crystals, batch_size=batch_size, sampler=sampler))


def plain_step(trainer: ForgeTrainer, data: ForgeData, minibatches: Iterator[Batch]) -> None:
    """One generator step with its critic steps, by the networks and optimisers of a trainer."""
    for _ in range(trainer.recipe.wasserstein.critic_steps):
        _critic_step(trainer, data, next(minibatches))
    _generator_step(trainer, data, next(minibatches))
    decay = trainer.recipe.optimisation.average_decay
    with torch.no_grad():
        for average, now in zip(trainer.average.parameters(), trainer.generator.parameters(), strict=True):
            average.lerp_(now, 1 - decay)


def _unpacked(batch: Batch) -> tuple[Composition, Structures]:
    composition = Composition(
        batch["code"], batch["atomic_numbers"], batch["suggested_log_volume"], batch["suggested_log_ratios"]
    )
    return composition, Structures(batch["parameters"], batch["log_volume"], batch["log_ratios"])


def _fake(trainer: ForgeTrainer, data: ForgeData, composition: Composition, donor: Tensor) -> Structures:
    noise = torch.randn(len(donor), trainer.generator.noise_size)
    return generate(data.knowledge, trainer.generator, composition, donor, noise)


def _critic_step(trainer: ForgeTrainer, data: ForgeData, batch: Batch) -> None:
    knowledge, critic = data.knowledge, trainer.critic
    composition, real = _unpacked(batch)
    condition = knowledge.condition(composition)
    with torch.no_grad():
        fake = _fake(trainer, data, composition, batch["donor"])
        ratios = knowledge.contact_ratios(composition, fake, trainer.recipe.networks.nearest_contacts)
        fake_features = knowledge.features(composition, fake, ratios)
        real_features = knowledge.features(composition, real, batch["ratios"])
    loss = critic_loss(critic(condition, real_features), critic(condition, fake_features))
    weight = torch.rand(len(condition), 1)
    between = (weight * real_features + (1 - weight) * fake_features).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(condition, between).sum(), between, create_graph=True)
    penalty = ((gradient.norm(dim=1) - 1) ** 2).mean()
    _descend(trainer, "critic", loss + trainer.recipe.wasserstein.gradient_penalty * penalty)


def _generator_step(trainer: ForgeTrainer, data: ForgeData, batch: Batch) -> None:
    knowledge, recipe = data.knowledge, trainer.recipe
    composition, real = _unpacked(batch)
    fake = _fake(trainer, data, composition, batch["donor"])
    ratios = knowledge.contact_ratios(composition, fake, recipe.networks.nearest_contacts)
    scores = trainer.critic(knowledge.condition(composition), knowledge.features(composition, fake, ratios))
    terms = physics_losses(knowledge, composition.code, fake, real, ratios, recipe.physics)
    _descend(trainer, "generator", recipe.wasserstein.adversarial * generator_loss(scores) + sum(terms.values()))


def _descend(trainer: ForgeTrainer, name: str, loss: Tensor) -> None:
    trainer.optimisers[name].zero_grad()
    loss.backward()
    trainer.optimisers[name].step()
