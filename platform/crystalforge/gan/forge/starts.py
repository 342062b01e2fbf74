"""Where the generator starts: what the nearest known crystals of a composition, its donors, agree on.

One template can have several structures. Donors that are alike are one *mode*; the weight of the donors behind it is
its *support*. Within a mode, sites and ratios of the edges are carried over to the elements at hand by ordinary kriging
(N. Cressie, Statistics for Spatial Data, 1993, section 3.2), elements compared as in ``gan.volume``.

Array dimensions: ``n`` compositions, ``k`` donors of each, ``m`` modes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from crystalforge.gan.forge.crystals import Donors
from crystalforge.gan.forge.knowledge import Composition, Knowledge, Structures, periodic
from crystalforge.gan.volume import likeness

REACH = 0.05
"""Distance of the elements over which a donor's weight falls to 1/e."""
LIKE_SITES, LIKE_RATIOS = 0.2, 0.15
"""Differences at which the likeness of two donors falls to 1/e: of the sites in units of the cube root of the volume
per atom, and of the logarithms of the ratios of the edges."""
MEMBER, NEIGHBOUR = 0.5, 0.2
"""Least likeness to a mode's best supported donor: to belong to the mode; to count in its kriging."""
SUM_WEIGHT = 0.5
"""Of the mean over slots in the covariance of two crystals, beside the product over slots."""
NUGGET, ANY_LEVEL, NEVER = 0.03, 10.0, 1e6
"""Variances: of one crystal; of the level that all share (large: it is not known); of a donor of another mode."""
AT_ONCE = 1024
"""Compositions worked on together: memory does not grow with the batch."""


@dataclass(frozen=True)
class Starts:
    """Of n compositions, the modes in the order of their support.

    Attributes:
        parameters: (n, m, 3, 3) of the sites.
        log_ratios: (n, m, 2) logarithms of b/a and c/a.
        support: (n, m) share of the donors' weight; 0 where there are fewer modes.
    """

    parameters: Tensor
    log_ratios: Tensor
    support: Tensor

    def take(self, rows: Tensor, mode: Tensor | int | slice) -> Starts:
        """One mode of each row: (n, 3, 3), (n, 2), (n,); with a slice, several."""
        return Starts(*(getattr(self, field.name)[rows, mode] for field in fields(self)))

    def to(self, device: torch.device | str) -> Starts:
        """The same on another device."""
        return Starts(*(getattr(self, field.name).to(device) for field in fields(self)))


def find_starts(knowledge: Knowledge, composition: Composition, donors: Donors, n_modes: int) -> Starts:
    """The ``n_modes`` best supported modes of each composition.

    Args:
        knowledge: of the space group; the donors are among its known crystals.
        composition: n compositions.
        donors: k of each, nearest first.
        n_modes: how many; support is 0 where there are fewer.
    """
    parts = torch.arange(len(composition), device=knowledge.device).split(AT_ONCE)
    found = [_find(knowledge, composition.take(rows), donors.take(rows), n_modes) for rows in parts]
    return Starts(*(torch.cat([getattr(part, field.name) for part in found]) for field in fields(Starts)))


def _find(knowledge: Knowledge, composition: Composition, donors: Donors, n_modes: int) -> Starts:
    rows = torch.arange(len(composition), device=knowledge.device)
    alike = _alike(knowledge, composition, donors)
    weight = torch.where(donors.exists, ((donors.distance[:, :1] - donors.distance) / REACH).exp(), 0.0)
    support = (alike @ weight[..., None])[..., 0] / weight.sum(dim=1, keepdim=True).clamp_min(1e-9)
    kriging = _Kriging(knowledge, composition, donors)
    left, modes = donors.exists, []
    for _ in range(n_modes):
        best = torch.where(left, support, -1.0).argmax(dim=1)
        likeness_to_best = alike[rows, best]
        member = (likeness_to_best > MEMBER) & left
        nearest = member.int().argmax(dim=1)
        parameters, log_ratios = kriging.within(likeness_to_best > NEIGHBOUR, nearest)
        modes.append(Starts(parameters, log_ratios, torch.where(left.any(dim=1), support[rows, best], 0.0)))
        left = left & ~(likeness_to_best > MEMBER)
    return Starts(*(torch.stack([getattr(mode, field.name) for mode in modes], dim=1) for field in fields(Starts)))


def _alike(knowledge: Knowledge, composition: Composition, donors: Donors) -> Tensor:
    """Likeness (n, k, k) of every two donors as they stand, 0 where one does not exist."""
    n, k = donors.index.shape
    flat, several = (
        donors.index.flatten(),
        composition.take(torch.arange(n, device=donors.index.device).repeat_interleave(k)),
    )
    known = knowledge.known
    edges = knowledge.edges(
        several.code, Structures(known.parameters[flat], several.log_volume, known.log_ratios[flat])
    )
    sites = knowledge.sites(several.code, known.parameters[flat]).view(n, k, 3, 3)
    size = (composition.log_volume / 3).exp()[:, None, None]
    squared = torch.zeros(n, k, k, device=flat.device)
    for slot in range(3):
        off = periodic(sites[:, :, None, slot] - sites[:, None, :, slot])
        squared = torch.maximum(squared, (off * edges.view(n, k, 1, 3)).square().sum(dim=3))
    ratios = known.log_ratios[donors.index]
    stretch = (ratios[:, :, None] - ratios[:, None]).abs().amax(dim=3)
    alike = (-squared / (LIKE_SITES * size) ** 2 - (stretch / LIKE_RATIOS) ** 2).exp()
    return alike * donors.exists[:, :, None] * donors.exists[:, None]


class _Kriging:
    """Carries free parameters and ratios of donors over to other elements, mode by mode."""

    def __init__(self, knowledge: Knowledge, composition: Composition, donors: Donors) -> None:
        known = knowledge.known
        self.parameters, self.ratios = known.parameters[donors.index], known.log_ratios[donors.index]
        theirs, ours = known.atomic_numbers[donors.index], composition.atomic_numbers[:, None]
        self.among_donors = _covariance(theirs, theirs)
        self.to_target = _covariance(ours, theirs)

    def within(self, member: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
        """Parameters (n, 3, 3) and log ratios (n, 2) of a mode.

        Args:
            member: (n, k) donors that count.
            base: (n,) donor from which differences are taken: across the cell's border they are small there.
        """
        rows = torch.arange(len(base), device=base.device)
        start, ratios = self.parameters[rows, base], self.ratios[rows, base]
        known = torch.cat([periodic(self.parameters - start[:, None]).flatten(2), self.ratios - ratios[:, None]], dim=2)
        noise = torch.where(member, NUGGET, NEVER).double()
        factor = torch.linalg.cholesky(self.among_donors + torch.diag_embed(noise))
        change = (self.to_target @ torch.cholesky_solve(known.double(), factor))[:, 0].float()
        return start + change[:, :9].view(-1, 3, 3), ratios + change[:, 9:]


def _covariance(first: Tensor, second: Tensor) -> Tensor:
    """(n, i, j) float64, of crystals of one template with elements (n, i, 3) and (n, j, 3)."""
    _, place = likeness(str(first.device))
    by_slot = [place[first[:, :, None, slot], second[:, None, :, slot]] for slot in range(3)]
    product = by_slot[0] * by_slot[1] * by_slot[2]
    return product + SUM_WEIGHT / 3 * (by_slot[0] + by_slot[1] + by_slot[2]) + ANY_LEVEL
