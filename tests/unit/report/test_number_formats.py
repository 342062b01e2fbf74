"""Values are written as the field writes them, and nothing that comes from a file becomes markup."""

from __future__ import annotations

import pytest

from crystalforge.report import formats


@pytest.mark.parametrize(("value", "text"), [(50000, "50\u202f000"), (0, "0"), (999, "999"), (None, "–")])
def test_integer(value: int | None, text: str) -> None:
    assert formats.integer(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.994, "99.4"), (1, "100"), (0, "0"), (0.0037, "0.37"), (0.081, "8.1"), (0.99999, "100.0")]
)
def test_percent_has_more_places_where_shares_are_small(share: float, text: str) -> None:
    assert formats.percent(share) == f"{text}\u202f%"


def test_nothing_is_a_dash() -> None:
    assert {formats.percent(None), formats.fixed(None), formats.number(float("nan")), formats.day(None)} == {"–"}


@pytest.mark.parametrize(("value", "text"), [(-0.0004, "0.000"), (-0.0367, "−0.037"), (0.05, "0.050")])
def test_fixed_has_a_true_minus_and_no_negative_zero(value: float, text: str) -> None:
    assert formats.fixed(value) == text


def test_formula_has_subscripts_and_no_markup_of_others() -> None:
    assert formats.formula("Li2MgO2") == "Li<sub>2</sub>MgO<sub>2</sub>"
    assert "<script>" not in formats.formula("<script>1</script>")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (225, 'Fm<span class="bar">3</span>m'),
        (194, "P6<sub>3</sub>/mmc"),
        (62, "Pnma"),
        (216, 'F<span class="bar">4</span>3m'),
    ],
)
def test_symbol_has_bars_and_screws(number: int, text: str) -> None:
    assert formats.symbol(number) == f'<span class="hm">{text}</span>'
