"""Crystals of Wyckoff templates that no training crystal has: there is no donor, so structures are searched for.

Many random starts of what is free (ratios of the edges as some training crystal's, volume as suggested for the
elements); those with least overlap go down the contact loss by their free parameters and ratios; the critic chooses
among those that do not overlap. Every start and every step lies on the template's positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import relu

from crystalforge.gan.forge.drawing import OVERLAP_COST, widened
from crystalforge.gan.forge.knowledge import Composition, Knowledge, Structures
from crystalforge.gan.forge.networks import Critic

AT_ONCE = 64
"""Compositions searched together: memory does not grow with the batch."""
LEARNING_RATE = 0.02
RATIO_WEIGHT = 0.1
"""Of the squared change of the log ratios in the loss: a cell goes flat only where it must."""


@dataclass(frozen=True)
class Search:
    """How much is tried for each composition. One start, no step and no critic is the null."""

    n_starts: int = 32
    n_kept: int = 6
    """Starts with least overlap that go down."""
    n_steps: int = 40
    by_critic: bool = True
    """Else the crystal of least loss is taken."""


def random_starts(knowledge: Knowledge, composition: Composition, n: int, random: np.random.Generator) -> Structures:
    """n starts of each composition, (n_compositions, n, …): nothing is known of the sites."""
    free = knowledge.free(composition.code).view(-1, 1, 3, 3)
    shape = (len(composition), n)
    parameters = torch.as_tensor(random.random((*shape, 3, 3), dtype=np.float32), device=free.device)
    donors = torch.as_tensor(random.integers(len(knowledge.known), size=shape), device=free.device)
    return Structures(
        parameters * free,
        composition.log_volume[:, None].expand(shape),
        knowledge.known.log_ratios[donors] * knowledge.free_ratios,
    )


def find_structures(
    knowledge: Knowledge,
    critic: Critic,
    composition: Composition,
    starts: Structures,
    nearest_contacts: int,
    search: Search,
) -> Structures:
    """The best structure found for each composition, widened where atoms still overlap.

    Args:
        knowledge: of the space group; it knows all letters.
        critic: chooses.
        composition: n compositions.
        starts: (n, ``search.n_starts``, …).
        nearest_contacts: as in the recipe.
        search: how much is tried.
    """
    parts = torch.arange(len(composition), device=knowledge.device).split(AT_ONCE)
    found = [
        _find(knowledge, critic, composition.take(rows), starts.take(rows), nearest_contacts, search) for rows in parts
    ]
    return widened(knowledge, composition, Structures.joined(found))


def _find(
    knowledge: Knowledge,
    critic: Critic,
    composition: Composition,
    starts: Structures,
    nearest_contacts: int,
    search: Search,
) -> Structures:
    n, n_starts = starts.log_volume.shape
    every = torch.arange(n, device=knowledge.device)
    with torch.no_grad():
        loss = _losses(knowledge, composition.take(every.repeat_interleave(n_starts)), _flat(starts), nearest_contacts)
    n_kept = min(search.n_kept, n_starts)
    best = loss.view(n, n_starts).topk(n_kept, dim=1, largest=False).indices
    rows = every.repeat_interleave(n_kept)
    kept = starts.take((rows, best.flatten()))
    several = composition.take(rows)
    ended = _descend(knowledge, several, kept, nearest_contacts, search.n_steps)
    with torch.no_grad():
        ratios = knowledge.contact_ratios(several, ended, nearest_contacts)
        if search.by_critic:
            overlap = relu(knowledge.contact_window[0] - ratios[..., 0].amin(dim=1))
            score = critic(knowledge.condition(several), knowledge.features(several, ended, ratios))
            score = score - OVERLAP_COST * overlap
        else:
            score = -_losses(knowledge, several, ended, nearest_contacts)
    chosen = every * n_kept + score.view(n, n_kept).argmax(dim=1)
    return ended.take(chosen)


def _descend(
    knowledge: Knowledge, composition: Composition, starts: Structures, nearest_contacts: int, n_steps: int
) -> Structures:
    """Down the contact loss, each crystal on its own: what Adam does to one does not depend on the others."""
    free = knowledge.free(composition.code).view(-1, 3, 3)
    moved = torch.zeros_like(starts.parameters, requires_grad=True)
    stretched = torch.zeros_like(starts.log_ratios, requires_grad=True)
    optimiser = torch.optim.Adam([moved, stretched], lr=LEARNING_RATE)

    def current() -> Structures:
        return Structures(
            starts.parameters + moved * free,
            starts.log_volume,
            starts.log_ratios + stretched * knowledge.free_ratios,
        )

    for _ in range(n_steps):
        optimiser.zero_grad()
        with torch.enable_grad():
            loss = _losses(knowledge, composition, current(), nearest_contacts)
            (loss + RATIO_WEIGHT * stretched.square().sum(dim=1)).sum().backward()
        optimiser.step()
    with torch.no_grad():
        return current()


def _losses(knowledge: Knowledge, composition: Composition, made: Structures, nearest_contacts: int) -> Tensor:
    """(n,) squared overlaps of the nearest contacts of every pair of sites, and of the least one beyond real ones."""
    ratios = knowledge.contact_ratios(composition, made, nearest_contacts)
    _, low, high = knowledge.contact_window
    least = ratios[..., 0].amin(dim=1)
    return relu(low - ratios).square().sum(dim=(1, 2)) + relu(least - high).square()


def _flat(structures: Structures) -> Structures:
    return Structures(*(getattr(structures, name).flatten(0, 1) for name in structures.__dataclass_fields__))
