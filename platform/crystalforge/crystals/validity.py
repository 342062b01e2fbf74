"""Structural validity on the three scales that the field reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalforge.crystals.contacts import Contacts

CDVAE_MIN_DISTANCE = 0.5  # Å
CDVAE_MIN_VOLUME = 0.1  # Å³, of the cell
LEMAT_GENBENCH_MIN_RATIO = 0.5
LEMAT_GENBENCH_DENSITIES = (0.01, 25.0)  # g/cm³
PGCGM_MIN_RATIO = 0.75


@dataclass(frozen=True)
class StructuralValidity:
    """Which crystals are valid on each scale; what cannot be computed is not valid.

    Attributes:
        cdvae: (n,) least distance ≥ 0.5 Å and cell volume ≥ 0.1 Å³ (Xie et al. 2022, lattice images included here).
        lemat_genbench: (n,) least distance ≥ 0.5·(r_i + r_j) and density 0.01 to 25 g/cm³.
        pgcgm: (n,) least distance ≥ 0.75·(r_i + r_j) (Zhao et al. 2023).
    """

    cdvae: NDArray[np.bool_]
    lemat_genbench: NDArray[np.bool_]
    pgcgm: NDArray[np.bool_]


def structural_validity(contacts: Contacts, volumes: ArrayLike, densities: ArrayLike) -> StructuralValidity:
    """Judge crystals by their least contacts.

    Args:
        contacts: of n crystals.
        volumes: (n,) of the conventional cells (Å³).
        densities: (n,) g/cm³.
    """
    volume, density = np.asarray(volumes, dtype=np.float64), np.asarray(densities, dtype=np.float64)
    ratio = contacts.min_contact_ratio
    least, greatest = LEMAT_GENBENCH_DENSITIES
    return StructuralValidity(
        cdvae=(contacts.min_distance >= CDVAE_MIN_DISTANCE) & (volume >= CDVAE_MIN_VOLUME),
        lemat_genbench=(ratio >= LEMAT_GENBENCH_MIN_RATIO) & (density >= least) & (density <= greatest),
        pgcgm=ratio >= PGCGM_MIN_RATIO,
    )
