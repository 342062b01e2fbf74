"""The training crystals on the device, and self-augmentation by drawing indices."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalforge.crystals.elements import atomic_radii, element_properties

N_SETS = 3


@dataclass(frozen=True)
class Minibatch:
    """Real crystals as the critic meets them."""

    base_sites: Tensor
    """(n, 3 sets, 3 elements, 3 axes), fractional."""
    lattice_parameters: Tensor
    """(n, 6), Å and degrees."""
    properties: Tensor
    """(n, 3 elements, 23)."""
    radii: Tensor
    """(n, 3) atomic radii, Å."""


@dataclass(frozen=True)
class TrainingData:
    """All crystals of one space group, every orbit laid out, on one device."""

    lattice_parameters: Tensor
    """(n_materials, 6), Å and degrees."""
    atomic_numbers: Tensor
    """(n_materials, 3)."""
    orbit_coords: Tensor
    """(n_materials, 3 elements, max_multiplicity, 3 axes), fractional."""
    members: Tensor
    """(n_materials, samples_per_material, 3 sets, 3 elements) indices into the orbits, drawn once."""
    property_table: Tensor
    """(119, 23) by atomic number."""
    radius_table: Tensor
    """(119,) Å by atomic number; the mean radius where none is known."""

    def __len__(self) -> int:
        return len(self.lattice_parameters)

    def to(self, device: torch.device | str) -> TrainingData:
        """The same data on another device."""
        return TrainingData(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def draw(self, n: int, generator: torch.Generator) -> Minibatch:
        """Draw n of the augmented samples, with replacement."""
        material = self._draw_below(len(self), n, generator)
        sample = self._draw_below(self.members.shape[1], n, generator)
        chosen = self.members[material, sample]
        element = torch.arange(3, device=chosen.device)
        numbers = self.atomic_numbers[material]
        return Minibatch(
            base_sites=self.orbit_coords[material[:, None, None], element, chosen],
            lattice_parameters=self.lattice_parameters[material],
            properties=self.property_table[numbers],
            radii=self.radius_table[numbers],
        )

    def _draw_below(self, limit: int, n: int, generator: torch.Generator) -> Tensor:
        return torch.randint(limit, (n,), generator=generator, device=self.lattice_parameters.device)


def radius_table() -> Tensor:
    """(119,) Slater radii (Å); elements without one get the mean of the others, so that no loss is undefined."""
    radii = torch.tensor(atomic_radii(), dtype=torch.float32)
    return torch.where(radii.isnan(), radii.nanmean(), radii)


def training_data(
    lattice_parameters: NDArray[np.floating],
    atomic_numbers: NDArray[np.int64],
    orbit_coords: NDArray[np.floating],
    multiplicity: NDArray[np.int64],
    samples_per_material: int,
    seed: np.random.SeedSequence,
) -> TrainingData:
    """Draw the self-augmentation of every material: for each element a random member of its orbit, three such sets.

    Args:
        lattice_parameters: (n_materials, 6), Å and degrees.
        atomic_numbers: (n_materials, 3).
        orbit_coords: (n_materials, 3, max_multiplicity, 3), fractional, padded.
        multiplicity: (n_materials, 3), how many members of each orbit are real.
        samples_per_material: samples drawn for each material (paper: 32).
        seed: decides the draws.
    """
    shape = (len(lattice_parameters), samples_per_material, N_SETS, 3)
    members = np.random.default_rng(seed).integers(0, multiplicity[:, None, None, :], size=shape)
    return TrainingData(
        lattice_parameters=torch.as_tensor(lattice_parameters, dtype=torch.float32),
        atomic_numbers=torch.as_tensor(atomic_numbers, dtype=torch.long),
        orbit_coords=torch.as_tensor(orbit_coords, dtype=torch.float32),
        members=torch.as_tensor(members, dtype=torch.long),
        property_table=torch.tensor(element_properties(), dtype=torch.float32),
        radius_table=radius_table(),
    )
