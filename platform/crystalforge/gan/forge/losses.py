"""Losses of method ``forge``: Wasserstein with gradient penalty, and physics, each given the elements."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import relu, smooth_l1_loss

from crystalforge.gan.forge.knowledge import Knowledge, Structures, periodic
from crystalforge.gan.forge_recipe import ForgePhysics

VOLUME_BEND = 0.05
SITE_BEND = 0.02
"""Errors beyond these (natural logarithm; fraction of an edge) count linearly: one outlier must not pull all."""


def contact_loss(contact_ratios: Tensor, window: Tensor) -> Tensor:
    """Mean squared distance of the least contact ratio from the window of real crystals.

    Two-sided and without a plateau, unlike tanh(AR + OFFSET - AD): its gradient grows with the overlap, and is 0 where
    real crystals are.

    Args:
        contact_ratios: (n, 6, n_nearest) ascending.
        window: (3,) as ``Knowledge.contact_window``.
    """
    least = contact_ratios[..., 0].amin(dim=1)
    return (relu(window[1] - least) ** 2 + relu(least - window[2]) ** 2).mean()


def physics_losses(
    knowledge: Knowledge,
    code: Tensor,
    fake: Structures,
    real: Structures,
    contact_ratios: Tensor,
    is_own_mode: Tensor,
    weights: ForgePhysics,
) -> dict[str, Tensor]:
    """The weighted terms: contacts, and cell and sites against the real crystals of the same elements.

    ``is_own_mode`` (n,) says which fakes started near the real crystal: sites and ratios of another mode teach nothing.
    """
    own = is_own_mode.float()
    off = periodic(fake.parameters - real.parameters).flatten(1) * knowledge.free(code) * own[:, None]
    stretch = (fake.log_ratios - real.log_ratios) * own[:, None]
    return {
        "contact": weights.contact * contact_loss(contact_ratios, knowledge.contact_window),
        "volume": weights.volume * _bent(fake.log_volume - real.log_volume, VOLUME_BEND),
        "ratios": weights.ratios * _bent(stretch, VOLUME_BEND),
        "sites": weights.sites * _bent(off, SITE_BEND) * off.shape[1],
    }


def _bent(errors: Tensor, bend: float) -> Tensor:
    """Mean of the errors, squared below the bend and linear beyond."""
    return smooth_l1_loss(errors, torch.zeros_like(errors), beta=bend)
