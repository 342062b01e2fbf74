"""The crystal tensor: what the critic sees of a crystal."""

from __future__ import annotations

import torch
from torch import Tensor

from crystalforge.gan.geometry import cell_volumes, inter_distances, intra_distances, lattice_matrices
from crystalforge.gan.networks import CRYSTAL_CHANNELS, CRYSTAL_SIDE

ANGSTROM_SCALE = 10.0
"""Lengths and distances are given in units of 10 Å and volumes of (10 Å)³, so that all entries are of order one."""
DEGREE_SCALE = 180.0


def crystal_tensor(base_sites: Tensor, lattice_parameters: Tensor, properties: Tensor) -> Tensor:
    """Lay a crystal out as three channels of 8 × 8 numbers.

    Channel k holds set k and element k: fractional and Cartesian coordinates of the set (9 + 9), its inter distances
    (3), the intra distances of element k (3), the lattice parameters (6), the volume (1), the properties of element k
    (23), and zeros. PGCGM publishes which quantities enter and the 3 × 8 × 8 shape, not their order.

    Args:
        base_sites: (n, 3 sets, 3 elements, 3 axes), fractional.
        lattice_parameters: (n, 6), Å and degrees.
        properties: (n, 3 elements, 23).

    Returns:
        (n, 3, 8, 8), differentiable in sites and lattice.
    """
    n = len(base_sites)
    lattices = lattice_matrices(lattice_parameters)
    cartesian = base_sites @ lattices[:, None]
    cell = torch.cat(
        [
            lattice_parameters[:, :3] / ANGSTROM_SCALE,
            lattice_parameters[:, 3:] / DEGREE_SCALE,
            cell_volumes(lattices)[:, None] / ANGSTROM_SCALE**3,
        ],
        dim=1,
    )
    parts = [
        base_sites.flatten(2),
        cartesian.flatten(2) / ANGSTROM_SCALE,
        inter_distances(base_sites, lattices) / ANGSTROM_SCALE,
        intra_distances(base_sites, lattices) / ANGSTROM_SCALE,
        cell[:, None, :].expand(n, CRYSTAL_CHANNELS, -1),
        properties,
    ]
    filled = torch.cat(parts, dim=2)
    empty = filled.new_zeros(n, CRYSTAL_CHANNELS, CRYSTAL_SIDE**2 - filled.shape[2])
    return torch.cat([filled, empty], dim=2).view(n, CRYSTAL_CHANNELS, CRYSTAL_SIDE, CRYSTAL_SIDE)
