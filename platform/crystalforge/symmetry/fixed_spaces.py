"""Which Wyckoff position a site is on, by its site-symmetry group and the fixed part of its coordinates.

The sites that a subgroup H of rotations fixes (modulo the lattice L) lie in parallel spaces, the images of P_H, the
mean of H. What tells these spaces apart is the fixed part (1 - P_H)·y modulo (1 - P_H)·L. In a basis of that lattice
it is a point of a finite set modulo 1, so one table per group of (mask of H, point) gives the letter.

Array dimensions: ``n`` sites, ``n_masks`` site-symmetry groups, ``n_spaces`` spaces of one mask, padded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crystalforge.errors import DamagedFileError
from crystalforge.symmetry.lattice_basis import lattice_basis
from crystalforge.symmetry.spglib_database import TRANSLATION_DENOMINATOR
from crystalforge.symmetry.subgroups import members_of

if TYPE_CHECKING:
    from crystalforge.symmetry.displacements import DisplacementTable
    from crystalforge.symmetry.space_groups import SpaceGroup
    from crystalforge.symmetry.subgroups import SubgroupTable

TOLERANCE = 1e-5
"""Largest difference of a fixed part from the table's, in lattice units; distinct spaces differ by 1/48 or more."""

_GENERIC = np.array([0.13703599, 0.27182818, 0.41421356])
"""Free coordinates at which no Wyckoff position has more symmetry than it must."""


class FixedSpaces:
    """Look-up of Wyckoff letters of one space group."""

    def __init__(self, space_group: SpaceGroup, displacements: DisplacementTable, subgroups: SubgroupTable) -> None:
        self._space_group = space_group
        self._displacements = displacements
        positions = space_group.wyckoff_positions
        self._letters: NDArray[np.str_] = np.array([position.letter for position in positions], dtype="<U1")
        sites, position = self._generic_sites()
        masks = self._displacements.stabilizers(sites, TOLERANCE)
        _check_multiplicities(space_group, masks, position)
        self._masks: NDArray[np.uint64] = np.unique(masks)
        self._projections = np.stack([fixed_part(space_group, subgroups.rotations, mask) for mask in self._masks])
        self._points, self._positions = self._tabulate(masks, sites, position)

    def letters(self, masks: NDArray[np.uint64], frac_coords: NDArray[np.float64]) -> NDArray[np.str_]:
        """Wyckoff letters (n,) of sites (n, 3) exactly on their position, with the masks (n,) that fix them."""
        if not len(masks):
            return np.empty(0, dtype="<U1")
        found, which = self._find(masks, frac_coords)
        if not found.all():
            # The site has more symmetry than the mask says: only the whole site-symmetry group is in the table.
            lost = np.flatnonzero(~found)
            again, which[lost] = self._find(
                self._displacements.stabilizers(frac_coords[lost], TOLERANCE), frac_coords[lost]
            )
            if not again.all():
                site = frac_coords[lost[~again][0]].tolist()
                raise DamagedFileError(
                    f"No Wyckoff position of space group {self._space_group.number} holds the site {site}: the table "
                    "of Wyckoff positions is damaged. Install crystalforge again."
                )
        return self._letters[which]

    def _generic_sites(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """A generic site (n_positions * n_point, 3) of each space of each Wyckoff position, and the position."""
        group = self._space_group
        first = np.array([p.linear @ _GENERIC + p.constant for p in group.wyckoff_positions]).reshape(-1, 3)
        sites = np.einsum("pij,wj->wpi", group.point_rotations, first) + group.point_translations
        return sites.reshape(-1, 3), np.repeat(np.arange(len(first)), len(group.point_rotations))

    def _tabulate(
        self, masks: NDArray[np.uint64], sites: NDArray[np.float64], position: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        which = np.searchsorted(self._masks, masks)
        points = np.einsum("nij,nj->ni", self._projections[which], sites)
        points = np.round(points - np.floor(points + TOLERANCE), 9)
        rows = np.unique(np.column_stack([which, position, points]), axis=0)
        order = rows[:, 0].astype(int)
        count = np.bincount(order, minlength=len(self._masks))
        slot = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
        table = np.full((len(count), count.max(initial=0), 3), np.nan)
        positions = np.zeros(table.shape[:2], dtype=int)
        table[order, slot], positions[order, slot] = rows[:, 2:], rows[:, 1].astype(int)
        return table, positions

    def _find(
        self, masks: NDArray[np.uint64], frac_coords: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Whether the table holds the sites (n, 3), and the index of their Wyckoff position."""
        which = np.minimum(np.searchsorted(self._masks, masks), len(self._masks) - 1)
        points = np.einsum("nij,nj->ni", self._projections[which], frac_coords)
        difference = points[:, None, :] - self._points[which]
        difference = np.abs(difference - np.round(difference)).max(axis=-1)
        difference[np.isnan(difference)] = np.inf  # padding
        slot = difference.argmin(axis=1)
        rows = np.arange(len(slot))
        return (self._masks[which] == masks) & (difference[rows, slot] < TOLERANCE), self._positions[which, slot]


def fixed_part(space_group: SpaceGroup, rotations: NDArray[np.int64], mask: np.uint64) -> NDArray[np.float64]:
    """Matrix (3, 3) from coordinates to the fixed part under H, in a basis of the lattice (1 - P_H)·L.

    Rows beyond the rank are zero; lattice translations change the result by integers.
    """
    members = members_of(np.array([mask]), len(rotations))[0]
    complement = np.eye(3) - rotations[members].mean(axis=0)
    generators = np.concatenate([np.eye(3), space_group.centrings]) @ complement.T
    basis = lattice_basis(generators, denominator=TRANSLATION_DENOMINATOR * int(members.sum()))
    matrix = np.zeros((3, 3))
    if len(basis):
        matrix[: len(basis)] = np.linalg.pinv(basis.T) @ complement
    return matrix


def _check_multiplicities(space_group: SpaceGroup, masks: NDArray[np.uint64], position: NDArray[np.int64]) -> None:
    orders = members_of(masks, len(space_group.point_rotations)).sum(axis=1)
    stated = np.array([p.multiplicity for p in space_group.wyckoff_positions], dtype=int)
    wrong = stated[position] * orders != space_group.order
    if wrong.any():
        bad = space_group.wyckoff_positions[position[np.argmax(wrong)]]
        raise DamagedFileError(
            f"The table of Wyckoff positions is damaged: {bad.multiplicity}{bad.letter} ({bad.coordinates}) of space "
            f"group {space_group.number} does not have that multiplicity. Install crystalforge again."
        )
