"""What the search for the canonical setting looks up: every change of setting as maps between free coordinates.

A change of setting takes the sites of one Wyckoff position to sites of one Wyckoff position. Followed by those
operations of the group that lead back to a first triplet, it is some affine maps of the free coordinates; over all
members of an orbit that lie on the first triplet, and all settings, nothing else has to be tried.

Array dimensions: ``k`` changes of setting, ``n_positions`` Wyckoff positions, rows of lists one after the other.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crystalforge.symmetry.free_coordinates import FirstTriplets, first_triplets
from crystalforge.symmetry.normalisers import SHIFT_DENOMINATOR, Normaliser, setting_changes
from crystalforge.symmetry.space_groups import CrystalSystem, SpaceGroup, space_group

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_GENERIC = np.array([0.13703599, 0.27182818, 0.41421356])
"""Free coordinates at which no Wyckoff position has more symmetry than it must."""
_ON_TRIPLET = 1e-6


class SettingTables(NamedTuple):
    """Arrays of one space group, in the form that compiled code takes.

    Attributes:
        linear: (n_positions, 3, 3) from parameters to coordinates on the first triplet.
        constant: (n_positions, 3).
        read: (n_positions, 3, 3) from coordinates less the constant to parameters.
        onto_start: (n_positions + 1,) where the list of each position begins in the next two.
        onto_rotations: (n, 3, 3) operations of the group, one for each triplet, that lead to the first one.
        onto_translations: (n, 3).
        position_after: (k, n_positions) the position to which a change of setting takes a position.
        edge_after: (k, 3) which edge of the old cell each edge of the new one is.
        map_start: (k, n_positions + 1) where the list of each change and position begins in the next two.
        map_linear: (n, 3, 3) from old to new parameters.
        map_constant: (n, 3).
    """

    linear: Floats
    constant: Floats
    read: Floats
    onto_start: Integers
    onto_rotations: Floats
    onto_translations: Floats
    position_after: Integers
    edge_after: Integers
    map_start: Integers
    map_linear: Floats
    map_constant: Floats


@cache
def setting_tables(space_group_number: int) -> SettingTables:
    """Tables of a space group, 1 to 230, kept for the life of the process."""
    group, changes = space_group(space_group_number), setting_changes(space_group_number)
    triplets = first_triplets(space_group_number)
    onto = [_onto_first(group, triplets, w) for w in range(len(triplets.letters))]
    sizes = [len(operations) for operations in onto]
    chosen = np.concatenate(onto)
    maps = [_maps(group, triplets, changes, n, w) for n in range(len(changes)) for w in range(len(triplets.letters))]
    lengths = np.array([len(linear) for _, linear, _ in maps]).reshape(len(changes), -1)
    ends = np.cumsum(lengths).reshape(lengths.shape)
    return SettingTables(
        linear=triplets.linear,
        constant=triplets.constant,
        read=triplets.read,
        onto_start=np.concatenate([[0], np.cumsum(sizes)]),
        onto_rotations=group.rotations[chosen].astype(float),
        onto_translations=group.translations[chosen],
        position_after=np.array([position for position, _, _ in maps]).reshape(lengths.shape),
        edge_after=_edge_after(group, changes),
        map_start=np.concatenate([ends[:, :1] - lengths[:, :1], ends], axis=1),
        map_linear=np.concatenate([linear for _, linear, _ in maps]),
        map_constant=np.concatenate([constant for _, _, constant in maps]),
    )


def _edge_after(group: SpaceGroup, changes: Normaliser) -> Integers:
    if group.crystal_system != CrystalSystem.ORTHORHOMBIC:  # the edges that change places are equal
        return np.tile(np.arange(3), (len(changes), 1))
    return np.asarray(np.abs(changes.rotations).argmax(axis=2))


def _on_triplet(triplets: FirstTriplets, w: int, sites: Floats) -> NDArray[np.bool_]:
    """Which of sites (n, 3) lie on the first triplet of position w."""
    off = sites - triplets.constant[w]
    off = off - off @ triplets.read[w].T @ triplets.linear[w].T
    return np.asarray(np.abs(off - np.rint(off)).max(axis=1) < _ON_TRIPLET)


def _onto_first(group: SpaceGroup, triplets: FirstTriplets, w: int) -> Integers:
    """Operations of which one leads any member of an orbit of position w to the first triplet."""
    site = triplets.linear[w] @ _GENERIC + triplets.constant[w]
    members = group.rotations @ site + group.translations
    left, chosen = np.ones(len(members), dtype=bool), []
    for operation in range(len(members)):
        moved = members[left] @ group.rotations[operation].T + group.translations[operation]
        reached = _on_triplet(triplets, w, moved)
        if reached.any():
            chosen.append(operation)
            left[left] = ~reached
        if not left.any():
            break
    return np.array(chosen)


def _maps(
    group: SpaceGroup, triplets: FirstTriplets, changes: Normaliser, n: int, w: int
) -> tuple[int, Floats, Floats]:
    """Where change n takes position w, and the maps (m, 3, 3) and (m, 3) of the parameters."""
    R = group.rotations @ changes.rotations[n]
    t = group.rotations @ changes.translations[n] + group.translations
    images = R @ (triplets.linear[w] @ _GENERIC + triplets.constant[w]) + t
    free = triplets.is_free.sum(axis=1)
    after, reached = next(
        (v, there)
        for v in np.flatnonzero(free == free[w])  # a space of another dimension is no image
        if _same_orbit_size(group, int(v), w) and (there := _on_triplet(triplets, int(v), images)).any()
    )
    linear = triplets.read[after] @ R[reached] @ triplets.linear[w]
    shift = R[reached] @ triplets.constant[w] + t[reached] - triplets.constant[after]
    units = np.rint(shift @ triplets.read[after].T * SHIFT_DENOMINATOR) % SHIFT_DENOMINATOR
    distinct = np.unique(np.column_stack([np.rint(linear).reshape(-1, 9), units]), axis=0)
    return int(after), distinct[:, :9].reshape(-1, 3, 3), distinct[:, 9:] / SHIFT_DENOMINATOR


def _same_orbit_size(group: SpaceGroup, v: int, w: int) -> bool:
    return group.wyckoff_positions[v].multiplicity == group.wyckoff_positions[w].multiplicity
