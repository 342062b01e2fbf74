"""Formulas as the formats want them: counts of the conventional cell, reduced, in Hill's order, anonymous."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from string import ascii_uppercase

from crystalforge.crystals.elements import symbols
from crystalforge.export.symmetrised import SymmetrisedCrystal

Counts = Mapping[str, int]
"""Symbol → atoms."""


def element_counts(crystal: SymmetrisedCrystal) -> dict[str, int]:
    """Atoms of each element in the conventional cell, in the order of the sites."""
    counts: dict[str, int] = {}
    for symbol, multiplicity in zip(symbols(crystal.atomic_numbers).tolist(), crystal.multiplicity, strict=True):
        counts[symbol] = counts.get(symbol, 0) + int(multiplicity)
    return counts


def formula_units(counts: Counts) -> int:
    """Greatest common divisor of the counts."""
    return math.gcd(*counts.values())


def reduce_counts(counts: Counts) -> dict[str, int]:
    """The counts of one formula unit."""
    units = formula_units(counts)
    return {symbol: count // units for symbol, count in counts.items()}


def formula_text(counts: Counts, order: Iterable[str] | None = None, separator: str = "") -> str:
    """As ``LiAlSi2``; a count of 1 is not written.

    Args:
        counts: symbol → atoms.
        order: of the symbols; None for that of the counts.
        separator: between the elements.
    """
    return separator.join(f"{symbol}{'' if counts[symbol] == 1 else counts[symbol]}" for symbol in order or counts)


def hill_order(counts: Counts) -> list[str]:
    """Carbon, then hydrogen, then alphabetical; without carbon all alphabetical."""
    first = [symbol for symbol in ("C", "H") if symbol in counts] if "C" in counts else []
    return [*first, *sorted(symbol for symbol in counts if symbol not in first)]


def anonymous_formula(counts: Counts) -> str:
    """As ``A4B2C``: the counts of one formula unit, descending."""
    ordered = sorted(reduce_counts(counts).values(), reverse=True)
    return formula_text(dict(zip(ascii_uppercase, ordered, strict=False)))
