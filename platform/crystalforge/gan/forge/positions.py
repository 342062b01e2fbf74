"""The Wyckoff positions of one space group as tensors: which coordinates are free, and the images of a site.

A site is on the first coordinate triplet of its position: ``linear @ parameters + constant``.

Array dimensions: ``n_positions``, ``n_images`` sites of the widest orbit, padded.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalforge.symmetry import SpaceGroup, WyckoffPosition, space_group

_GENERIC = np.array([0.13703599, 0.27182818, 0.41421356])
"""Parameters at which a site has no more symmetry than its position."""
_STEPS = 1_000_000
"""Images whose coordinates are equal to 1e-6 are one site."""


@dataclass(frozen=True)
class Positions:
    """Wyckoff positions of one space group, as single-precision tensors.

    Attributes:
        free: (n_positions, 3) whether a parameter is free.
        linear: (n_positions, 3, 3) from parameters to coordinates.
        constant: (n_positions, 3).
        multiplicity: (n_positions,).
        rotations: (n_positions, n_images, 3, 3) operations that make the orbit, the identity first.
        translations: (n_positions, n_images, 3).
        is_image: (n_positions, n_images) False where padded.
    """

    free: Tensor
    linear: Tensor
    constant: Tensor
    multiplicity: Tensor
    rotations: Tensor
    translations: Tensor
    is_image: Tensor

    def to(self, device: torch.device | str) -> Positions:
        """The same tables on another device."""
        return Positions(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def make_positions(space_group_number: int, letters: NDArray[np.str_]) -> Positions:
    """Tables of the positions with these letters (n_positions,), in their order."""
    group = space_group(space_group_number)
    by_letter = {position.letter: position for position in group.wyckoff_positions}
    chosen = [by_letter[letter] for letter in letters.tolist()]
    cosets = [_coset_operations(group, position) for position in chosen]
    n_images = max(len(operations) for operations in cosets)
    padded = np.array([np.concatenate([c, np.full(n_images - len(c), c[0])]) for c in cosets])
    linear = np.array([position.linear for position in chosen], dtype=float)

    def real(array: NDArray[np.generic]) -> Tensor:
        return torch.as_tensor(np.asarray(array, dtype=np.float32))

    return Positions(
        free=torch.as_tensor(np.abs(linear).sum(axis=1) > 0),
        linear=real(linear),
        constant=real(np.array([position.constant for position in chosen], dtype=float)),
        multiplicity=torch.tensor([position.multiplicity for position in chosen]),
        rotations=real(group.rotations[padded]),
        translations=real(group.translations[padded]),
        is_image=torch.as_tensor(np.arange(n_images) < np.array([len(c) for c in cosets])[:, None]),
    )


def _coset_operations(group: SpaceGroup, position: WyckoffPosition) -> NDArray[np.int64]:
    """Indices (multiplicity,) of one operation for each site of an orbit on the position."""
    site = position.linear @ _GENERIC + position.constant
    images = group.rotations @ site + group.translations
    steps = np.round(images * _STEPS).astype(int) % _STEPS
    return np.sort(np.unique(steps, axis=0, return_index=True)[1])
