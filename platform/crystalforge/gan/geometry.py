"""Cells and periodic distances as differentiable tensors."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

IMAGES = torch.tensor(list(itertools.product((-1.0, 0.0, 1.0), repeat=3)))
"""(27, 3) lattice vectors of the neighbouring cells, as in the reference."""

PAIRS = ((0, 1), (0, 2), (1, 2))
"""The three pairs of three things."""

LENGTH_GROUPS = {
    "triclinic": ((0,), (1,), (2,)),
    "monoclinic": ((0,), (1,), (2,)),
    "orthorhombic": ((0,), (1,), (2,)),
    "tetragonal": ((0, 1), (2,)),
    "trigonal": ((0, 1), (2,)),
    "hexagonal": ((0, 1), (2,)),
    "cubic": ((0, 1, 2),),
}
"""Which of a, b, c are equal in a crystal system (trigonal in hexagonal axes)."""


def _length_average(groups: tuple[tuple[int, ...], ...]) -> Tensor:
    """(3, 3) matrix that replaces the lengths of each group by their mean."""
    average = torch.zeros(3, 3)
    for group in groups:
        for i, j in itertools.product(group, group):
            average[i, j] = 1.0 / len(group)
    return average


_LENGTH_AVERAGES = {crystal_system: _length_average(groups) for crystal_system, groups in LENGTH_GROUPS.items()}


def average_lengths(lengths: Tensor, crystal_system: str) -> Tensor:
    """Make the lengths equal that the crystal system holds equal: ``(n, 3) Å -> (n, 3) Å``."""
    return lengths @ _LENGTH_AVERAGES[crystal_system].to(lengths)


def cell_angles(crystal_system: str) -> tuple[float, float, float]:
    """Angles α, β, γ (degrees) that the crystal system fixes; triclinic and monoclinic cells have none of their own.

    Raises:
        ValueError: the crystal system leaves an angle free, which this model does not draw.
    """
    if crystal_system in ("triclinic", "monoclinic"):
        raise ValueError(f"The angles of {crystal_system} cells are free; this model draws lengths only.")
    return (90.0, 90.0, 120.0) if crystal_system in ("trigonal", "hexagonal") else (90.0, 90.0, 90.0)


def lattice_matrices(lattice_parameters: Tensor) -> Tensor:
    """Rows a, b, c (Å), a along x and b in the xy plane: ``(n, 6) -> (n, 3, 3)``."""
    a, b, c = lattice_parameters[:, :3].unbind(1)
    cos_alpha, cos_beta, cos_gamma = torch.deg2rad(lattice_parameters[:, 3:]).cos().unbind(1)
    sin_gamma = torch.deg2rad(lattice_parameters[:, 5]).sin()
    zero = torch.zeros_like(a)
    c_y = (cos_alpha - cos_beta * cos_gamma) / sin_gamma
    c_z = (1 - cos_beta**2 - c_y**2).sqrt()
    rows = (a, zero, zero, b * cos_gamma, b * sin_gamma, zero, c * cos_beta, c * c_y, c * c_z)
    return torch.stack(rows, dim=1).view(-1, 3, 3)


def cell_volumes(lattices: Tensor) -> Tensor:
    """Volume of each cell: ``(n, 3, 3) Å -> (n,) Å³``."""
    return lattices[:, 0, 0] * lattices[:, 1, 1] * lattices[:, 2, 2]


def least_distances(differences: Tensor, lattices: Tensor) -> Tensor:
    """Least length of fractional differences over 27 lattice images.

    Args:
        differences: (n, n_pairs, 3), fractional.
        lattices: (n, 3, 3), rows in Å.

    Returns:
        (n, n_pairs) in Å. The root is kept off zero, where its slope is infinite.
    """
    wrapped = differences - differences.round()
    images = wrapped[:, :, None, :] + IMAGES.to(wrapped)
    vectors = images @ lattices[:, None]
    return vectors.square().sum(-1).amin(-1).clamp_min(1e-8).sqrt()


def inter_distances(base_sites: Tensor, lattices: Tensor) -> Tensor:
    """Distances of the three elements within each set: ``(n, 3 sets, 3 pairs)`` Å."""
    differences = torch.stack([base_sites[:, :, i] - base_sites[:, :, j] for i, j in PAIRS], dim=2)
    return least_distances(differences.flatten(1, 2), lattices).view(-1, 3, 3)


def intra_distances(base_sites: Tensor, lattices: Tensor) -> Tensor:
    """Distances of the three sites of each element across the sets: ``(n, 3 elements, 3 pairs)`` Å."""
    differences = torch.stack([base_sites[:, i] - base_sites[:, j] for i, j in PAIRS], dim=2)
    return least_distances(differences.flatten(1, 2), lattices).view(-1, 3, 3)
