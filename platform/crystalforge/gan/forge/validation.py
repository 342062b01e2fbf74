"""How well crystals that were set aside are made again from their composition and template."""

from __future__ import annotations

from crystalforge.gan.forge.knowledge import Composition, Knowledge, Structures
from crystalforge.gan.forge.learning import periodic

MISPLACED = 0.3
"""Share of the length (volume per atom)^(1/3) by which the sites of a well-placed crystal are off at most, as the
default ``stol`` of pymatgen's StructureMatcher. (Here the sites are compared as they stand: no search for the best
overlay, so that an epoch can afford it.)"""


def validation_figures(
    knowledge: Knowledge, composition: Composition, made: Structures, real: Structures
) -> dict[str, float]:
    """Shares and errors of n crystals: well placed, error of the log volume per atom, contacts as real crystals have.

    Args:
        knowledge: of the space group.
        composition: n true compositions.
        made: what was made of them.
        real: what they are.
    """
    edges = knowledge.edges(composition.code, real)
    off = periodic(
        knowledge.sites(composition.code, made.parameters) - knowledge.sites(composition.code, real.parameters)
    )
    distance = (off * edges[:, None]).norm(dim=2).amax(dim=1)
    placed = distance <= MISPLACED * (real.log_volume / 3).exp()
    contacts = knowledge.contact_ratios(composition, made, 1)[..., 0].amin(dim=1)
    return {
        "validation_placed_share": float(placed.float().mean()),
        "validation_log_volume_error": float((made.log_volume - real.log_volume).abs().median()),
        "validation_contact_share": float((contacts >= 0.75).float().mean()),
        "validation_n": float(len(composition)),
    }


def validation_score(figures: dict[str, float]) -> float:
    """What the best epoch has most of."""
    return figures["validation_placed_share"] - figures["validation_log_volume_error"]
