"""All that merging and expansion derive once from a space group, made on first use and kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

from crystalforge.symmetry.displacements import DisplacementTable
from crystalforge.symmetry.fixed_spaces import FixedSpaces
from crystalforge.symmetry.hall_numbers import check_space_group_number
from crystalforge.symmetry.space_groups import SpaceGroup, space_group
from crystalforge.symmetry.subgroups import SubgroupTable


@dataclass
class GroupTables:
    """Derived tables of a space group.

    Attributes:
        space_group: the group.
    """

    space_group: SpaceGroup

    @cached_property
    def displacements(self) -> DisplacementTable:
        """Scalars of the displacements."""
        return DisplacementTable(self.space_group)

    @cached_property
    def subgroups(self) -> SubgroupTable:
        """Subgroups of the point group."""
        return SubgroupTable(self.space_group.point_rotations)

    @cached_property
    def fixed_spaces(self) -> FixedSpaces:
        """Fixed spaces of the Wyckoff positions."""
        return FixedSpaces(self.space_group, self.displacements, self.subgroups)


def group_tables(space_group_number: int) -> GroupTables:
    """Tables of a space group, 1 to 230, kept for the life of the process.

    Raises:
        UnknownSpaceGroupError: the number is outside 1 to 230.
    """
    return _group_tables(check_space_group_number(space_group_number))


@cache
def _group_tables(space_group_number: int) -> GroupTables:
    return GroupTables(space_group(space_group_number))
