"""What is asked of the crystals of a dataset besides three sites and a space group: elements and stability.

A server is asked for such crystals only, where it can be; the curation checks every crystal again, of any source.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.elements import SYMBOLS, atomic_number
from crystalforge.dataset.crystal_columns import CrystalColumns
from crystalforge.dataset.exclusion import ExclusionReason
from crystalforge.errors import UsageError

ANY_ELEMENT = "*"
LeaveOut = Callable[[NDArray[np.bool_], ExclusionReason, Callable[[int], str]], None]


@dataclass(frozen=True)
class Filters:
    """What is asked of every crystal; the default asks nothing.

    Attributes:
        elements: symbols that each crystal has, at most three, in alphabetical order.
        exclude_elements: symbols that none has, in alphabetical order.
        max_energy_above_hull: eV/atom, by the source; crystals whose energy it does not give are left out too.
    """

    elements: tuple[str, ...] = ()
    exclude_elements: tuple[str, ...] = ()
    max_energy_above_hull: float | None = None

    def __post_init__(self) -> None:
        for symbol in (*self.elements, *self.exclude_elements):
            atomic_number(symbol)
        _refuse_contradictions(self)

    def to_json(self) -> dict[str, Any]:
        """Only what is asked: an empty object where nothing is."""
        asked: dict[str, Any] = {}
        if self.elements:
            asked["elements"] = list(self.elements)
        if self.exclude_elements:
            asked["exclude_elements"] = list(self.exclude_elements)
        if self.max_energy_above_hull is not None:
            asked["max_energy_above_hull"] = self.max_energy_above_hull
        return asked


def _refuse_contradictions(filters: Filters) -> None:
    if len(filters.elements) > 3:
        raise UsageError(
            f"Expected at most three elements, as every crystal here has three, got {', '.join(filters.elements)}."
        )
    both = sorted(set(filters.elements) & set(filters.exclude_elements))
    if both:
        raise UsageError(
            f"{', '.join(both)} cannot be asked for and excluded at once. Take it out of one of the lists."
        )
    energy = filters.max_energy_above_hull
    if energy is not None and (not math.isfinite(energy) or energy < 0):
        raise UsageError(f"The highest energy above hull must be 0 eV/atom or more, got {energy}.")


def parse_elements(text: str | None) -> tuple[str, ...]:
    """Read ``Li,*,O``: the symbols in alphabetical order, each once; ``*`` is any element and says nothing.

    Raises:
        UsageError: a symbol is no element's.
    """
    names = {name.strip() for name in (text or "").split(",")} - {"", ANY_ELEMENT}
    for name in sorted(names):
        atomic_number(name)
    return tuple(sorted(names))


def check_filters(columns: CrystalColumns, filters: Filters, leave_out: LeaveOut) -> None:
    """Leave out the crystals that lack what is asked for.

    Args:
        columns: n crystals of known elements.
        filters: what is asked.
        leave_out: told of the rows, the reason, and the detail of a row.
    """
    numbers = columns.atomic_numbers
    lacks = np.zeros(len(columns), dtype=bool)
    for symbol in filters.elements:
        lacks |= ~(numbers == atomic_number(symbol)).any(axis=1)
    for symbol in filters.exclude_elements:
        lacks |= (numbers == atomic_number(symbol)).any(axis=1)
    asked = f"{', '.join(filters.elements) or 'any'} without {', '.join(filters.exclude_elements) or 'none'}"
    leave_out(
        lacks,
        ExclusionReason.ELEMENTS_NOT_ASKED,
        lambda row: f"expected {asked}, found {', '.join(SYMBOLS[number] for number in numbers[row])}",
    )
    if filters.max_energy_above_hull is None:
        return
    energies = columns.properties["energy_above_hull"]
    leave_out(
        ~(energies <= filters.max_energy_above_hull),
        ExclusionReason.ENERGY_NOT_ASKED,
        lambda row: (
            f"expected an energy above hull of at most {filters.max_energy_above_hull} eV/atom, "
            f"found {'none' if np.isnan(energies[row]) else f'{energies[row]:.4g}'}"
        ),
    )
