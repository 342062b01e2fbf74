"""Every element has its place, and a shade that follows from its value."""

from __future__ import annotations

import re

import pytest
from pymatgen.core import Element

from crystalforge.crystals.elements import SYMBOLS
from crystalforge.errors import UsageError
from crystalforge.viewer import Scale, periodic_table
from crystalforge.viewer.periodic_table import element_position


@pytest.mark.parametrize("number", range(1, 119))
def test_place_is_pymatgens_period_and_group(number: int) -> None:
    element = Element(SYMBOLS[number])
    row, column = element_position(number)
    if element.is_lanthanoid or element.is_actinoid:
        assert (row, column) == (9 if element.is_lanthanoid else 10, number - (54 if element.is_lanthanoid else 86))
    else:
        assert (row, column) == (element.row, element.group)


def strengths(html: str) -> dict[str, float]:
    found = re.findall(r'data-symbol="(\w+)"[^>]*--strength:([\d.]+)%', html)
    return {symbol: float(value) for symbol, value in found}


def test_shades_follow_the_scale() -> None:
    values = {"Li": 1.0, "O": 100.0, "Fe": 10.0, "H": 0.0, "He": None}
    assert strengths(periodic_table(values, caption="n")) == {"H": 0.0, "Li": 1.0, "O": 100.0, "Fe": 10.0}
    logarithmic = strengths(periodic_table(values, caption="n", scale=Scale.LOGARITHMIC))
    assert logarithmic["H"] == 0
    assert logarithmic["O"] - logarithmic["Fe"] == pytest.approx(logarithmic["Fe"] - logarithmic["Li"], abs=0.2)


def test_diverging_scale_has_two_sides() -> None:
    html = periodic_table({"Li": -2.0, "O": 1.0}, caption="log2", scale=Scale.DIVERGING)
    assert strengths(html) == {"Li": 100.0, "O": 50.0}
    assert "heat-below" in re.search(r'data-symbol="Li"[^>]*', html)[0]  # type: ignore[index]


def test_empty_table_says_so_and_names_are_escaped() -> None:
    assert "no values" in periodic_table({}, caption="<b>")
    assert "<b>no" not in periodic_table({}, caption="<b>")
    assert "&quot;x&quot;" in periodic_table({"Li": 1.0}, caption="n", details={"Li": '"x"'})


def test_unknown_symbol_is_refused() -> None:
    with pytest.raises(UsageError, match="Unknown element"):
        periodic_table({"Xx": 1.0}, caption="n")
