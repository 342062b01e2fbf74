"""The training of method ``forge`` as a plain loop: a Dataset, a DataLoader, one crystal after another in NumPy.

Self-augmentation, the start of the generator, and orbits with their contacts are made for each crystal when it is asked
for; then come the same networks, losses and optimisers as in ``gan.forge.training``. What it is worth to have all of
this as tensors is measured by training_step.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from plain_starts import PlainStarts, Start
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler

from crystalforge.gan.forge.drawing import generate
from crystalforge.gan.forge.geometry import PAIRS
from crystalforge.gan.forge.knowledge import MAX_RATIO, Composition, Structures
from crystalforge.gan.forge.learning import ForgeData
from crystalforge.gan.forge.losses import physics_losses
from crystalforge.gan.forge.starts import Starts
from crystalforge.gan.forge.training import ForgeTrainer
from crystalforge.gan.forge.validation import MISPLACED
from crystalforge.gan.forge_recipe import ForgeRecipe
from crystalforge.gan.losses import critic_loss, generator_loss

NEIGHBOURS = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
"""(27, 3) steps to the neighbouring cells."""
_SAME_SITE = 1e-3
"""Å."""

Item = dict[str, NDArray[np.generic]]
Batch = dict[str, Tensor]


class PlainCrystals(Dataset[Item]):
    """Crystals of one space group that the networks learn from, each prepared when it is asked for.

    Args:
        data: of the batched training; only its crystals and its tables of the space group are read.
        n_crystals: without self-augmentation.
        recipe: of the training.
        search: look for donors and modes of each crystal when it is asked for; else its starts are known beforehand.
        seed: of orders and modes.
    """

    def __init__(self, data: ForgeData, n_crystals: int, recipe: ForgeRecipe, *, search: bool, seed: int) -> None:
        knowledge = data.knowledge
        self.starts = PlainStarts(data, recipe.donors.n_donors, recipe.donors.n_modes)
        self.known, self.positions = self.starts.known, self.starts.positions
        self.suggested = {name: getattr(knowledge.suggested, name).numpy() for name in ("log_volume", "log_ratios")}
        self.radii, self.hexagonal = knowledge.radii.numpy(), knowledge.hexagonal
        self.n_nearest, self.search = recipe.networks.nearest_contacts, search
        self.learned = [row for row in data.learned_rows.tolist() if row < n_crystals]
        self.beforehand = {name: tensor.numpy() for name, tensor in vars(data.starts).items()}
        self.random = np.random.default_rng(seed)
        elements = zip(self.known["code"].tolist(), self.known["atomic_numbers"].tolist(), strict=True)
        self.row_of = {(*code, *numbers): row for row, (code, numbers) in enumerate(elements)}

    def __len__(self) -> int:
        return len(self.learned)

    def __getitem__(self, index: int) -> Item:
        """One crystal in one of its orders, with a start and its contacts."""
        row = self.learned[index]
        order = self._order(row)
        item: Item = {name: values[row] for name, values in self.known.items()}
        item |= {name: self.known[name][row][order] for name in ("code", "atomic_numbers", "parameters")}
        item |= {f"suggested_{name}": values[row] for name, values in self.suggested.items()}
        parameters, log_ratios, support = self._start(row, item)
        item |= {"start_parameters": np.float32(parameters), "start_log_ratios": np.float32(log_ratios)}
        item |= {"start_support": np.float32(support), "is_own_mode": self._is_near(item)}
        item["ratios"] = self.contact_ratios(item)
        return item

    def _order(self, row: int) -> list[int]:
        """Self-augmentation: one of the orders of the sites that keep the letters ascending."""
        code = self.known["code"][row]
        orders = [order for order in itertools.permutations(range(3)) if all(code[list(order)] == code)]
        return list(orders[self.random.integers(len(orders))])

    def _start(self, row: int, item: Item) -> Start:
        """A mode, drawn by its support."""
        code, numbers = item["code"], item["atomic_numbers"]
        if self.search:
            return self.starts.draw(row, code, numbers, float(item["suggested_log_volume"]), self.random)
        row = self.row_of[(*code.tolist(), *numbers.tolist())]
        support = self.beforehand["support"][row].astype(float)
        mode = self.random.choice(len(support), p=support / support.sum())
        return self.beforehand["parameters"][row, mode], self.beforehand["log_ratios"][row, mode], support[mode]

    def _is_near(self, item: Item) -> np.bool_:
        """Whether all sites of the start are well placed, seen from the crystal itself."""
        linear = self.positions["linear"][self.starts.place_of(item["code"])]
        off = (linear @ (item["start_parameters"] - item["parameters"])[..., None])[..., 0]
        off -= np.round(off)
        (edges,) = self.starts.edges(item["code"], float(item["log_volume"]), item["log_ratios"][None])
        return np.linalg.norm(off * edges, axis=1).max() <= MISPLACED * np.exp(item["log_volume"] / 3)

    def contact_ratios(self, item: Item) -> NDArray[np.float32]:
        """The least distances of each pair of sites over the sum of their radii, (6, n_nearest), ascending."""
        place = self.starts.place_of(item["code"])
        lattice = self._lattice(item)
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

    def _lattice(self, item: Item) -> NDArray[np.float64]:
        """Rows a, b, c in Å."""
        ((a, b, c),) = self.starts.edges(item["code"], float(item["log_volume"]), item["log_ratios"][None])
        slant = -0.5 if self.hexagonal else 0.0
        return np.array([[a, 0, 0], [slant * b, self.starts.height * b, 0], [0, 0, c]])


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


def _fake(trainer: ForgeTrainer, data: ForgeData, composition: Composition, batch: Batch) -> Structures:
    noise = torch.randn(len(composition), trainer.generator.noise_size)
    start = Starts(batch["start_parameters"], batch["start_log_ratios"], batch["start_support"])
    return generate(data.knowledge, trainer.generator, composition, start, noise)


def _critic_step(trainer: ForgeTrainer, data: ForgeData, batch: Batch) -> None:
    knowledge, critic = data.knowledge, trainer.critic
    composition, real = _unpacked(batch)
    condition = knowledge.condition(composition)
    with torch.no_grad():
        fake = _fake(trainer, data, composition, batch)
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
    fake = _fake(trainer, data, composition, batch)
    ratios = knowledge.contact_ratios(composition, fake, recipe.networks.nearest_contacts)
    scores = trainer.critic(knowledge.condition(composition), knowledge.features(composition, fake, ratios))
    own = batch["is_own_mode"]
    terms = physics_losses(knowledge, composition.code, fake, real, ratios, own, recipe.physics)
    _descend(trainer, "generator", recipe.wasserstein.adversarial * generator_loss(scores) + sum(terms.values()))


def _descend(trainer: ForgeTrainer, name: str, loss: Tensor) -> None:
    trainer.optimisers[name].zero_grad()
    loss.backward()
    trainer.optimisers[name].step()
