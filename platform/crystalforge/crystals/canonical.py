"""The one canonical setting of a crystal: equal crystals get equal arrays.

One crystal can be written in several ways in the one Hall setting of its space group: with another origin, other
directions of the axes or mirrored (the Euclidean normaliser; in orthorhombic groups also with axes exchanged), and with
any member of each orbit as the representative site. The canonical setting is the least of them: by the Wyckoff letters
(as a sorted triple, then by site, in the order of electronegativity), then by the edges of the cell, then by the free
coordinates of the sites, each site on the first coordinate triplet of its Wyckoff position.

Letters are compared exactly; edges and coordinates in rounded steps whose bounds lie off all usual values, so that
neither round-off nor a small error of the input changes the choice. Not recognised as equal: crystals shifted along the
free direction of a polar group, and a cell with more symmetry than its crystal system. None of the 12 groups is polar.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import N_SITES, CrystalBatch
from crystalforge.crystals.canonical_kernel import ALL_GOOD, OFFSET, choose_settings
from crystalforge.crystals.elements import order_by_electronegativity
from crystalforge.errors import UsageError
from crystalforge.symmetry import space_group
from crystalforge.symmetry.free_coordinates import first_triplets
from crystalforge.symmetry.orbits import TOLERANCE
from crystalforge.symmetry.setting_tables import setting_tables

LATTICE_STEPS = 1_000
"""Steps of the rounded lattice parameters in 1 Å and in 1 degree (1e-3)."""


@dataclass(frozen=True)
class CanonicalSites:
    """The canonical setting of n crystals.

    Attributes:
        position: (n, 3) index of the Wyckoff position of each site, 0 for "a".
        parameters: (n, 3, 3) free coordinates of each site on the first triplet.
        keys: (n, 3) the free coordinates in steps of 1e-4, as the digits of a number.
        lattice_parameters: (n, 6); of the batch, but for exchanged edges.
    """

    position: NDArray[np.int64]
    parameters: NDArray[np.float64]
    keys: NDArray[np.int64]
    lattice_parameters: NDArray[np.float64]


def canonical_setting(batch: CrystalBatch) -> CrystalBatch:
    """The same crystals, each in its canonical setting; the order of crystals and of sites stays.

    Args:
        batch: n crystals with merged sites; each site within 1e-5 of its Wyckoff position, on which it is put.

    Returns:
        n crystals whose sites lie on the first triplets of their Wyckoff positions (``symmetry.free_coordinates``).

    Raises:
        UsageError: a site has no place, or is not on the Wyckoff position of its letter.
    """
    canonical = canonical_sites(batch)
    coords, letters = np.empty_like(batch.frac_coords), np.empty_like(batch.wyckoff_letter, dtype="<U1")
    for number, members in batch.by_space_group():
        triplets, position = first_triplets(number), canonical.position[members].reshape(-1)
        sites = triplets.sites(position, canonical.parameters[members].reshape(-1, 3))
        coords[members], letters[members] = sites.reshape(-1, 3, 3), triplets.letters[position].reshape(-1, N_SITES)
    return CrystalBatch(
        space_group_number=batch.space_group_number,
        lattice_parameters=canonical.lattice_parameters,
        atomic_numbers=batch.atomic_numbers,
        frac_coords=coords,
        multiplicity=batch.multiplicity,
        wyckoff_letter=letters,
    )


def canonical_sites(batch: CrystalBatch) -> CanonicalSites:
    """The canonical setting as Wyckoff positions and free coordinates; see ``canonical_setting``."""
    if not (np.isfinite(batch.frac_coords).all() and np.isfinite(batch.lattice_parameters).all()):
        raise UsageError("Crystals without a place: expected finite cells and sites, got NaN. Select batch.is_placed.")
    n = len(batch)
    found = CanonicalSites(
        position=np.empty((n, N_SITES), dtype=np.int64),
        parameters=np.empty((n, N_SITES, 3)),
        keys=np.empty((n, N_SITES), dtype=np.int64),
        lattice_parameters=batch.lattice_parameters.copy(),
    )
    order = order_by_electronegativity(batch.atomic_numbers)
    edges = lattice_steps(batch.lattice_parameters[:, :3])
    for number, members in batch.by_space_group():
        _search(number, batch.select(members), order[members], edges[members], members, found)
    return found


def _search(
    number: int,
    crystals: CrystalBatch,
    order: NDArray[np.int64],
    edges: NDArray[np.int64],
    members: NDArray[np.int64],
    found: CanonicalSites,
) -> None:
    """Fill in the rows ``members`` of what was found, crystals of one space group."""
    tables, n = setting_tables(number), len(crystals)
    positions = first_triplets(number).index_of(crystals.wyckoff_letter, number).reshape(-1, N_SITES)
    setting, position = np.empty(n, dtype=np.int64), np.empty((n, N_SITES), dtype=np.int64)
    parameters, keys = np.empty((n, N_SITES, 3)), np.empty((n, N_SITES), dtype=np.int64)
    stray = choose_settings(
        np.ascontiguousarray(crystals.frac_coords),
        positions,
        np.ascontiguousarray(order),
        np.ascontiguousarray(crystals.atomic_numbers),
        np.ascontiguousarray(edges),
        TOLERANCE,
        tables,
        setting,
        position,
        parameters,
        keys,
    )
    if stray != ALL_GOOD:
        raise UsageError(_off_position(number, crystals, *divmod(stray, N_SITES), int(members[stray // N_SITES])))
    found.position[members], found.parameters[members], found.keys[members] = position, parameters, keys
    edge_after = tables.edge_after[setting]
    found.lattice_parameters[members, :3] = np.take_along_axis(crystals.lattice_parameters[:, :3], edge_after, axis=1)


def lattice_steps(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Lattice parameters in whole steps of 1e-3."""
    return np.floor(values * LATTICE_STEPS + OFFSET).astype(np.int64)


def _off_position(number: int, crystals: CrystalBatch, row: int, site: int, member: int) -> str:
    letter = str(crystals.wyckoff_letter[row, site])
    position = next(p for p in space_group(number).wyckoff_positions if p.letter == letter)
    return (
        f"Site {site} of crystal {member}: expected one on Wyckoff position {position.multiplicity}{letter} "
        f"({position.coordinates} and its images) of space group {number}, got "
        f"{crystals.frac_coords[row, site].tolist()}. Merge the sites first (symmetry.merge_overlapping_sites)."
    )
