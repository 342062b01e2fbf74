"""Which Wyckoff position a site is on, by its site-symmetry group and the fixed part of its coordinates.

The sites that a subgroup H of rotations fixes (modulo the lattice L) lie in parallel spaces, the images of P_H, the
mean of H. What tells these spaces apart is the fixed part (1 - P_H)·y modulo (1 - P_H)·L. In a basis of that lattice
it is a point of a finite set modulo 1, so one table per group of (H, point) gives the letter.

Array dimensions: ``n_spaces`` spaces of one subgroup, padded with NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crystalforge.errors import DamagedFileError
from crystalforge.symmetry.lattice_basis import lattice_basis
from crystalforge.symmetry.space_groups import SpaceGroup
from crystalforge.symmetry.spglib_database import TRANSLATION_DENOMINATOR
from crystalforge.symmetry.subgroups import Subgroups, masks_of
from crystalforge.symmetry.tolerances import FIXED_PART_TOLERANCE

_GENERIC = np.array([0.13703599, 0.27182818, 0.41421356])
"""Free coordinates at which no Wyckoff position has more symmetry than it must."""


class LetterTables(NamedTuple):
    """Arrays of one space group, in the form that compiled code takes.

    Attributes:
        fixed_part: (n_subgroups, 3, 3) from coordinates to the fixed part under H, in a basis of (1 - P_H)·L.
        n_spaces: (n_subgroups,) how many spaces each subgroup fixes; 0 where it is no site-symmetry group.
        points: (n_subgroups, n_spaces, 3) fixed part of each space.
        positions: (n_subgroups, n_spaces) index of its Wyckoff position.
    """

    fixed_part: NDArray[np.float64]
    n_spaces: NDArray[np.int64]
    points: NDArray[np.float64]
    positions: NDArray[np.int64]


def no_letters(n_subgroups: int) -> LetterTables:
    """Tables that know no Wyckoff position: for a merge that needs no letters."""
    points, positions = np.full((n_subgroups, 1, 3), np.nan), np.full((n_subgroups, 1), -1)
    return LetterTables(np.zeros((n_subgroups, 3, 3)), np.zeros(n_subgroups, dtype=int), points, positions)


def letter_tables(space_group: SpaceGroup, subgroups: Subgroups) -> LetterTables:
    """Tables of a space group, from its list of Wyckoff positions.

    Raises:
        DamagedFileError: a Wyckoff position has not the multiplicity that its coordinates give it.
    """
    sites, position = _generic_sites(space_group)
    subgroup = _site_symmetries(space_group, subgroups, sites)
    _check_multiplicities(space_group, subgroups.order[subgroup], position)
    matrices = np.zeros((len(subgroups.order), 3, 3))
    for H in np.unique(subgroup):
        matrices[H] = fixed_part(space_group, subgroups, H)
    points = np.einsum("nij,nj->ni", matrices[subgroup], sites)
    points = np.round(points - np.floor(points + FIXED_PART_TOLERANCE), 9)
    rows = np.unique(np.column_stack([subgroup, position, points]), axis=0)
    of_row = rows[:, 0].astype(int)
    n_spaces = np.bincount(of_row, minlength=len(matrices))
    slot = np.arange(len(rows)) - np.repeat(np.cumsum(n_spaces) - n_spaces, n_spaces)
    table = np.full((len(matrices), n_spaces.max(initial=1), 3), np.nan)
    positions = np.full(table.shape[:2], -1)
    table[of_row, slot], positions[of_row, slot] = rows[:, 2:], rows[:, 1].astype(int)
    return LetterTables(matrices, n_spaces, table, positions)


def _generic_sites(group: SpaceGroup) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A generic site (n_positions * n_point, 3) of each space of each Wyckoff position, and the position."""
    first = np.array([p.linear @ _GENERIC + p.constant for p in group.wyckoff_positions]).reshape(-1, 3)
    sites = np.einsum("pij,wj->wpi", group.point_rotations, first) + group.point_translations
    return sites.reshape(-1, 3), np.repeat(np.arange(len(first)), len(group.point_rotations))


def _site_symmetries(group: SpaceGroup, subgroups: Subgroups, sites: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index (n,) of the subgroup that fixes each site (n, 3), modulo the lattice: the first is H, the others follow.

    The images of a site come in runs of n_point; the site symmetry of the image under p is p·H·p⁻¹.
    """
    R, t = group.point_rotations, group.point_translations
    firsts = sites[:: len(R)]  # the identity is the first rotation
    moved = np.einsum("pij,nj->npi", R, firsts) + t - firsts[:, None]
    away = moved[:, :, None] - group.centrings
    fixed = (np.abs(away - np.round(away)).max(axis=-1) < FIXED_PART_TOLERANCE).any(axis=-1)
    table = subgroups.multiplication
    inverse = np.argmin(table, axis=1)  # the identity has index 0
    conjugate = table[table, inverse[:, None]]  # (p, h): p·h·p⁻¹
    members = np.zeros((len(firsts), len(R), len(R)), dtype=bool)
    position, h = np.nonzero(fixed)
    members[position[:, None], np.arange(len(R)), conjugate[:, h].T] = True
    return subgroups.index_of(masks_of(members.reshape(-1, len(R))))


def fixed_part(space_group: SpaceGroup, subgroups: Subgroups, H: int) -> NDArray[np.float64]:
    """Matrix (3, 3) from coordinates to the fixed part under H, in a basis of the lattice (1 - P_H)·L.

    Rows beyond the rank are zero; lattice translations change the result by integers.
    """
    complement = np.eye(3) - subgroups.mean_rotation[H]
    generators = np.concatenate([np.eye(3), space_group.centrings]) @ complement.T
    basis = lattice_basis(generators, denominator=TRANSLATION_DENOMINATOR * int(subgroups.order[H]))
    matrix = np.zeros((3, 3))
    if len(basis):
        matrix[: len(basis)] = np.linalg.pinv(basis.T) @ complement
    return matrix


def _check_multiplicities(space_group: SpaceGroup, orders: NDArray[np.int64], position: NDArray[np.int64]) -> None:
    stated = np.array([p.multiplicity for p in space_group.wyckoff_positions], dtype=int)
    wrong = stated[position] * orders != space_group.order
    if wrong.any():
        bad = space_group.wyckoff_positions[position[np.argmax(wrong)]]
        raise DamagedFileError(
            f"The table of Wyckoff positions is damaged: {bad.multiplicity}{bad.letter} ({bad.coordinates}) of space "
            f"group {space_group.number} does not have that multiplicity. Install crystalforge again."
        )
