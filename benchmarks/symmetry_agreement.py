"""Whether a symmetry search finds the symmetry that merged crystals are made with: moyopy and spglib as judges.

"The group or a supergroup" is not read off the number: every operation of the requested group must be among the
operations found, in the setting of the input, rotation by rotation and translation modulo the lattice.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import moyopy
import numpy as np
import spglib
from fast_oracle import cell_vectors, links_within
from numpy.typing import NDArray
from oracle_cases import draw_cases, random_cells

from crystalforge.crystals import CrystalBatch
from crystalforge.crystals.primitive import primitive_basis
from crystalforge.crystals.symmetry_search import find_space_groups
from crystalforge.symmetry import SpaceGroup, expand_orbits, merge_overlapping_sites, space_group

SYMPREC = 0.01
"""Å."""
SAME_TRANSLATION = 2 * SYMPREC
"""Å. A search places an operation within about its tolerance."""
CUTOFF_RANGE = (0.4, 1.5)
"""Å, merging of these crystals; every merge is repeated until the centres are apart."""
NULL_DISPLACEMENT = 0.02
"""Å. The null: the same crystals with each atom displaced by this standard deviation along each axis."""

LEFT_OUT = ("a site percolates", "two orbits coincide", "atoms closer than symprec")
N_DRAWN = 40
"""Crystals drawn at once."""

Operations = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Rotations (n, 3, 3) and translations (n, 3), fractional."""


@dataclass(frozen=True)
class Crystal:
    """A crystal of k merged orbits, each of its own element.

    Attributes:
        group: the requested space group.
        lattice_parameters: (6,) Å and degrees.
        sites: (k, 3) one site of each orbit; multiplicity (k,) and wyckoff_letter (k,) are the merge's.
        frac_coords: (n_atoms, 3) all atoms of the conventional cell.
        species: (n_atoms,) atomic number: 1 to k.
    """

    group: SpaceGroup
    lattice_parameters: NDArray[np.float64]
    sites: NDArray[np.float64]
    multiplicity: NDArray[np.int64]
    wyckoff_letter: NDArray[np.str_]
    frac_coords: NDArray[np.float64]
    species: NDArray[np.int64]


def search_group(space_group_number: int, n_orbits: int, n: int, n_spglib: int, seed: list[int]) -> dict[str, Any]:
    """Search n crystals of n_orbits merged orbits with moyopy, the first n_spglib with spglib too."""
    rng = np.random.default_rng(seed)
    crystals, left_out = draw_crystals(space_group_number, n_orbits, n, rng)
    found = [moyopy_search(crystal) for crystal in crystals]
    numbers = [number for number, _ in found]
    spglib_found = [spglib_search(crystal) for crystal in crystals[:n_spglib]]
    null = [moyopy_search(crystal, displaced=rng)[0] for crystal in crystals]
    own = (
        find_space_groups(_batch(crystals)).tolist() if n_orbits == CrystalBatch.empty().frac_coords.shape[1] else None
    )
    failures = [
        _as_text(crystal, number) for crystal, (number, includes) in zip(crystals, found, strict=True) if not includes
    ]
    return {
        "space_group_number": space_group_number,
        "n_orbits": n_orbits,
        "n": n,
        "moyopy_holds_the_group": sum(includes for _, includes in found),
        "moyopy_exact": numbers.count(space_group_number),
        "supergroups": dict(Counter(number for number in numbers if number != space_group_number).most_common(4)),
        "package_search_same_number": None if own is None else sum(a == b for a, b in zip(own, numbers, strict=True)),
        "n_spglib": len(spglib_found),
        "spglib_holds_the_group": sum(includes for _, includes in spglib_found),
        "null_same_number": sum(a == b for a, b in zip(null, numbers, strict=True)),
        "left_out": left_out,
        "failures": failures[:3],
    }


def draw_crystals(
    space_group_number: int, n_orbits: int, n: int, rng: np.random.Generator
) -> tuple[list[Crystal], dict[str, int]]:
    """n crystals of merged random sites, and how many draws were no crystals, by reason."""
    group = space_group(space_group_number)
    crystals: list[Crystal] = []
    left_out = dict.fromkeys(LEFT_OUT, 0)
    while len(crystals) < n:
        for crystal in _draw(group, n_orbits, rng):
            if len(crystals) == n:
                break
            if isinstance(crystal, str):
                left_out[crystal] += 1
            else:
                crystals.append(crystal)
    return crystals, left_out


