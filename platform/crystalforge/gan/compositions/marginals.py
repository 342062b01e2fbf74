"""The two samplers that learn nothing of how elements go together."""

from __future__ import annotations

import torch
from torch import Tensor

from crystalforge.gan.compositions.space import N_SLOTS, CompositionSpace

PRIOR = 2.0
"""Weight, in crystals, of the space group's element frequencies in those of a template's slot."""


class Uniform:
    """Any elements that occur in the space group: the paper's way, and the null of all others."""

    def __init__(self, space: CompositionSpace, _state: dict[str, Tensor]) -> None:
        self._shape = space.shape[1:]

    @staticmethod
    def fit(_space: CompositionSpace, _seed: int) -> dict[str, Tensor]:
        """Nothing is learned."""
        return {}

    def template(self, _template: int) -> Tensor:
        """Equal weights."""
        return torch.ones(self._shape)


class Marginals:
    """Each slot's element by its own frequency in the template, whatever the others are."""

    def __init__(self, space: CompositionSpace, _state: dict[str, Tensor]) -> None:
        self._shares = slot_counts(space)

    @staticmethod
    def fit(_space: CompositionSpace, _seed: int) -> dict[str, Tensor]:
        """The frequencies follow from the crystals, which are kept anyway."""
        return {}

    def template(self, template: int) -> Tensor:
        """Product of the three frequencies."""
        first, second, third = self._shares[template]
        return first[:, None, None] * second[:, None] * third


def slot_counts(space: CompositionSpace) -> Tensor:
    """(n_templates, 3, n_elements) how often each element stands in each slot."""
    crystals = torch.as_tensor(space.crystals)
    counts = torch.zeros(len(space.letters), N_SLOTS, len(space.elements))
    for slot in range(N_SLOTS):
        place = (crystals[:, 0], torch.tensor(slot), crystals[:, 1 + slot])
        counts.index_put_(place, torch.ones(()), accumulate=True)
    return counts


def element_shares(counts: Tensor) -> Tensor:
    """(n_elements,) frequency in the whole space group, from ``slot_counts``."""
    total = counts.sum(dim=(0, 1))
    return total / total.sum()


def smoothed_letters(space: CompositionSpace, counts: Tensor) -> dict[str, Tensor]:
    """Letter → frequencies (n_elements,) of the elements on it, drawn towards those of the whole space group."""
    overall = PRIOR * element_shares(counts)
    on_letter: dict[str, Tensor] = {}
    for letters, of_template in zip(space.letters.tolist(), counts, strict=True):
        for letter, of_slot in zip(letters, of_template, strict=True):
            on_letter[letter] = on_letter.get(letter, overall) + of_slot
    return {letter: total / total.sum() for letter, total in on_letter.items()}


def smoothed_shares(counts: Tensor) -> Tensor:
    """Frequencies (n_templates, 3, n_elements) of the slots, drawn towards those of the whole space group."""
    return (counts + PRIOR * element_shares(counts)) / (counts.sum(dim=2, keepdim=True) + PRIOR)
