"""All that merging and expansion derive once from a space group, made on first use and kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from crystalforge.symmetry.hall_numbers import check_space_group_number
from crystalforge.symmetry.letter_tables import LetterTables, letter_tables
from crystalforge.symmetry.operation_tables import OperationTables, operation_tables
from crystalforge.symmetry.space_groups import SpaceGroup, space_group
from crystalforge.symmetry.subgroups import Subgroups, subgroups_of


@dataclass(frozen=True)
class GroupTables:
    """Derived tables of a space group.

    Attributes:
        space_group: the group.
    """

    space_group: SpaceGroup

    @cached_property
    def subgroups(self) -> Subgroups:
        """Subgroups of its point group."""
        return subgroups_of(self.space_group.point_rotations)

    @cached_property
    def operations(self) -> OperationTables:
        """Look-ups of its operations."""
        return operation_tables(self.space_group, self.subgroups)

    @cached_property
    def letters(self) -> LetterTables:
        """Look-ups of its Wyckoff positions."""
        return letter_tables(self.space_group, self.subgroups)

    @cached_property
    def letter(self) -> NDArray[np.str_]:
        """Letters (n_positions + 1,) of its Wyckoff positions; the last, index -1, is ""."""
        return np.array([*(position.letter for position in self.space_group.wyckoff_positions), ""], dtype="<U1")


def group_tables(space_group_number: int) -> GroupTables:
    """Tables of a space group, 1 to 230, kept for the life of the process.

    Raises:
        UnknownSpaceGroupError: the number is outside 1 to 230.
    """
    return _group_tables(check_space_group_number(space_group_number))


@cache
def _group_tables(space_group_number: int) -> GroupTables:
    return GroupTables(space_group(space_group_number))
