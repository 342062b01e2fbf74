"""Figures and intervals against values that were worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from crystalforge.evaluation.intervals import about, median_figures, share_figures

NUMBERS = np.array([62] * 4 + [225] * 6)
HOLDS = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 0], dtype=bool)


def test_shares_are_pooled_and_by_group() -> None:
    pooled, first, second = share_figures("valid_pgcgm", "generated", NUMBERS, HOLDS)
    assert (pooled.space_group_number, pooled.value, pooled.n) == (None, 0.4, 10)
    assert (first.space_group_number, first.value, first.n) == (62, 0.75, 4)
    assert (second.space_group_number, second.value, second.n) == (225, pytest.approx(1 / 6), 6)


def test_only_what_counts_is_in_the_denominator() -> None:
    counted = np.array([1, 1, 0, 0] + [0] * 6, dtype=bool)
    pooled, first, second = share_figures("novel", "generated", NUMBERS, HOLDS, counted)
    assert (pooled.value, pooled.n, first.value) == (1.0, 2, 1.0)
    assert second.n == 0
    assert np.isnan(second.value)


def test_the_interval_of_a_share_is_that_of_the_binomial_and_the_same_each_time() -> None:
    holds = np.arange(1000) < 300
    numbers = np.full(1000, 225)
    figure = share_figures("distinct", "generated", numbers, holds)[0]
    error = 1.96 * np.sqrt(0.3 * 0.7 / 1000)
    assert figure.low == pytest.approx(0.3 - error, abs=0.004)
    assert figure.high == pytest.approx(0.3 + error, abs=0.004)
    assert share_figures("distinct", "generated", numbers, holds)[0] == figure
    per_thousand = share_figures("distinct", "generated", numbers, holds, scale=1000.0)[0]
    assert (per_thousand.value, per_thousand.low) == (pytest.approx(300.0), pytest.approx(1000 * figure.low))


def test_medians_leave_out_what_is_unknown() -> None:
    values = np.array([1.0, 3.0, np.nan, 5.0] + [np.nan] * 6)
    pooled, first, second = median_figures("volume_error_of_first_hit", "generated", NUMBERS, values)
    assert (pooled.value, pooled.n, first.value, second.n) == (3.0, 3, 3.0, 0)
    assert (first.low, first.high) == (1.0, 5.0)


def test_the_interval_of_a_distance_lies_about_it_and_never_below_zero() -> None:
    low, high = about(0.01, np.array([0.5, 0.6, 0.7]))
    assert low == 0.0
    assert high == pytest.approx(0.01 + 0.095)
