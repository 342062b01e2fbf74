"""From donors to crystals: what the generator makes of a donor, and which candidate the critic chooses."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import relu

from crystalforge.gan.forge.crystals import Donors
from crystalforge.gan.forge.knowledge import Composition, Knowledge, Structures
from crystalforge.gan.forge.networks import Critic, Generator


def generate(
    knowledge: Knowledge, generator: Generator, composition: Composition, donor: Tensor, noise: Tensor
) -> Structures:
    """Crystals of the compositions, each from the known crystal ``donor`` (n,).

    Sites and ratios start from the donor's, the volume from the one suggested for the elements.
    """
    known, free = knowledge.known, knowledge.free(composition.code)
    start = known.parameters[donor]
    angles = 2 * math.pi * start.flatten(1)
    difference = knowledge.properties[known.atomic_numbers[donor]] - knowledge.properties[composition.atomic_numbers]
    cell = torch.cat(
        [
            (known.log_volume[donor] - knowledge.suggested.log_volume[donor])[:, None],
            known.log_ratios[donor] - composition.log_ratios,
        ],
        dim=1,
    )
    told = torch.cat([difference.flatten(1), angles.sin() * free, angles.cos() * free, cell / knowledge.scale], dim=1)
    moved, volume, ratios = generator(knowledge.condition(composition), told, noise)
    return Structures(
        start + moved * free.view_as(moved),
        composition.log_volume + volume,
        composition.log_ratios + ratios * knowledge.free_ratios,
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


def best_of_candidates(
    knowledge: Knowledge,
    generator: Generator,
    critic: Critic,
    composition: Composition,
    donors: Donors,
    noise: Tensor,
    nearest_contacts: int,
) -> Structures:
    """For each composition the candidate that the critic scores highest; overlapping ones come last, and are widened.

    Args:
        knowledge: of the space group.
        generator: makes a candidate of each donor.
        critic: scores them.
        composition: n compositions.
        donors: (n, n_candidates), the first of which exists.
        noise: (n, n_candidates, noise_size).
        nearest_contacts: as in the recipe.
    """
    condition = knowledge.condition(composition)
    best: Structures | None = None
    best_score = torch.full((len(composition),), -torch.inf, device=noise.device)
    for candidate in range(donors.index.shape[1]):
        made = generate(knowledge, generator, composition, donors.index[:, candidate], noise[:, candidate])
        ratios = knowledge.contact_ratios(composition, made, nearest_contacts)
        overlap = relu(knowledge.contact_window[0] - ratios[..., 0].amin(dim=1))
        score = critic(condition, knowledge.features(composition, made, ratios)) - OVERLAP_COST * overlap
        score = torch.where(donors.exists[:, candidate], score, -torch.inf)
        if best is None:
            best, best_score = made, score
            continue
        better = score > best_score
        best_score = torch.where(better, score, best_score)
        best = Structures(
            torch.where(better[:, None, None], made.parameters, best.parameters),
            torch.where(better, made.log_volume, best.log_volume),
            torch.where(better[:, None], made.log_ratios, best.log_ratios),
        )
    if best is None:
        raise ValueError("best_of_candidates: expected at least one candidate of each composition, got none.")
    return widened(knowledge, composition, best)
