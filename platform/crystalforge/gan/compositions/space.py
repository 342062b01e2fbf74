"""The compositions that a space group's training crystals open up: templates × elements of three slots.

A *template* is the three Wyckoff letters in ascending order; a *slot* is a place in it. So the two sorts of Heusler
crystals whose sites are stored as (a, c, b) and (c, a, b) share one template, and what stands on 8c is learned from
both. Which of the six orders of electronegativity a template's slots have is counted apart (``order_counts``): an order
that no training crystal has is another setting of the same crystals, or was never made, and is not drawn.

A *cell* is one composition as an integer, the place in an array (n_templates, n_elements, n_elements, n_elements).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from crystalforge.crystals.elements import order_by_electronegativity
from crystalforge.errors import TrainingError
from crystalforge.symmetry import space_group

N_SLOTS = 3
N_ORDERS = 8
"""Three comparisons of the slots' electronegativities, as bits; two of the eight values contradict themselves."""


@dataclass(frozen=True)
class Drawn:
    """Compositions, sites in the canonical order of ascending electronegativity."""

    letters: NDArray[np.str_]
    """(n, 3) Wyckoff letters."""
    atomic_numbers: NDArray[np.int64]
    """(n, 3)."""

    def __len__(self) -> int:
        return len(self.letters)


@dataclass(frozen=True, eq=False)
class CompositionSpace:
    """Templates, elements and crystals of one space group."""

    space_group_number: int
    letters: NDArray[np.str_]
    """(n_templates, 3) of each template, ascending."""
    elements: NDArray[np.int64]
    """(n_elements,) atomic numbers that occur."""
    crystals: NDArray[np.int64]
    """(n_crystals, 4) template and the elements of its slots, as indices."""

    @classmethod
    def of(cls, space_group_number: int, letters: ArrayLike, atomic_numbers: ArrayLike) -> CompositionSpace:
        """The space of training crystals.

        Args:
            space_group_number: of all crystals.
            letters: (n, 3) Wyckoff letters of the sites.
            atomic_numbers: (n, 3) three different elements each.

        Raises:
            TrainingError: there is no crystal, or one with fewer than three elements.
        """
        slots, numbers = into_slots(letters, atomic_numbers)
        if len(numbers) == 0 or (np.diff(np.sort(numbers, axis=1), axis=1) == 0).any():
            raise TrainingError(
                f"The compositions of space group {space_group_number} are learned from crystals of three different "
                f"elements; got {len(numbers)} crystals, of which some have fewer. Build the dataset again."
            )
        templates, template = np.unique(slots, axis=0, return_inverse=True)
        elements, element = np.unique(numbers, return_inverse=True)
        crystals = np.column_stack([template.reshape(-1), element.reshape(-1, N_SLOTS)])
        return cls(int(space_group_number), templates, elements, crystals)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of an array over all cells."""
        n_elements = len(self.elements)
        return len(self.letters), n_elements, n_elements, n_elements

    @cached_property
    def multiplicity(self) -> NDArray[np.int64]:
        """(n_templates, 3) atoms of each slot in the conventional cell."""
        positions = space_group(self.space_group_number).wyckoff_positions
        table = {position.letter: position.multiplicity for position in positions}
        return np.array([[table[letter] for letter in row] for row in self.letters.tolist()], dtype=np.int64)

    @cached_property
    def template_counts(self) -> NDArray[np.int64]:
        """(n_templates,) training crystals."""
        return np.bincount(self.crystals[:, 0], minlength=len(self.letters))

    @cached_property
    def training_cells(self) -> NDArray[np.int64]:
        """Cells of the training crystals, ascending, each once."""
        return np.unique(np.ravel_multi_index(tuple(self.crystals.T), self.shape))

    @cached_property
    def orders(self) -> NDArray[np.int8]:
        """(n_elements³,) order of the slots' electronegativities; -1 where an element stands twice."""
        rank = np.argsort(order_by_electronegativity(self.elements[None])[0])
        first, second, third = rank[:, None, None], rank[None, :, None], rank[None, None, :]
        orders = (first < second) * 4 + (first < third) * 2 + (second < third) * 1
        twice = (first == second) | (first == third) | (second == third)
        return np.where(twice, -1, orders).astype(np.int8).reshape(-1)

    @cached_property
    def order_counts(self) -> NDArray[np.int64]:
        """(n_templates, 8) training crystals by template and order."""
        n_elements = len(self.elements)
        cells = np.ravel_multi_index(tuple(self.crystals[:, 1:].T), (n_elements,) * N_SLOTS)
        counts = np.zeros((len(self.letters), N_ORDERS), dtype=np.int64)
        np.add.at(counts, (self.crystals[:, 0], self.orders[cells]), 1)
        return counts

    @property
    def order_shares(self) -> NDArray[np.float64]:
        """(n_templates, 8) share of each template and order among the samples; the sum is 1."""
        return self.order_counts / len(self.crystals)

    def encode(self, letters: ArrayLike, atomic_numbers: ArrayLike) -> NDArray[np.int64]:
        """(n,) cells of compositions; -1 where a template or an element is not of this space."""
        slots, numbers = into_slots(letters, atomic_numbers)
        known = {tuple(row): place for place, row in enumerate(self.letters.tolist())}
        template = np.array([known.get(tuple(row), -1) for row in slots.tolist()], dtype=np.int64)
        places = np.minimum(np.searchsorted(self.elements, numbers), len(self.elements) - 1)
        inside = (template >= 0) & (self.elements[places] == numbers).all(axis=1)
        indices = np.where(inside[:, None], np.column_stack([template, places]), 0)
        return np.where(inside, np.ravel_multi_index(tuple(indices.T), self.shape), -1)

    def decode(self, cells: NDArray[np.int64]) -> Drawn:
        """The compositions of cells (n,), sites in the canonical order."""
        template, *slots = np.unravel_index(cells, self.shape)
        numbers = self.elements[np.stack(slots, axis=1)]
        order = order_by_electronegativity(numbers)
        return Drawn(np.take_along_axis(self.letters[template], order, 1), np.take_along_axis(numbers, order, 1))

    def state(self) -> dict[str, Tensor]:
        """As tensors; letters by their code points."""
        return {
            "space_group_number": torch.tensor(self.space_group_number),
            "letters": torch.tensor([[ord(letter) for letter in row] for row in self.letters.tolist()]),
            "elements": torch.as_tensor(self.elements),
            "crystals": torch.as_tensor(self.crystals),
        }

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> CompositionSpace:
        """The space of ``state()``."""
        letters = np.array([[chr(code) for code in row] for row in state["letters"].tolist()], dtype=np.str_)
        elements, crystals = (state[name].cpu().numpy() for name in ("elements", "crystals"))
        return cls(int(state["space_group_number"]), letters, elements, crystals)


def into_slots(letters: ArrayLike, atomic_numbers: ArrayLike) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Sites (n, 3) sorted by letter, sites of equal letter by electronegativity."""
    names = np.asarray(letters, dtype=np.str_).reshape(-1, N_SLOTS)
    numbers = np.asarray(atomic_numbers, dtype=np.int64).reshape(-1, N_SLOTS)
    rank = np.argsort(order_by_electronegativity(numbers), axis=1)
    order = np.lexsort((rank, names), axis=1)
    return np.take_along_axis(names, order, 1), np.take_along_axis(numbers, order, 1)
