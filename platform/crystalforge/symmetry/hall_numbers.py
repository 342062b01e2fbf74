"""The one setting of each space group, written down once."""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
from types import MappingProxyType
from typing import Any

from crystalforge.errors import UnknownSpaceGroupError
from crystalforge.symmetry.spglib_database import SettingSymbols, standard_hall_numbers, symbols_of_setting

N_SPACE_GROUPS = 230

SPACE_GROUPS: tuple[int, ...] = (225, 71, 221, 139, 62, 216, 166, 194, 123, 164, 141, 227)
"""The 12 space groups of the paper, in the order of their number of crystals there."""

HALL_NUMBERS: Mapping[int, int] = MappingProxyType(
    {
        62: 292,
        71: 337,
        123: 400,
        139: 424,
        141: 426,  # origin choice 1
        164: 456,
        166: 458,  # hexagonal axes
        194: 488,
        216: 512,
        221: 517,
        225: 523,
        227: 525,  # origin choice 1
    }
)
"""Hall number of the setting in which crystals of the 12 space groups are kept."""


def hall_number_of(space_group_number: int) -> int:
    """Hall number (1 to 530) of the setting used for a space group.

    The 12 groups come from ``HALL_NUMBERS``; any other has spglib's standard choice, which is the
    first Hall number of the group (unique axis b, hexagonal axes, origin choice 1).

    Args:
        space_group_number: 1 to 230.

    Raises:
        UnknownSpaceGroupError: there is no such space group.
    """
    number = check_space_group_number(space_group_number)
    return HALL_NUMBERS[number] if number in HALL_NUMBERS else standard_hall_numbers()[number]


def setting_symbols(space_group_number: int) -> SettingSymbols:
    """Hermann-Mauguin and Hall symbol of the setting used for a space group.

    Raises:
        UnknownSpaceGroupError: there is no such space group.
    """
    return symbols_of_setting(hall_number_of(space_group_number))


def check_space_group_number(space_group_number: Any) -> int:
    """Return the number as an ``int`` in 1 to 230.

    Raises:
        UnknownSpaceGroupError: it is not an integer, or outside 1 to 230.
    """
    try:
        number = index(space_group_number)
    except TypeError:
        number = 0
    if not 1 <= number <= N_SPACE_GROUPS:
        raise UnknownSpaceGroupError(
            f"Unknown space group: expected an integer from 1 to {N_SPACE_GROUPS}, got {space_group_number!r}. "
            "Give the number of the International Tables, such as 225 for Fm-3m."
        )
    return number
