"""Distances between distributions: Wasserstein for quantities, total variation for templates and elements."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.elements import SYMBOLS
from crystalforge.evaluation.intervals import Figure, about, groups_and_pool, stream
from crystalforge.evaluation.metrics import QUANTITIES
from crystalforge.evaluation.samples import SampleSet

N_HALVINGS = 50
N_RESAMPLED = 200
LEAST_VALUES = 4
"""Of real crystals: two halves of two."""

FloatArray = NDArray[np.float64]
Keyed = tuple[NDArray[np.int64], NDArray[np.str_]]
"""Space group and key of each thing counted."""


def quantities_of(samples: SampleSet) -> dict[str, FloatArray]:
    """Quantity → its values (n_crystals,); NaN where unknown."""
    return {
        "log_volume_per_atom": np.log(samples.volumes_per_atom),
        "density": samples.densities,
        "contact_ratio": samples.contacts.min_contact_ratio,
    }


def wasserstein_figures(samples: SampleSet, reference: SampleSet) -> Iterator[Figure]:
    """Distances of every quantity from the real crystals set aside, and their ratios to that of two halves of these.

    Args:
        samples: judged by their merged crystals.
        reference: real crystals set aside.
    """
    ours, theirs = quantities_of(samples), quantities_of(reference)
    rows = dict(groups_and_pool(samples.crystals.space_group_number))
    for name in QUANTITIES:
        for number, reference_rows in groups_and_pool(reference.crystals.space_group_number):
            values = ours[name][rows.get(number, np.zeros(len(ours[name]), dtype=bool))]
            real = theirs[name][reference_rows]
            yield from _wasserstein(name, samples.source, number, values[np.isfinite(values)], real[np.isfinite(real)])


def _wasserstein(
    name: str, source: str, number: int | None, values: FloatArray, real: FloatArray
) -> tuple[Figure, Figure]:
    absolute, ratio = f"wasserstein_{name}", f"wasserstein_ratio_{name}"
    n = len(values)
    if n == 0 or len(real) < LEAST_VALUES:
        return _nothing(absolute, source, number, n), _nothing(ratio, source, number, n)
    from scipy.stats import wasserstein_distance

    value = float(wasserstein_distance(values, real))
    low, high = about(value, _resampled_wasserstein(values, real, stream(absolute, source, number)))
    # The same halves for every source, so that their ratios compare.
    halves = halves_distance(real, stream(ratio, "", number))
    scale = 1.0 / halves if halves > 0 else np.nan
    return (
        Figure(absolute, source, number, value, low, high, n),
        Figure(ratio, source, number, value * scale, low * scale, high * scale, n),
    )


def halves_distance(real: FloatArray, random: np.random.Generator) -> float:
    """Mean Wasserstein distance between two random halves of the values."""
    from scipy.stats import wasserstein_distance

    half = len(real) // 2
    orders = (random.permutation(real) for _ in range(N_HALVINGS))
    return float(np.mean([wasserstein_distance(order[:half], order[half:]) for order in orders]))


def _resampled_wasserstein(first: FloatArray, second: FloatArray, random: np.random.Generator) -> FloatArray:
    """Distances of resampled values: ∫|F - G| on the support that both had before (n_resampled,)."""
    support, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    widths = np.diff(support)
    distances = np.empty(N_RESAMPLED)
    for trial in range(N_RESAMPLED):
        steps = np.zeros(len(support))
        for values, sign in ((places[: len(first)], 1.0), (places[len(first) :], -1.0)):
            drawn = values[random.integers(len(values), size=len(values))]
            steps += np.bincount(drawn, minlength=len(support)) * (sign / len(values))
        distances[trial] = (np.abs(np.cumsum(steps)[:-1]) * widths).sum()
    return distances


def _nothing(metric: str, source: str, number: int | None, n: int) -> Figure:
    return Figure(metric, source, number, np.nan, np.nan, np.nan, n)


def templates_of(samples: SampleSet) -> Keyed:
    """Space group and template of every crystal."""
    return samples.crystals.space_group_number, samples.templates


def elements_of(samples: SampleSet) -> Keyed:
    """Space group and element of every site."""
    numbers = samples.crystals.atomic_numbers
    return np.repeat(samples.crystals.space_group_number, numbers.shape[1]), np.array(SYMBOLS)[numbers.ravel()]


def variation_figures(metric: str, source: str, ours: Keyed, real: Keyed) -> Iterator[Figure]:
    """Total variation distances: half the sum of |share of ours - share of the real ones|, 0 to 1."""
    rows = dict(groups_and_pool(ours[0]))
    for number, real_rows in groups_and_pool(real[0]):
        keys = ours[1][rows.get(number, np.zeros(len(ours[1]), dtype=bool))]
        if len(keys) == 0:
            yield _nothing(metric, source, number, 0)
            continue
        names, places = np.unique(np.concatenate([keys, real[1][real_rows]]), return_inverse=True)
        first = np.bincount(places[: len(keys)], minlength=len(names)) / len(keys)
        n_real = len(places) - len(keys)
        second = np.bincount(places[len(keys) :], minlength=len(names)) / n_real
        value = float(np.abs(first - second).sum() / 2)
        random = stream(metric, source, number)
        drawn_first = random.multinomial(len(keys), first, size=N_RESAMPLED) / len(keys)
        drawn_second = random.multinomial(n_real, second, size=N_RESAMPLED) / n_real
        low, high = about(value, np.abs(drawn_first - drawn_second).sum(axis=1) / 2)
        yield Figure(metric, source, number, value, low, high, len(keys))
