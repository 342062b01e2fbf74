"""Elements: symbols, radii, masses and the 23 properties that the networks see.

Arrays over elements are indexed by atomic number: 119 rows, row 0 stands for no element. Values are pymatgen's, read
from ``elements.json`` (made by ``python -m crystalforge.crystals.element_table``), so that workers need not import it.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalforge.crystals.element_table import PROPERTIES, TABLE_PATH
from crystalforge.errors import UsageError
from crystalforge.files import read_json

N_ELEMENTS = 118
ELEMENT_PROPERTY_NAMES: tuple[str, ...] = tuple(PROPERTIES)
"""The 23 properties of PGCGM, in the order of the columns of ``element_properties``."""


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = read_json(TABLE_PATH)
    return table


SYMBOLS: tuple[str, ...] = ("X", *_table()["symbols"])
"""Symbol by atomic number; index 0 is the placeholder ``X``."""

_SYMBOL_ARRAY = np.array(SYMBOLS)
_SORTED = np.argsort(_SYMBOL_ARRAY[1:]) + 1
_SORTED_SYMBOLS = _SYMBOL_ARRAY[_SORTED]


def atomic_number(symbols: ArrayLike) -> NDArray[np.int64]:
    """Atomic numbers of element symbols.

    Args:
        symbols: any shape of str, as "Fe".

    Returns:
        the same shape.

    Raises:
        UsageError: a string is no element's symbol (deuterium's D is none).
    """
    names = np.asarray(symbols).astype(str)
    places = np.minimum(np.searchsorted(_SORTED_SYMBOLS, names), N_ELEMENTS - 1)
    unknown = _SORTED_SYMBOLS[places] != names
    if np.any(unknown):
        found = ", ".join(json.dumps(str(name)) for name in np.unique(names[unknown])[:5])
        raise UsageError(f"Unknown element {found}: expected symbols of elements 1 to {N_ELEMENTS}, as 'Fe'.")
    return _SORTED[places]


def symbols(atomic_numbers: ArrayLike) -> NDArray[np.str_]:
    """Symbols of atomic numbers, in the same shape.

    Raises:
        UsageError: a number is not 1 to 118.
    """
    numbers = np.asarray(atomic_numbers, dtype=np.int64)
    if np.any((numbers < 1) | (numbers > N_ELEMENTS)):
        outside = np.unique(numbers[(numbers < 1) | (numbers > N_ELEMENTS)])[:5].tolist()
        raise UsageError(f"Atomic numbers {outside} do not exist: expected 1 to {N_ELEMENTS}.")
    return _SYMBOL_ARRAY[numbers]


@cache
def raw_element_property(name: str) -> NDArray[np.float64]:
    """One property of every element in pymatgen's unit: (119,), NaN where unknown and at index 0; not writable."""
    values = np.array([np.nan, *(np.nan if value is None else value for value in _table()["values"][name])])
    values.setflags(write=False)
    return values


def atomic_radii() -> NDArray[np.float64]:
    """Slater's empirical atomic radii (Å): (119,), NaN for He, Ne, Kr, Xe, At, Rn, Fr and from Cm on."""
    return raw_element_property("atomic_radius")


def atomic_masses() -> NDArray[np.float64]:
    """Atomic masses (u): (119,), NaN at index 0."""
    return raw_element_property("atomic_mass")


def electronegativities() -> NDArray[np.float64]:
    """Pauling electronegativities: (119,), NaN where unknown (He, Ne, Ar, Rf on)."""
    return raw_element_property("electronegativity")


@cache
def element_properties() -> NDArray[np.float32]:
    """The 23 properties, min-max scaled over the 118 elements to [-1, 1] (PGCGM's element input).

    Gaps take the property's median over the elements that have it, before scaling. Only noble gases and elements
    from At on have gaps: none of the 84 elements of the Materials Project's ternary crystals. Row 0 is all zeros.

    Returns:
        (119, 23) float32, columns as ``ELEMENT_PROPERTY_NAMES``; not writable.
    """
    raw = np.stack([raw_element_property(name)[1:] for name in ELEMENT_PROPERTY_NAMES], axis=1)
    filled = np.where(np.isnan(raw), np.nanmedian(raw, axis=0), raw)
    least, greatest = filled.min(axis=0), filled.max(axis=0)
    scaled = np.zeros((N_ELEMENTS + 1, len(ELEMENT_PROPERTY_NAMES)), dtype=np.float32)
    scaled[1:] = 2.0 * (filled - least) / (greatest - least) - 1.0
    scaled.setflags(write=False)
    return scaled


def order_by_electronegativity(atomic_numbers: ArrayLike) -> NDArray[np.int64]:
    """The canonical order of the elements of each crystal: ascending electronegativity.

    Unknown electronegativities come last, ties go by atomic number.

    Args:
        atomic_numbers: (n_crystals, 3).

    Returns:
        (n_crystals, 3) permutation; ``np.take_along_axis(atomic_numbers, permutation, axis=1)`` is in order.
    """
    numbers = np.asarray(atomic_numbers, dtype=np.int64)
    values = electronegativities()[numbers]
    return np.lexsort((numbers, np.where(np.isnan(values), np.inf, values)), axis=-1)
