"""From starts to crystals: what the generator makes of a start, and which mode is chosen."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import relu

from crystalforge.gan.forge.knowledge import Composition, Knowledge, Structures
from crystalforge.gan.forge.networks import Critic, Generator
from crystalforge.gan.forge.starts import Starts


def generate(
    knowledge: Knowledge,
    generator: Generator,
    composition: Composition,
    start: Starts,
    noise: Tensor,
    condition: Tensor | None = None,
) -> Structures:
    """Crystals of the compositions, each from one start; the volume starts from the one suggested for the elements.

    Args:
        knowledge: of the space group.
        generator: corrects the starts.
        composition: n compositions.
        start: one mode of each.
        noise: (n, noise_size).
        condition: that of the compositions, where it is known already.
    """
    if condition is None:
        condition = knowledge.condition(composition)
    free = knowledge.free(composition.code)
    angles = 2 * math.pi * start.parameters.flatten(1)
    ratios = (start.log_ratios - composition.log_ratios) / knowledge.scale[1:]
    told = torch.cat([angles.sin() * free, angles.cos() * free, ratios, start.support[:, None]], dim=1)
    moved, volume, stretched = generator(condition, told, noise)
    return Structures(
        start.parameters + moved * free.view_as(moved),
        composition.log_volume + volume,
        start.log_ratios + stretched * knowledge.free_ratios,
    )


MOST_WIDENING = 0.5
"""Largest increase of the log volume per atom by ``widened``."""
OVERLAP_COST = 100.0
"""Of a unit of contact ratio below the floor, in the critic's score: far above any difference of two scores."""


def widened(knowledge: Knowledge, composition: Composition, made: Structures) -> Structures:
    """The crystals, cells widened where atoms are closer than the floor of ``contact_window``.

    The step down the contact loss along the volume that reaches the floor: contacts grow as the cube root of it. What
    would need more than ``MOST_WIDENING`` gets that, and is left to the checks.
    """
    least = knowledge.contact_ratios(composition, made, 1)[..., 0].amin(dim=1)
    step = 3 * (knowledge.contact_window[0] / least).log()
    return Structures(made.parameters, made.log_volume + step.clamp(0.0, MOST_WIDENING), made.log_ratios)


def best_of_modes(
    knowledge: Knowledge,
    generator: Generator,
    critic: Critic,
    composition: Composition,
    starts: Starts,
    noise: Tensor,
    *,
    nearest_contacts: int,
    trust: float,
) -> Structures:
    """For each composition what was made of the mode that support and critic favour; where all overlap, widened.

    Args:
        knowledge: of the space group.
        generator: makes a candidate of each mode.
        critic: scores them.
        composition: n compositions.
        starts: n_modes of each.
        noise: (n, n_modes, noise_size).
        nearest_contacts: as in the recipe.
        trust: what the logarithm of the support counts for, beside the critic's score.
    """
    condition = knowledge.condition(composition)
    made, scores = [], []
    for mode in range(starts.support.shape[1]):
        start = starts.take(torch.arange(len(composition), device=noise.device), mode)
        one = generate(knowledge, generator, composition, start, noise[:, mode], condition)
        ratios = knowledge.contact_ratios(composition, one, nearest_contacts)
        overlap = relu(knowledge.contact_window[0] - ratios[..., 0].amin(dim=1))
        score = critic(condition, knowledge.features(composition, one, ratios)) + trust * start.support.log()
        scores.append(score - OVERLAP_COST * overlap)  # no support: -inf
        made.append(one)
    best = torch.stack(scores, dim=1).argmax(dim=1)
    rows = torch.arange(len(best), device=best.device)
    chosen = Structures.joined(made, dim=1).take((rows, best))
    return widened(knowledge, composition, chosen)
