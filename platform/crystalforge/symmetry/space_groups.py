"""Space groups in their fixed setting: operations, centrings, crystal system, Wyckoff positions.

Array dimensions: ``n_ops`` operations of the conventional cell, ``n_point`` of the point group, ``n_centrings``
translations of the lattice per conventional cell; ``n_ops = n_point * n_centrings``.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.symmetry.hall_numbers import check_space_group_number, hall_number_of
from crystalforge.symmetry.spglib_database import database_operations, international_symbol
from crystalforge.symmetry.wyckoff_positions import WyckoffPosition, wyckoff_positions_of


class CrystalSystem(StrEnum):
    """The seven crystal systems (166 and its like are trigonal; their cell here is hexagonal)."""

    TRICLINIC = "triclinic"
    MONOCLINIC = "monoclinic"
    ORTHORHOMBIC = "orthorhombic"
    TETRAGONAL = "tetragonal"
    TRIGONAL = "trigonal"
    HEXAGONAL = "hexagonal"
    CUBIC = "cubic"


_LAST_NUMBERS = (2, 15, 74, 142, 167, 194, 230)


def crystal_system_of(space_group_number: int) -> CrystalSystem:
    """Crystal system of a space group.

    Raises:
        UnknownSpaceGroupError: the number is outside 1 to 230.
    """
    number = check_space_group_number(space_group_number)
    return tuple(CrystalSystem)[bisect_left(_LAST_NUMBERS, number)]


@dataclass(frozen=True, eq=False)
class SpaceGroup:
    """A space group in the setting of its Hall number; arrays are read-only.

    An operation takes the column of fractional coordinates x to ``rotation @ x + translation``.

    Attributes:
        number: 1 to 230.
        hall_number: 1 to 530.
        international_symbol: short Hermann-Mauguin symbol, such as "Fm-3m".
        crystal_system: one of the seven.
        rotations: (n_ops, 3, 3) integers, all operations of the conventional cell in the order of spglib's database.
        translations: (n_ops, 3) fractional, in [0, 1).
        point_rotations: (n_point, 3, 3) the distinct rotations, the identity first.
        point_translations: (n_point, 3) the translation of the first operation that has this rotation.
        centrings: (n_centrings, 3) lattice translations in [0, 1), zero first.
        wyckoff_positions: from "a" to the general position.
    """

    number: int
    hall_number: int
    international_symbol: str
    crystal_system: CrystalSystem
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]
    point_rotations: NDArray[np.int64]
    point_translations: NDArray[np.float64]
    centrings: NDArray[np.float64]
    wyckoff_positions: tuple[WyckoffPosition, ...]

    @property
    def order(self) -> int:
        """Number of operations modulo the translations of the conventional cell."""
        return len(self.rotations)


@cache
def space_group(number: int) -> SpaceGroup:
    """Space group in its fixed setting (``hall_number_of``), from spglib's database.

    Args:
        number: 1 to 230.

    Raises:
        UnknownSpaceGroupError: the number is outside 1 to 230.
    """
    number = check_space_group_number(number)
    hall_number = hall_number_of(number)
    rotations, translations = database_operations(hall_number)
    first, is_identity = _first_of_each_rotation(rotations), (rotations == np.eye(3)).all(axis=(1, 2))
    return SpaceGroup(
        number=number,
        hall_number=hall_number,
        international_symbol=international_symbol(hall_number),
        crystal_system=crystal_system_of(number),
        rotations=_read_only(rotations),
        translations=_read_only(translations),
        point_rotations=_read_only(rotations[first]),
        point_translations=_read_only(translations[first]),
        centrings=_read_only(translations[is_identity]),
        wyckoff_positions=wyckoff_positions_of(hall_number),
    )


def _first_of_each_rotation(rotations: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first = np.unique(rotations.reshape(len(rotations), 9), axis=0, return_index=True)
    return np.sort(first)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array
