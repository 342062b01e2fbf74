"""Sites, cells and contacts of crystals of one space group from what is free in them, differentiable.

Array dimensions: ``n`` crystals, 3 sites, ``n_images`` sites of an orbit.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from crystalforge.gan.forge.positions import Positions

PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""Pairs of sites: three of a site with its own orbit, then three of different orbits."""
_N_OWN = 3
_FAR = 1e3
"""Å: stands for a distance that is not there."""
_SAME_SITE = 1e-3
"""Å: an image nearer than this is the site itself."""


def site_coordinates(positions: Positions, position: Tensor, parameters: Tensor) -> Tensor:
    """Fractional coordinates (n, 3, 3) of sites on positions (n, 3) from their parameters (n, 3, 3)."""
    return (positions.linear[position] @ parameters[..., None])[..., 0] + positions.constant[position]


def cell_edges(log_volume: Tensor, log_ratios: Tensor, n_atoms: Tensor, *, hexagonal: bool) -> Tensor:
    """Edges a, b, c (n, 3) in Å.

    Args:
        log_volume: (n,) logarithm of the volume per atom in Å³.
        log_ratios: (n, 2) logarithms of b/a and c/a.
        n_atoms: (n,) atoms in the conventional cell.
        hexagonal: γ is 120° and not 90°.
    """
    shape = math.sqrt(0.75) if hexagonal else 1.0
    log_a = (log_volume + n_atoms.to(log_volume).log() - log_ratios.sum(dim=1) - math.log(shape)) / 3
    return torch.stack([log_a, log_a + log_ratios[:, 0], log_a + log_ratios[:, 1]], dim=1).exp()


def contact_distances(
    positions: Positions, position: Tensor, coordinates: Tensor, edges: Tensor, *, hexagonal: bool, n_nearest: int
) -> Tensor:
    """The least distances (n, 6 pairs, n_nearest) in Å from each site to the full orbits, ascending.

    The site's own nearest lattice image counts; where an orbit has fewer sites than asked for, the rest are far.
    """
    first, second = ([pair[i] for pair in PAIRS] for i in (0, 1))
    images = (positions.rotations[position] @ coordinates[:, :, None, :, None])[..., 0]
    images = images + positions.translations[position]
    difference = images[:, second] - coordinates[:, first, None, :]
    distance = _lengths(difference - difference.detach().round(), edges, hexagonal=hexagonal)
    distance = torch.where(positions.is_image[position][:, second], distance, _FAR)
    is_itself = (distance < _SAME_SITE) & (torch.arange(len(PAIRS), device=edges.device) < _N_OWN)[None, :, None]
    distance = torch.where(is_itself, edges.amin(dim=1)[:, None, None], distance)
    missing = n_nearest - distance.shape[2]
    if missing > 0:
        distance = torch.nn.functional.pad(distance, (0, missing), value=_FAR)
    return distance.topk(n_nearest, dim=2, largest=False).values


def _lengths(difference: Tensor, edges: Tensor, *, hexagonal: bool) -> Tensor:
    """Lengths (n, 6, n_images) in Å of the nearest lattice images of reduced differences."""
    a, b, c = (edges[:, axis, None, None] for axis in range(3))
    u, v, w = difference.unbind(dim=-1)
    if hexagonal:
        # A step (i, j) adds 1 + (2i - j)u + (2j - i)v to the square; of ±a, ±b and ±(a + b) the best one counts.
        step = torch.maximum(torch.maximum((2 * u - v).abs(), (2 * v - u).abs()), (u + v).abs())
        in_plane = (u.square() + v.square() - u * v - (step - 1).relu()) * a.square()
    else:
        in_plane = (u * a).square() + (v * b).square()
    return (in_plane + (w * c).square()).clamp_min(1e-12).sqrt()
