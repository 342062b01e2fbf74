"""Swap: a training crystal with one of its elements replaced by a learned similarity.

The probability of a composition x in template T is

    p(x | T) ∝ Σ over slots s of w_s · Σ over training crystals y that equal x but in s of K_s(y_s → x_s)  +  w_0 · m(x)

with m the product of the slots' smoothed frequencies. K_s, the kernel of slot s, is a softmax over the other elements
of: how often one replaces the other between crystals that are else equal, in this slot and in any; the distance of
the two in a learned projection of the 23 element properties and a free embedding; and a bias of the new element.
Kernels and weights maximise the likelihood of each training crystal under all *others* (leave one out), which is why a
crystal's own replacements are taken out of the counts where it is the one predicted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crystalforge.crystals.elements import element_properties
from crystalforge.gan.compositions.marginals import PRIOR, element_shares, slot_counts, smoothed_shares
from crystalforge.gan.compositions.space import N_SLOTS, CompositionSpace

EMBEDDING = 8
"""Dimensions of the space in which elements are near or far."""
STEPS = 120
LEARNING_RATE = 0.05
SHRINKAGE = 1e-3
"""Weight of the squared free embedding in the loss; a tenth of it for projection and biases."""
TINY = 1e-14


@dataclass(frozen=True)
class _Neighbours:
    """Ordered pairs of crystals that differ in one slot only: one element ``source`` is replaced by ``target``."""

    crystal: Tensor
    """(n_pairs,) the crystal with ``target``."""
    source: Tensor
    target: Tensor


class _Kernels(nn.Module):
    """Log weights of a swap's outcome, per slot."""

    def __init__(self, space: CompositionSpace, swaps: Tensor, random: torch.Generator) -> None:
        super().__init__()
        n_elements = len(space.elements)
        properties = torch.tensor(element_properties()[space.elements])
        start = torch.randn(N_SLOTS, properties.shape[1], EMBEDDING, generator=random)
        self.projection = nn.Parameter(0.3 * start)
        self.free = nn.Parameter(0.01 * torch.randn(N_SLOTS, n_elements, EMBEDDING, generator=random))
        self.bias = nn.Parameter(torch.zeros(N_SLOTS, n_elements))
        self.gain = nn.Parameter(torch.full((N_SLOTS, 2, 1, 1), 0.3))
        self.mixture = nn.Parameter(torch.tensor([0.0, 0.0, 0.0, -3.0]))
        self.properties, self.itself = properties, torch.eye(n_elements, dtype=torch.bool)
        self.counts = torch.stack([swaps, swaps.sum(dim=0).expand_as(swaps)], dim=1)

    def log_kernels(self) -> Tensor:
        """(3, n_elements from, n_elements to), normalised over the last."""
        places = torch.einsum("ef,sfd->sed", self.properties, self.projection) + self.free
        near = -(places[:, :, None] - places[:, None]).square().sum(dim=-1)
        logits = near + self.bias[:, None] + (self.gain * self.counts.log1p()).sum(dim=1)
        return logits.masked_fill(self.itself, -torch.inf).log_softmax(dim=-1)

    def left_out(self) -> Tensor:
        """What to add to ``log_kernels`` where the crystal that is predicted gave one of the counts itself."""
        fewer = (self.counts - 1).clamp_min(0).log1p()
        return (self.gain * (fewer - self.counts.log1p())).sum(dim=1)

    def penalty(self) -> Tensor:
        """Of parameters that few crystals speak for."""
        others = self.projection.square().sum() + self.bias.square().sum()
        return SHRINKAGE * (self.free.square().sum() + 0.1 * others)


