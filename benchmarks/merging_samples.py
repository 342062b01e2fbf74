"""Sites, cells and cut-offs on which the ways of merging are timed and compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.elements import atomic_radii
from crystalforge.symmetry import CrystalSystem, space_group

Floats = NDArray[np.float64]

CUTOFFS = {
    "generation": "as `platform generate` takes them: half of twice the atomic radius of a random element",
    "wide": "uniform in 0.4 to 3.2 Å, as in the proofs",
}
"""The kinds of samples, by their cut-offs."""

SHORTEST, LONGEST = 3.0, 13.0
"""Å, of a cell edge."""

SCATTER = 0.03
"""Standard deviation, fractional, of the sites around special positions."""


@dataclass(frozen=True)
class Samples:
    """Sites (n, 3), cells (n, 6) in Å and degrees and cut-offs (n,) in Å, of one space group."""

    number: int
    frac_coords: Floats
    lattice_parameters: Floats
    cutoff: Floats

    def first(self, n: int) -> Samples:
        """The first n of them."""
        return Samples(self.number, self.frac_coords[:n], self.lattice_parameters[:n], self.cutoff[:n])


def draw_samples(number: int, kind: str, n: int, seed: int = 0) -> Samples:
    """Half of the sites uniform, half scattered around a random Wyckoff position; cells of the crystal system."""
    rng = np.random.default_rng([seed, number, list(CUTOFFS).index(kind)])
    return Samples(number, _sites(number, n, rng), _cells(number, n, rng), _cutoffs(kind, n, rng))


def _sites(number: int, n: int, rng: np.random.Generator) -> Floats:
    sites, positions = rng.random((n, 3)), space_group(number).wyckoff_positions
    which = rng.integers(len(positions), size=n)
    which[::2] = -1
    for index, position in enumerate(positions):
        rows = np.flatnonzero(which == index)
        scatter = rng.normal(0, SCATTER, (len(rows), 3))
        sites[rows] = sites[rows] @ position.linear.T + position.constant + scatter
    return sites


def _cells(number: int, n: int, rng: np.random.Generator) -> Floats:
    system = space_group(number).crystal_system
    lengths, angles = rng.uniform(SHORTEST, LONGEST, (n, 3)), np.full((n, 3), 90.0)
    hexagonal = system in (CrystalSystem.TRIGONAL, CrystalSystem.HEXAGONAL)
    if system is CrystalSystem.CUBIC:
        lengths[:] = lengths[:, :1]
    elif hexagonal or system is CrystalSystem.TETRAGONAL:
        lengths[:, 1] = lengths[:, 0]
    elif system is CrystalSystem.MONOCLINIC:
        angles[:, 1] = rng.uniform(60, 120, n)
    elif system is CrystalSystem.TRICLINIC:
        angles[:] = rng.uniform(75, 115, (n, 3))
    if hexagonal:
        angles[:, 2] = 120.0
    return np.concatenate([lengths, angles], axis=1)


def _cutoffs(kind: str, n: int, rng: np.random.Generator) -> Floats:
    if kind == "wide":
        return rng.uniform(0.4, 3.2, n)
    radii = atomic_radii()
    return 0.5 * 2 * rng.choice(radii[np.isfinite(radii) & (radii > 0)], n)
