"""What is read from spglib's database of the 530 settings; the one place of this room that calls spglib."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

N_HALL_NUMBERS = 530
TRANSLATION_DENOMINATOR = 24
"""Every translation of the 530 settings is a multiple of 1/24."""


def database_operations(hall_number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rotations (n_ops, 3, 3) and translations (n_ops, 3) in [0, 1) of a setting, in the database's order."""
    import spglib

    with _as_spglib_is():
        operations = spglib.get_symmetry_from_database(hall_number)
    # Thirds and sixths are made the nearest double again: coordinates of special positions follow from them.
    translations = np.round(operations["translations"] * TRANSLATION_DENOMINATOR) / TRANSLATION_DENOMINATOR % 1.0
    return np.asarray(operations["rotations"], dtype=np.int64), translations


def international_symbol(hall_number: int) -> str:
    """Short Hermann-Mauguin symbol of a setting."""
    import spglib

    with _as_spglib_is():
        return spglib.get_spacegroup_type(hall_number).international_short


class SettingSymbols(NamedTuple):
    """Names of a space group in one setting, as CIF has them."""

    hermann_mauguin: str
    """Full symbol with spaces, and the choice of origin or axes, such as "F d -3 m :1"."""
    hall: str
    """Hall symbol, such as "F 4d 2 3 -1d"."""


@cache
def symbols_of_setting(hall_number: int) -> SettingSymbols:
    """Names of the setting of a Hall number."""
    import spglib

    with _as_spglib_is():
        found = spglib.get_spacegroup_type(hall_number)
    # The table has other forms after "=", as "P 2 2 2 = P 2 2 2"; screw axes have an underscore there, in CIF none.
    symbol = found.international.split("=")[0].strip().replace("_", "")
    choice = found.choice if found.choice in {"1", "2", "H", "R"} else ""
    return SettingSymbols(f"{symbol} :{choice}" if choice else symbol, found.hall_symbol)


@cache
def standard_hall_numbers() -> dict[int, int]:
    """spglib's standard choice for each space group: the first Hall number that belongs to it."""
    import spglib

    standard: dict[int, int] = {}
    with _as_spglib_is():
        for hall_number in range(1, N_HALL_NUMBERS + 1):
            standard.setdefault(spglib.get_spacegroup_type(hall_number).number, hall_number)
    return standard


@contextmanager
def _as_spglib_is() -> Iterator[None]:
    # spglib 2.8 warns at every call until its error handling is switched for the whole process, which would
    # change what other packages get from it.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Set OLD_ERROR_HANDLING", DeprecationWarning)
        yield