class Swap:
    """The density of a fitted swap sampler."""

    def __init__(self, space: CompositionSpace, state: dict[str, Tensor]) -> None:
        self._crystals = torch.as_tensor(space.crystals)
        self._kernels, self._weights = state["kernels"], state["weights"]
        self._shape = space.shape[1:]
        counts = slot_counts(space)
        self._shares = smoothed_shares(counts)

    @staticmethod
    def fit(space: CompositionSpace, seed: int) -> dict[str, Tensor]:
        """Kernels and weights: {"kernels": (3, n_elements, n_elements), "weights": (4,)}."""
        neighbours = [_neighbours(space, slot) for slot in range(N_SLOTS)]
        network = _Kernels(space, _swap_counts(space, neighbours), torch.Generator().manual_seed(seed))
        by_chance = _left_out_marginals(space)
        optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=STEPS)
        for _ in range(STEPS):
            loss = _left_out_loss(network, neighbours, by_chance)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        with torch.no_grad():
            return {"kernels": network.log_kernels().exp(), "weights": network.mixture.softmax(dim=0)}

    def template(self, template: int) -> Tensor:
        """Swaps of the template's crystals in each slot, and the floor of independent frequencies."""
        own = self._crystals[self._crystals[:, 0] == template, 1:]
        first, second, third = self._shares[template]
        weights = (self._weights[3] * len(own) * first)[:, None, None] * second[:, None] * third
        for slot in range(N_SLOTS):
            others = own[:, [s for s in range(N_SLOTS) if s != slot]]
            swapped = self._weights[slot] * self._kernels[slot][own[:, slot]]
            weights.movedim(slot, 2).index_put_((others[:, 0], others[:, 1]), swapped, accumulate=True)
        return weights


def _neighbours(space: CompositionSpace, slot: int) -> _Neighbours:
    """All ordered pairs of crystals of one template that are equal but in one slot."""
    others = np.delete(space.crystals, 1 + slot, axis=1)
    _, group = np.unique(others, axis=0, return_inverse=True)
    order = np.argsort(group.reshape(-1), kind="stable")
    sizes = np.bincount(group.reshape(-1))
    first, second = _pairs(sizes)
    crystal, other = order[first], order[second]
    elements = space.crystals[:, 1 + slot]
    kept = elements[crystal] != elements[other]
    crystal, other = crystal[kept], other[kept]
    return _Neighbours(*(torch.as_tensor(x) for x in (crystal, elements[other], elements[crystal])))


def _pairs(sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All ordered pairs within consecutive groups of these sizes, a member with itself included."""
    starts = np.cumsum(sizes) - sizes
    size, start = np.repeat(sizes, sizes), np.repeat(starts, sizes)
    first = np.repeat(np.arange(sizes.sum()), size)
    within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    return first, within + np.repeat(start, size)


def _swap_counts(space: CompositionSpace, neighbours: list[_Neighbours]) -> Tensor:
    """(3, n_elements from, n_elements to) how often one element replaces another in a slot."""
    counts = torch.zeros(N_SLOTS, len(space.elements), len(space.elements))
    for slot, pairs in enumerate(neighbours):
        counts[slot].index_put_((pairs.source, pairs.target), torch.ones(()), accumulate=True)
    return counts


def _left_out_marginals(space: CompositionSpace) -> Tensor:
    """(n_crystals,) what the floor m of the other crystals of its template gives each crystal."""
    counts, crystals = slot_counts(space), torch.as_tensor(space.crystals)
    shares, template = element_shares(counts), crystals[:, 0]
    others = torch.as_tensor(space.template_counts)[template] - 1.0
    product = others
    for slot in range(N_SLOTS):
        element = crystals[:, 1 + slot]
        product = product * (counts[template, slot, element] - 1 + PRIOR * shares[element]) / (others + PRIOR)
    return product


def _left_out_loss(network: _Kernels, neighbours: list[_Neighbours], by_chance: Tensor) -> Tensor:
    """Mean negative log likelihood of each crystal under all others, and the penalty."""
    weights = network.mixture.softmax(dim=0)
    kernels = (network.log_kernels() + network.left_out()).exp()
    likelihood = weights[3] * by_chance
    for slot, pairs in enumerate(neighbours):
        terms = weights[slot] * kernels[slot][pairs.source, pairs.target]
        likelihood = likelihood.index_add(0, pairs.crystal, terms)
    return -(likelihood / len(by_chance)).clamp_min(TINY).log().mean() + network.penalty()
