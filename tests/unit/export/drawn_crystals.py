"""Crystals as a model draws them: random sites, merged onto their Wyckoff positions; most lie on special ones."""

from __future__ import annotations

import numpy as np

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.contacts import least_contacts
from crystalforge.crystals.elements import atomic_number
from crystalforge.crystals.lattice import apply_crystal_system
from crystalforge.symmetry import SPACE_GROUPS, merge_overlapping_sites

CUTOFF = 1.2
"""Å; atoms of an orbit that are closer become one."""
LEAST_CONTACT_RATIO = 0.5
"""Atoms of two elements do not stand at one place."""
ELEMENTS = atomic_number(["Li", "C", "N", "O", "F", "Na", "Al", "Si", "S", "Cl", "Fe", "Cu", "Se", "Br", "Pd", "U"])


def drawn_crystals(per_group: int, seed: int = 0) -> CrystalBatch:
    """As many crystals of each of the 12 space groups, whose sites all have a place."""
    return CrystalBatch.concatenate([_of_group(number, per_group, seed) for number in sorted(SPACE_GROUPS)])


def _of_group(number: int, count: int, seed: int) -> CrystalBatch:
    random, n = np.random.default_rng([seed, number]), 20 * count
    angles = np.full((n, 3), 90.0)
    cells = apply_crystal_system(np.hstack([random.uniform(4, 12, (n, 3)), angles]), number)
    merged = merge_overlapping_sites(
        number, random.random((3 * n, 3)), np.repeat(cells, 3, axis=0), np.full(3 * n, CUTOFF)
    )
    batch = CrystalBatch(
        space_group_number=np.full(n, number),
        lattice_parameters=cells,
        atomic_numbers=np.array([random.choice(ELEMENTS, 3, replace=False) for _ in range(n)]),
        frac_coords=merged.frac_coords.reshape(-1, 3, 3),
        multiplicity=merged.multiplicity.reshape(-1, 3),
        wyckoff_letter=merged.wyckoff_letter.reshape(-1, 3),
    )
    batch = batch.select(batch.is_placed)
    return batch.select(np.flatnonzero(least_contacts(batch).min_contact_ratio > LEAST_CONTACT_RATIO)[:count])
