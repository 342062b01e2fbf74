"""Every equation of the paper's losses, under its name (Zhao, Siriwardane and Hu, 2021)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from crystalforge.gan.geometry import PAIRS, cell_volumes, inter_distances, intra_distances, lattice_matrices
from crystalforge.gan.paper_recipe import Physics


def critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Negative estimate of the Wasserstein distance: E[D(fake)] − E[D(real)]."""
    return fake_scores.mean() - real_scores.mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """−E[D(fake)]."""
    return -fake_scores.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
    """E[(‖∇D(x̂)‖₂ − 1)²] at points x̂ on the segment between a real and a fake crystal tensor.

    The reference draws its weights from N(0, 1), which leaves the segment; here they are uniform, as printed.

    Args:
        critic: scores of (n, 3, 8, 8).
        real: (n, 3, 8, 8).
        fake: (n, 3, 8, 8).
        weights: (n,) uniform in [0, 1].
    """
    between = torch.lerp(fake, real, weights[:, None, None, None]).requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


def _too_close(distances: Tensor, radius_sums: Tensor, offset: float) -> Tensor:
    """L = tanh(AR + OFFSET − AD), mean over crystals and pairs."""
    return torch.tanh(radius_sums + offset - distances).mean()


def inter_distance_loss(base_sites: Tensor, lattices: Tensor, radii: Tensor, offset: float) -> Tensor:
    """L_inter: the three elements within each set, 3 × 3 pairs.

    Args:
        base_sites: (n, 3 sets, 3 elements, 3 axes), fractional.
        lattices: (n, 3, 3), Å.
        radii: (n, 3) atomic radii, Å.
        offset: OFFSET, Å.
    """
    sums = torch.stack([radii[:, i] + radii[:, j] for i, j in PAIRS], dim=1)
    return _too_close(inter_distances(base_sites, lattices), sums[:, None, :], offset)


def intra_distance_loss(base_sites: Tensor, lattices: Tensor, radii: Tensor, offset: float) -> Tensor:
    """L_intra: the three sites of each element across the sets, 3 × 3 pairs. Arguments as ``inter_distance_loss``."""
    return _too_close(intra_distances(base_sites, lattices), 2 * radii[:, :, None], offset)


def cell_loss(real_lattice: Tensor, fake_lattice: Tensor, physics: Physics) -> Tensor:
    """L_box = λ_volume·cos(V_r, V_f) + λ_abc·(cos(a_r, a_f) + cos(b_r, b_f) + cos(c_r, c_f)), over the minibatch.

    As printed: blind to scale, and with a plus sign it rewards unlikeness (docs/model.md).

    Args:
        real_lattice: (n, 6), Å and degrees.
        fake_lattice: (n, 6), Å and degrees.
        physics: λ_volume and λ_abc.
    """
    real_volumes, fake_volumes = (cell_volumes(lattice_matrices(lattice)) for lattice in (real_lattice, fake_lattice))
    volumes = F.cosine_similarity(real_volumes, fake_volumes, dim=0)
    lengths = F.cosine_similarity(real_lattice[:, :3], fake_lattice[:, :3], dim=0).sum()
    return physics.lambda_volume * volumes + physics.lambda_abc * lengths


def physics_losses(
    base_sites: Tensor, fake_lattice: Tensor, real_lattice: Tensor, radii: Tensor, physics: Physics
) -> dict[str, Tensor]:
    """The terms of the physics step, weighted: L_dist = λ_inter·L_inter + λ_intra·L_intra, and L_box."""
    lattices = lattice_matrices(fake_lattice)
    return {
        "distance_inter": physics.lambda_inter
        * inter_distance_loss(base_sites, lattices, radii, physics.offset_inter_angstrom),
        "distance_intra": physics.lambda_intra
        * intra_distance_loss(base_sites, lattices, radii, physics.offset_intra_angstrom),
        "cell": cell_loss(real_lattice, fake_lattice, physics),
    }
