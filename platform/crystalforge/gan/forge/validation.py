"""How well crystals that were set aside are made again from their composition and template."""

from __future__ import annotations

from torch import Tensor

from crystalforge.gan.forge.knowledge import Composition, Knowledge, Structures, periodic

CONTACT = 0.75
"""Least contact ratio of a valid crystal (PGCGM)."""
MISPLACED = 0.3
"""Share of the length (volume per atom)^(1/3) by which the sites of a well-placed crystal are off at most, as the
default ``stol`` of pymatgen's StructureMatcher. (Here the sites are compared as they stand: no search for the best
overlay, so that an epoch can afford it.)"""


def displacements(knowledge: Knowledge, code: Tensor, parameters: Tensor, real: Structures) -> Tensor:
    """How far (n, 3) each site is off, in units of the cube root of the real crystal's volume per atom."""
    off = periodic(knowledge.sites(code, parameters) - knowledge.sites(code, real.parameters))
    return (off * knowledge.edges(code, real)[:, None]).norm(dim=2) / (real.log_volume / 3).exp()[:, None]


def well_placed(knowledge: Knowledge, code: Tensor, parameters: Tensor, real: Structures) -> Tensor:
    """(n,) whether all sites are."""
    return displacements(knowledge, code, parameters, real).amax(dim=1) <= MISPLACED


def validation_figures(
    knowledge: Knowledge, composition: Composition, made: Structures, real: Structures
) -> dict[str, float]:
    """Shares and errors of n crystals: well placed, errors of sites and log volume, contacts as real crystals have.

    Args:
        knowledge: of the space group.
        composition: n true compositions.
        made: what was made of them.
        real: what they are.
    """
    off = displacements(knowledge, composition.code, made.parameters, real)
    placed = off.amax(dim=1) <= MISPLACED
    is_free = knowledge.free(composition.code).any(dim=1)
    judged = off.square().mean(dim=1).sqrt()[placed & is_free]
    contacts = knowledge.contact_ratios(composition, made, 1)[..., 0].amin(dim=1)
    ratios = (made.log_ratios - real.log_ratios).abs().amax(dim=1)
    return {
        "validation_placed_share": float(placed.float().mean()),
        "validation_site_error": float(judged.median()) if len(judged) else 0.0,
        "validation_log_volume_error": float((made.log_volume - real.log_volume).abs().median()),
        "validation_log_ratio_error": float(ratios.median()),
        "validation_contact_share": float((contacts >= CONTACT).float().mean()),
        "validation_n": float(len(composition)),
    }


def validation_score(figures: dict[str, float]) -> float:
    """What the best epoch has most of: crystals rightly placed and free of overlap, less the errors of those."""
    errors = ("site_error", "log_volume_error", "log_ratio_error")
    shares = figures["validation_placed_share"] + figures["validation_contact_share"]
    return shares - sum(figures[f"validation_{name}"] for name in errors)
