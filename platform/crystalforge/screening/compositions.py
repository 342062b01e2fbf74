"""Formulas as pymatgen compositions, and the systems that a set of elements spans."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

from crystalforge.errors import UsageError

if TYPE_CHECKING:
    from pymatgen.core import Composition


@lru_cache(maxsize=100_000)
def composition_of(formula: str) -> Composition:
    """Composition of a formula.

    Raises:
        UsageError: it is no formula.
    """
    from pymatgen.core import Composition

    try:
        return Composition(formula)
    except ValueError as error:
        raise UsageError(f"'{formula}' is no formula: expected one such as SrTiO3 ({error}).") from error


@lru_cache(maxsize=100_000)
def reduced_formula(formula: str) -> str:
    """A formula as all with its ratios are written.

    Raises:
        UsageError: it is no formula.
    """
    with noble_gases_allowed():
        return str(composition_of(formula).reduced_formula)


@contextmanager
def noble_gases_allowed() -> Iterator[None]:
    """Pymatgen orders formulas by electronegativity, and warns that a noble gas has none: it then comes last."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No Pauling electronegativity")
        yield


def elements_of(formula: str) -> tuple[str, ...]:
    """Symbols of its elements, alphabetical."""
    return tuple(sorted(element.symbol for element in composition_of(formula).elements))


def fractions_of(formula: str) -> dict[str, float]:
    """Atomic fraction of each element."""
    composition = composition_of(formula)
    return {symbol: composition.get_atomic_fraction(symbol) for symbol in elements_of(formula)}


def system_name(elements: Iterable[str]) -> str:
    """Alphabetical, joined by '-'."""
    return "-".join(sorted(elements))


def systems_within(elements: Iterable[str]) -> list[str]:
    """Every system of one or more of the elements, the smallest first."""
    symbols = sorted(elements)
    return [system_name(some) for size in range(1, len(symbols) + 1) for some in combinations(symbols, size)]
