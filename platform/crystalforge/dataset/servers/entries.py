"""Entries of servers as cells with atoms, checked: what comes over the network may be anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.elements import SYMBOLS
from crystalforge.dataset.cif_parser import UnitCell, UnitCellRecord
from crystalforge.dataset.exclusion import Exclusion, ExclusionReason, LeftOutError
from crystalforge.dataset.servers.download import Download
from crystalforge.dataset.standardise import FULL_OCCUPANCY_TOLERANCE, check_cell

MOST_ATOMS = 2000
"""In a cell: three inequivalent sites make 576 at the most in the conventional one."""
_NUMBER_OF_SYMBOL = {symbol: number for number, symbol in enumerate(SYMBOLS) if number}

UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)
"""What an entry raises that lacks a part, or has it in another shape."""
Reader = Callable[[Mapping[str, Any]], tuple[UnitCell, dict[str, float | None]]]
"""Makes cell and energies of an entry; raises ``LeftOutError`` or one of ``UNREADABLE`` where it cannot."""


def records_of(download: Download, reader: Reader, limit: int | None) -> Iterator[UnitCellRecord | Exclusion]:
    """One record, or one exclusion, per entry of a download.

    Args:
        download: its pages.
        reader: of the kind of server.
        limit: most entries to read.
    """
    for done, (place, entry) in enumerate(download.entries()):
        if limit is not None and done >= limit:
            return
        name = _identifier(entry) or place
        try:
            cell, properties = reader(_object(entry))
        except LeftOutError as error:
            yield Exclusion(name, error.reason, _printable(error.detail))
        except UNREADABLE as error:
            detail = f"expected an entry with cell and sites, {type(error).__name__}: {error}"
            yield Exclusion(name, ExclusionReason.PARSE_FAILED, _printable(detail))
        else:
            yield UnitCellRecord(name, name, cell, properties)


def _identifier(entry: Any) -> str:
    value = entry.get("id", entry.get("material_id")) if isinstance(entry, dict) else None
    return _printable(str(value)) if isinstance(value, str | int) else ""


def _printable(text: str) -> str:
    """What a table of texts can hold: JSON may have halves of characters that UTF-8 has not."""
    return text[:300].encode("utf-8", "replace").decode()


def _object(entry: Any) -> Mapping[str, Any]:
    if not isinstance(entry, dict):
        raise LeftOutError(ExclusionReason.PARSE_FAILED, f"expected an object, found {type(entry).__name__}")
    return entry


def unit_cell(lattice: Any, coords: Any, symbols: list[str], *, cartesian: bool) -> UnitCell:
    """Cell and atoms, after the checks that spare the search for symmetry.

    Args:
        lattice: (3, 3) rows a, b, c (Å).
        coords: (n_atoms, 3), Cartesian (Å) or fractional.
        symbols: (n_atoms,).
        cartesian: which of the two.

    Raises:
        LeftOutError: it is no such cell.
        ValueError: a list has another shape, or holds what is no number.
    """
    matrix, places = np.array(lattice, dtype=float).reshape(3, 3), np.array(coords, dtype=float).reshape(-1, 3)
    if len(places) != len(symbols) or not symbols:
        raise LeftOutError(
            ExclusionReason.PARSE_FAILED, f"expected as many sites as species, found {len(places)} and {len(symbols)}"
        )
    if len(symbols) > MOST_ATOMS:
        raise LeftOutError(ExclusionReason.TOO_LARGE, f"expected at most {MOST_ATOMS} atoms, found {len(symbols)}")
    check_cell(matrix, places)
    frac_coords: NDArray[np.float64] = places @ np.linalg.inv(matrix) if cartesian else places
    return UnitCell(matrix.tolist(), frac_coords.tolist(), [_atomic_number(symbol) for symbol in symbols])


def _atomic_number(symbol: str) -> int:
    number = _NUMBER_OF_SYMBOL.get(symbol)
    if number is None:
        raise LeftOutError(ExclusionReason.UNKNOWN_ELEMENT, f"expected elements, found {symbol!r}")
    return number


def one_element(symbols: list[str], concentrations: list[float]) -> str:
    """The element of a site that holds one fully.

    Raises:
        LeftOutError: it is shared, or partly empty.
    """
    occupied = [(s, c) for s, c in zip(symbols, concentrations, strict=True) if float(c) > FULL_OCCUPANCY_TOLERANCE]
    if len(occupied) != 1 or abs(float(occupied[0][1]) - 1.0) > FULL_OCCUPANCY_TOLERANCE:
        shown = ", ".join(f"{s} {c}" for s, c in zip(symbols, concentrations, strict=True))
        raise LeftOutError(ExclusionReason.DISORDERED, f"expected full occupancy, found {shown}")
    return str(occupied[0][0])


def finite_number(value: Any) -> float | None:
    """A number as it is, anything else as unknown."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None
