"""Oxidation states: the table is pymatgen's, and neutrality is what charges and electronegativities say."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from crystalforge.crystals.elements import atomic_number, electronegativities, symbols
from crystalforge.crystals.oxidation import can_be_neutral, common_oxidation_states, is_metal
from crystalforge.crystals.oxidation_table import TABLE_PATH, build_table
from crystalforge.files import read_json


def neutral(triple: str, counts: tuple[int, int, int]) -> bool:
    elements = atomic_number(triple.split())
    return bool(can_be_neutral(elements, counts)[0, 1, 2])


def test_the_table_is_pymatgens() -> None:
    assert read_json(TABLE_PATH) == build_table()


@pytest.mark.parametrize(
    ("triple", "counts", "expected"),
    [
        ("Sr Ti O", (1, 1, 3), True),
        ("Sr Ti O", (1, 1, 2), False),
        ("Li Al Si", (1, 1, 1), True),
        ("Mn Co Ga", (1, 2, 1), False),
        ("O O O", (1, 1, 1), False),
        ("Li He O", (1, 1, 1), False),
        ("Cs Cl Ag", (1, 3, 1), False),
        ("Cs Cl Pb", (1, 3, 1), True),
    ],
)
def test_known_compounds(triple: str, counts: tuple[int, int, int], expected: bool) -> None:
    assert neutral(triple, counts) is expected


def test_agrees_with_trying_every_state() -> None:
    elements = atomic_number(np.array(["Li", "C", "N", "O", "Fe", "Cu", "As", "Sn", "La", "Cl", "Mg", "S"]))
    counts = (2, 1, 4)
    found = can_be_neutral(elements, counts)
    values = electronegativities()
    for places in product(range(len(elements)), repeat=3):
        assert found[places] == any(
            sum(count * charge for count, charge in zip(counts, charges, strict=True)) == 0
            and max(values[elements[p]] for p, q in zip(places, charges, strict=True) if q > 0)
            < min(values[elements[p]] for p, q in zip(places, charges, strict=True) if q < 0)
            for charges in product(*(common_oxidation_states()[elements[p]] for p in places))
            if any(charge > 0 for charge in charges) and any(charge < 0 for charge in charges) and 0 not in charges
        ), symbols(elements[list(places)])


def test_metals() -> None:
    metals = symbols(np.flatnonzero(is_metal())).tolist()
    assert {"Li", "Al", "Fe", "Gd", "U"} <= set(metals)
    assert not {"H", "B", "Si", "Ge", "As", "Te", "O", "Xe"} & set(metals)