def _draw(group: SpaceGroup, n_orbits: int, rng: np.random.Generator) -> list[Crystal | str]:
    """N_DRAWN crystals, or the reason why one is none."""
    cells = random_cells(group.crystal_system, N_DRAWN, rng)
    sites = rng.permutation(draw_cases(group.number, N_DRAWN * n_orbits, rng).frac_coords)
    each = np.repeat(np.arange(N_DRAWN), n_orbits)
    cutoff = rng.uniform(*CUTOFF_RANGE, N_DRAWN)[each]
    merged = merge_overlapping_sites(group.number, sites, cells[each], cutoff, repeat=True)
    return [
        _crystal(group, cells[row], *(values[each == row] for values in vars(merged).values()))
        for row in range(N_DRAWN)
    ]


def _crystal(
    group: SpaceGroup,
    cell: NDArray[np.float64],
    sites: NDArray[np.float64],
    multiplicity: NDArray[np.int64],
    letters: NDArray[np.str_],
    percolates: NDArray[np.bool_],
) -> Crystal | str:
    if percolates.any():
        return LEFT_OUT[0]
    orbits = expand_orbits(group.number, sites)
    contacts = links_within(orbits.frac_coords, cell_vectors(cell), SYMPREC).length
    if len(contacts):
        return LEFT_OUT[1] if contacts.min() < 1e-6 else LEFT_OUT[2]
    return Crystal(group, cell, sites, multiplicity, letters, orbits.frac_coords, orbits.site_index + 1)


def moyopy_search(crystal: Crystal, displaced: np.random.Generator | None = None) -> tuple[int, bool]:
    """Number found on the primitive cell (0: none), and whether the operations hold all of the requested group."""
    basis = primitive_basis(crystal.group.number)
    lattice = basis @ cell_vectors(crystal.lattice_parameters)
    frac_coords, species = _primitive_atoms(crystal, basis)
    if displaced is not None:
        frac_coords = frac_coords + displaced.normal(0, NULL_DISPLACEMENT, frac_coords.shape) @ np.linalg.inv(lattice)
    try:
        dataset = moyopy.MoyoDataset(
            moyopy.Cell(lattice.tolist(), frac_coords.tolist(), species.tolist()), symprec=SYMPREC
        )
    except ValueError:
        return 0, False
    found = np.array(dataset.operations.rotations), np.array(dataset.operations.translations)
    return dataset.number, holds(found, _in_basis(crystal.group, basis), lattice)


def spglib_search(crystal: Crystal) -> tuple[int, bool]:
    """The same by spglib on the conventional cell."""
    lattice = cell_vectors(crystal.lattice_parameters)
    dataset = spglib.get_symmetry_dataset((lattice, crystal.frac_coords, crystal.species), symprec=SYMPREC)
    if dataset is None:
        return 0, False
    requested = crystal.group.rotations, crystal.group.translations
    return dataset.number, holds((dataset.rotations, dataset.translations), requested, lattice)


def holds(found: Operations, requested: Operations, lattice: NDArray[np.float64]) -> bool:
    """Whether every requested operation is among the found ones, translations modulo the lattice (rows, Å)."""
    same_rotation = (requested[0][:, None] == found[0][None]).all(axis=(2, 3))
    difference = requested[1][:, None] - found[1][None]
    difference -= np.round(difference)
    near = np.linalg.norm(difference @ lattice, axis=-1) < SAME_TRANSLATION
    return bool((same_rotation & near).any(axis=1).all())


def _in_basis(group: SpaceGroup, basis: NDArray[np.float64]) -> Operations:
    """The operations in units of the primitive vectors, which are the rows of the basis."""
    inverse = np.linalg.inv(basis.T)
    rotations = inverse @ group.rotations @ basis.T
    return np.round(rotations).astype(int), group.translations @ inverse.T


def _primitive_atoms(crystal: Crystal, basis: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    frac_coords = (crystal.frac_coords @ np.linalg.inv(basis)) % 1.0
    # Atoms are further apart than symprec; the odd offset keeps round-off away from the bounds of the steps.
    steps = np.floor(frac_coords * 1e5 + 0.3719) % 1e5
    _, first = np.unique(np.column_stack([crystal.species, steps]), axis=0, return_index=True)
    return frac_coords[first], crystal.species[first]


def _batch(crystals: list[Crystal]) -> CrystalBatch:
    return CrystalBatch(
        np.array([crystal.group.number for crystal in crystals]),
        np.array([crystal.lattice_parameters for crystal in crystals]),
        np.tile(np.arange(1, len(crystals[0].sites) + 1), (len(crystals), 1)),
        np.array([crystal.sites for crystal in crystals]),
        np.array([crystal.multiplicity for crystal in crystals]),
        np.array([crystal.wyckoff_letter for crystal in crystals]),
    )


def _as_text(crystal: Crystal, number: int) -> str:
    return (
        f"{crystal.group.number}: found {number}; sites {crystal.sites.tolist()}, "
        f"cell {crystal.lattice_parameters.tolist()}"
    )
