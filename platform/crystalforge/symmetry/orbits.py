"""Orbits of sites: all their distinct images in the cell, their multiplicity and Wyckoff letter.

Array dimensions: ``n`` sites of one space group, ``total`` sites of all their orbits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalforge.errors import UsageError
from crystalforge.symmetry.cells import unit_cell
from crystalforge.symmetry.group_tables import GroupTables, group_tables
from crystalforge.symmetry.merging import Centres, merge
from crystalforge.symmetry.site_arrays import check_rows, wrap

TOLERANCE = 1e-5
MAX_TOLERANCE = 0.02
"""Sites of different spaces of a Wyckoff position are further apart than this, fractional."""


@dataclass(frozen=True)
class Orbits:
    """Orbits of n sites, one after the other.

    Attributes:
        frac_coords: (total, 3) in [0, 1); the first of an orbit is the given site.
        site_index: (total,) index of the given site, ascending.
        multiplicity: (n,) sites of each orbit in the conventional cell.
    """

    frac_coords: NDArray[np.float64]
    site_index: NDArray[np.int64]
    multiplicity: NDArray[np.int64]


def expand_orbits(space_group_number: int, frac_coords: ArrayLike, *, tolerance: float = TOLERANCE) -> Orbits:
    """All distinct sites of the orbits of n sites.

    A site within the tolerance of a special position is put on it, so that every orbit is exactly symmetric.

    Args:
        space_group_number: 1 to 230, the one group of all sites.
        frac_coords: (n, 3) one site of each orbit.
        tolerance: fractional; images of a site closer than this are one site.

    Raises:
        UnknownSpaceGroupError: the number is outside 1 to 230.
        UsageError: the coordinates have another shape or are not finite, or the tolerance is not in (0, 0.02].
    """
    tables = group_tables(space_group_number)
    centres = _on_positions(tables, check_rows("frac_coords", frac_coords, 3), tolerance)
    multiplicity = tables.space_group.order // tables.subgroups.order[centres.subgroup]
    start = np.cumsum(multiplicity) - multiplicity
    sites = np.empty((int(multiplicity.sum()), 3))
    for H in np.unique(centres.subgroup):
        chosen = np.flatnonzero(centres.subgroup == H)
        images = _images(tables, H, centres.frac_coords[chosen])
        sites[start[chosen, None] + np.arange(images.shape[1])] = images
    return Orbits(wrap(sites), np.repeat(np.arange(len(multiplicity)), multiplicity), multiplicity)


def wyckoff_letters(
    space_group_number: int, frac_coords: ArrayLike, tolerance: float = TOLERANCE
) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Wyckoff letters (n,) and multiplicities (n,) of sites that are on their positions.

    Args:
        space_group_number: 1 to 230, the one group of all sites.
        frac_coords: (n, 3) fractional coordinates.
        tolerance: fractional; an operation that moves a site by no more fixes it.

    Raises:
        UnknownSpaceGroupError: the number is outside 1 to 230.
        UsageError: the coordinates have another shape or are not finite, or the tolerance is not in (0, 0.02].
    """
    tables = group_tables(space_group_number)
    centres = _on_positions(tables, check_rows("frac_coords", frac_coords, 3), tolerance)
    multiplicity = tables.space_group.order // tables.subgroups.order[centres.subgroup]
    return tables.letter[centres.position], multiplicity


def _on_positions(tables: GroupTables, x: NDArray[np.float64], tolerance: float) -> Centres:
    """The sites moved onto the special positions that they are within the tolerance of."""
    if not 0 < tolerance <= MAX_TOLERANCE:
        raise UsageError(
            f"tolerance: expected a fractional distance above 0 and up to {MAX_TOLERANCE}, got {tolerance}. "
            "Merge sites that are further off with merge_overlapping_sites."
        )
    cells = np.tile(unit_cell(tables.space_group), (len(x), 1))
    return merge(tables, x, cells, np.full(len(x), float(tolerance)))


def _images(tables: GroupTables, H: int, frac_coords: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distinct images (n, multiplicity, 3) of sites (n, 3) that all have the site symmetry H."""
    group, table = tables.space_group, tables.subgroups.multiplication
    chosen = np.unique(table[:, tables.subgroups.members[H]].min(axis=1))  # the first operation of each left coset g·H
    moved = np.einsum("pij,nj->npi", group.point_rotations[chosen], frac_coords) + group.point_translations[chosen]
    images = group.centrings[None, :, None, :] + moved[:, None, :, :]
    return images.reshape(len(frac_coords), -1, 3)
