"""Crystals of one space group as what is free in them, and the nearest known crystals of a composition: its donors.

Sites stand in *slots*, by ascending Wyckoff letter, so that one template in two orders of electronegativity is the
same. Everything of a crystal besides its elements: positions, free parameters, volume per atom, ratios of the edges.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.gan.element_metric import place_distances
from crystalforge.gan.volume import site_order
from crystalforge.symmetry import free_coordinates

_NO_DONOR = 1e9


@dataclass(frozen=True)
class SlotCrystals:
    """Crystals of one space group, sites by ascending letter.

    Attributes:
        code: (n, 3) code points of the Wyckoff letters.
        atomic_numbers: (n, 3).
        parameters: (n, 3, 3) parameters on the first coordinate triplet, 0 where not free.
        log_volume: (n,) logarithm of the volume per atom in Å³.
        log_ratios: (n, 2) logarithms of b/a and c/a.
    """

    code: Tensor
    atomic_numbers: Tensor
    parameters: Tensor
    log_volume: Tensor
    log_ratios: Tensor

    def __len__(self) -> int:
        return len(self.code)

    def to(self, device: torch.device | str) -> SlotCrystals:
        """The same on another device."""
        return SlotCrystals(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def reordered(self, rows: Tensor, order: Tensor) -> SlotCrystals:
        """The crystals at the rows (m,), each with its slots in another order (m, 3)."""
        row = rows[:, None]
        return SlotCrystals(
            self.code[row, order],
            self.atomic_numbers[row, order],
            self.parameters[row, order],
            self.log_volume[rows],
            self.log_ratios[rows],
        )

    def state(self) -> dict[str, Tensor]:
        """As named tensors, for a checkpoint."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def slot_crystals(batch: CrystalBatch, log_volume: NDArray[np.float64]) -> SlotCrystals:
    """Crystals of one space group in their canonical setting, with the logarithm of their volume per atom (n,)."""
    order = site_order(batch.wyckoff_letter)
    letters = np.take_along_axis(batch.wyckoff_letter, order, axis=1)
    sites = np.take_along_axis(batch.frac_coords, order[:, :, None], axis=1)
    number = int(batch.space_group_number[0])
    parameters, _ = free_coordinates(number, letters.ravel(), sites.reshape(-1, 3))
    edges = batch.lattice_parameters[:, :3]
    return SlotCrystals(
        code=torch.as_tensor(letter_codes(letters)),
        atomic_numbers=torch.as_tensor(np.take_along_axis(batch.atomic_numbers, order, axis=1)),
        parameters=torch.as_tensor(parameters.reshape(-1, 3, 3), dtype=torch.float32),
        log_volume=torch.as_tensor(log_volume, dtype=torch.float32),
        log_ratios=torch.as_tensor(np.log(edges[:, 1:] / edges[:, :1]), dtype=torch.float32),
    )


def slot_orders(code: Tensor) -> tuple[Tensor, Tensor]:
    """Self-augmentation: every order of the sites that keeps the letters ascending, of crystals (n, 3).

    Sites of equal letters may change roles: which of three 4c sites an element takes is not known beforehand.

    Returns:
        Row (m,) of the crystal and order (m, 3) of its slots; the n crystals as they are come first.
    """
    orders = torch.tensor(list(itertools.permutations(range(3))), device=code.device)
    fits = [(code[:, order] == code).all(dim=1).nonzero()[:, 0] for order in orders]
    return torch.cat(fits), torch.cat([order.expand(len(rows), 3) for order, rows in zip(orders, fits, strict=True)])


def letter_codes(letters: NDArray[np.str_]) -> NDArray[np.int64]:
    """Code points of letters, of the same shape."""
    return np.ascontiguousarray(letters.astype("<U1")).view(np.uint32).reshape(letters.shape).astype(np.int64)


@dataclass(frozen=True)
class Donors:
    """The nearest known crystals of n compositions, nearest first.

    Attributes:
        index: (n, n_donors) of the known crystals.
        distance: (n, n_donors) sum of the squared distances of the elements, slot by slot.
        exists: (n, n_donors) False where there are fewer of the template.
    """

    index: Tensor
    distance: Tensor
    exists: Tensor

    def take(self, rows: Tensor) -> Donors:
        """Those of the rows."""
        return Donors(self.index[rows], self.distance[rows], self.exists[rows])


def find_donors(
    known: SlotCrystals, code: Tensor, atomic_numbers: Tensor, n_donors: int, *, leave_out_same: bool = False
) -> Donors:
    """The nearest known crystals of the same template, by the likeness of the elements in each slot.

    Args:
        known: where to look.
        code: (n, 3) letters of the slots.
        atomic_numbers: (n, 3) elements of the slots.
        n_donors: how many, at most the number of known crystals.
        leave_out_same: crystals of the very same elements are no donors, so that none is its own.
    """
    table = torch.as_tensor(np.array(place_distances()), dtype=torch.float32, device=code.device)
    distance = torch.zeros(len(code), len(known), device=code.device)
    for slot in range(3):
        distance += table[atomic_numbers[:, slot, None], known.atomic_numbers[None, :, slot]]
    same_template = (code[:, None] == known.code[None]).all(dim=2)
    if leave_out_same:
        elements, known_elements = (numbers.sort(dim=1).values for numbers in (atomic_numbers, known.atomic_numbers))
        same_template &= ~(elements[:, None] == known_elements[None]).all(dim=2)
    distance = torch.where(same_template, distance, _NO_DONOR)
    nearest = distance.topk(min(n_donors, len(known)), dim=1, largest=False)
    return Donors(nearest.indices, nearest.values, nearest.values < _NO_DONOR)
