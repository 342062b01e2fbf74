"""Figures with their 95 % bootstrap intervals.

A share of n samples is resampled as binomial draws, which is what resampling n yes-or-no values comes to. An interval
about 0 or 1 is therefore empty: nothing was seen of the other kind.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

N_BOOTSTRAP = 1000
COVERED = (2.5, 97.5)
"""Percentiles that bound the interval."""


@dataclass(frozen=True)
class Figure:
    """One figure: a metric of a source in a space group, or pooled (None).

    Attributes:
        metric: a key of ``METRICS``.
        source: whose.
        space_group_number: 1 to 230, or None for all.
        value: NaN where n is too small for one.
        low: lower end of the interval.
        high: upper end of the interval.
        n: denominator.
    """

    metric: str
    source: str
    space_group_number: int | None
    value: float
    low: float
    high: float
    n: int


def stream(metric: str, source: str, space_group_number: int | None) -> np.random.Generator:
    """Random numbers of one figure, the same in every run, whatever else is computed."""
    return np.random.default_rng([zlib.crc32(f"{metric}/{source}".encode()), space_group_number or 0])


def groups_and_pool(space_group_numbers: ArrayLike) -> Iterator[tuple[int | None, NDArray[np.bool_]]]:
    """All rows pooled (None), then the rows of each space group, as masks (n,)."""
    numbers = np.asarray(space_group_numbers)
    yield None, np.ones(len(numbers), dtype=bool)
    for number in np.unique(numbers):
        yield int(number), numbers == number


def share_figures(
    metric: str,
    source: str,
    space_group_numbers: NDArray[np.int64],
    holds: NDArray[np.bool_],
    counted: NDArray[np.bool_] | None = None,
    scale: float = 1.0,
) -> list[Figure]:
    """Shares, pooled and by space group.

    Args:
        metric: its name.
        source: whose.
        space_group_numbers: (n,).
        holds: (n,) what is counted.
        counted: (n,) what counts in the denominator; all by default.
        scale: factor of value and interval.
    """
    counts = np.ones(len(holds), dtype=bool) if counted is None else counted
    figures = []
    for number, rows in groups_and_pool(space_group_numbers):
        n, k = int((rows & counts).sum()), int((rows & counts & holds).sum())
        if n == 0:
            figures.append(Figure(metric, source, number, np.nan, np.nan, np.nan, 0))
            continue
        drawn = stream(metric, source, number).binomial(n, k / n, N_BOOTSTRAP) / n
        low, high = np.percentile(drawn, COVERED) * scale
        figures.append(Figure(metric, source, number, k / n * scale, float(low), float(high), n))
    return figures


def median_figures(
    metric: str, source: str, space_group_numbers: NDArray[np.int64], values: NDArray[np.float64]
) -> list[Figure]:
    """Medians, pooled and by space group; NaN values are left out.

    Args:
        metric: its name.
        source: whose.
        space_group_numbers: (n,).
        values: (n,).
    """
    figures = []
    for number, rows in groups_and_pool(space_group_numbers):
        known = values[rows & np.isfinite(values)]
        if len(known) == 0:
            figures.append(Figure(metric, source, number, np.nan, np.nan, np.nan, 0))
            continue
        choices = stream(metric, source, number).integers(len(known), size=(N_BOOTSTRAP, len(known)))
        low, high = np.percentile(np.median(known[choices], axis=1), COVERED)
        figures.append(Figure(metric, source, number, float(np.median(known)), float(low), float(high), len(known)))
    return figures


def about(value: float, resampled: NDArray[np.float64]) -> tuple[float, float]:
    """Interval of a distance from its resampled values.

    Resampling adds noise to both sides, so resampled distances are larger than the distance itself; their spread is
    laid about the value, and never below 0.
    """
    low, high = np.percentile(resampled - resampled.mean(), COVERED) + value
    return max(float(low), 0.0), float(high)
