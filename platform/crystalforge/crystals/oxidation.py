"""Oxidation states: which three elements can be neutral together, and which elements are metals.

The states are pymatgen's common ones, read from ``oxidation.json`` (made by
``python -m crystalforge.crystals.oxidation_table``), so that workers need not import pymatgen.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalforge.crystals.elements import electronegativities
from crystalforge.crystals.oxidation_table import TABLE_PATH
from crystalforge.files import read_json

SIGN_PATTERNS = [signs for signs in product((1, -1), repeat=3) if len(set(signs)) == 2]
"""Who gives and who takes electrons among three elements: at least one of each."""


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = read_json(TABLE_PATH)
    return table


@cache
def common_oxidation_states() -> tuple[tuple[int, ...], ...]:
    """The common oxidation states by atomic number; none at index 0 and for He, Ne, Ar, Rn and from Db on."""
    return ((), *(tuple(states) for states in _table()["common_oxidation_states"]))


@cache
def is_metal() -> NDArray[np.bool_]:
    """(119,) whether an element is a metal (pymatgen: metalloids are not); not writable."""
    metals = np.array([False, *_table()["is_metal"]])
    metals.setflags(write=False)
    return metals


def can_be_neutral(elements: ArrayLike, counts: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Whether three elements can be charge-balanced, each in one common oxidation state.

    As SMACT's test (Davies et al., Chem 2016): the charges add up to zero, and every cation is less electronegative
    than every anion.

    Args:
        elements: (n_elements,) atomic numbers.
        counts: atoms of the first, second and third element in a formula unit.

    Returns:
        (n_elements, n_elements, n_elements) for each choice of the three.
    """
    numbers = np.asarray(elements, dtype=np.int64)
    neutral = np.zeros((len(numbers),) * 3, dtype=np.bool_)
    for signs in SIGN_PATTERNS:
        charges = [_charges(numbers, sign, count) for sign, count in zip(signs, counts, strict=True)]
        neutral |= _sum_to_zero(*charges) & _ordered(numbers, signs)
    return neutral


def _charges(numbers: NDArray[np.int64], sign: int, count: int) -> list[list[int]]:
    """Charge that ``count`` atoms of each element can carry with this sign."""
    states = common_oxidation_states()
    return [[count * state for state in states[number] if state * sign > 0] for number in numbers.tolist()]


def _sum_to_zero(first: list[list[int]], second: list[list[int]], third: list[list[int]]) -> NDArray[np.bool_]:
    """(n, n, n) whether one charge of each adds up to zero: reachable sums of two against needs of the third."""
    reach = 1 + max(abs(charge) for charges in (*first, *second, *third, [0]) for charge in charges)
    n_elements, n_sums = len(first), 4 * reach
    sums = np.zeros((n_elements, n_elements, n_sums), dtype=np.float32)
    for a, charges in enumerate(first):
        for b, others in enumerate(second):
            for charge, other in product(charges, others):
                sums[a, b, charge + other + 2 * reach] = 1
    needs = np.zeros((n_sums, n_elements), dtype=np.float32)
    for c, charges in enumerate(third):
        for charge in charges:
            needs[2 * reach - charge, c] = 1
    return (sums.reshape(-1, n_sums) @ needs > 0).reshape((n_elements,) * 3)


def _ordered(numbers: NDArray[np.int64], signs: tuple[int, ...]) -> NDArray[np.bool_]:
    """(n, n, n) whether every cation is less electronegative than every anion; unknown values are not."""
    values = electronegativities()[numbers]
    ordered = np.ones((len(numbers),) * 3, dtype=np.bool_)
    for cation, anion in product(range(3), repeat=2):
        if signs[cation] > 0 > signs[anion]:
            ordered &= np.expand_dims(values, _axes_but(cation)) < np.expand_dims(values, _axes_but(anion))
    return ordered


def _axes_but(axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(3) if other != axis)
