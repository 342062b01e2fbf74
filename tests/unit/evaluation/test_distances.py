"""Distances of distributions that are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance
from written_crystals import perovskite, set_of, tinisi

from crystalforge.evaluation.distances import (
    _resampled_wasserstein,
    elements_of,
    halves_distance,
    templates_of,
    variation_figures,
    wasserstein_figures,
)


def test_crystals_ten_percent_larger_are_that_far_away() -> None:
    edges = (3.8, 3.9, 4.0, 4.1)
    reference = set_of("validation", *(perovskite(a) for a in edges))
    samples = set_of("generated", *(perovskite(1.1 * a) for a in edges), percolated=2)
    figures = {(f.metric, f.space_group_number): f for f in wasserstein_figures(samples, reference)}
    distance = figures["wasserstein_log_volume_per_atom", None]
    assert distance.value == pytest.approx(3 * np.log(1.1))
    assert distance.n == 4, "samples without a crystal have no volume"
    assert figures["wasserstein_log_volume_per_atom", 221].value == distance.value
    ratio = figures["wasserstein_ratio_log_volume_per_atom", None]
    volumes = 3 * np.log(np.array(edges))
    # Halves of two are {1,2}|{3,4}, {1,3}|{2,4} or {1,4}|{2,3}; each is as likely.
    splits = [((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))]
    halves = [wasserstein_distance(volumes[list(one)], volumes[list(other)]) for one, other in splits]
    assert distance.value / max(halves) < ratio.value < distance.value / min(halves)
    assert ratio.value == pytest.approx(distance.value / np.mean(halves), rel=0.25)


def test_too_few_real_crystals_give_no_distance() -> None:
    reference = set_of("validation", perovskite(), perovskite(4.0), perovskite(4.1))
    figures = list(wasserstein_figures(set_of("generated", perovskite()), reference))
    assert len(figures) == 2 * 3 * 2
    assert all(np.isnan(figure.value) for figure in figures)


def test_halves_of_two_values_are_those_values() -> None:
    assert halves_distance(np.array([1.0, 4.0]), np.random.default_rng(0)) == 3.0


def test_resampled_distances_are_scipys() -> None:
    random = np.random.default_rng(5)
    first, second = random.normal(size=40), random.normal(0.3, 2.0, size=25)
    ours = _resampled_wasserstein(first, second, np.random.default_rng(1))
    again = np.random.default_rng(1)
    for distance in ours[:20]:
        drawn = [values[again.integers(len(values), size=len(values))] for values in (first, second)]
        # The same draws: positions on the joint support stand for the values.
        assert distance == pytest.approx(wasserstein_distance(*drawn))


def test_total_variation_of_templates_and_elements() -> None:
    real = set_of("training", perovskite(), perovskite(4.0), perovskite(y="Zr"), tinisi())
    ours = set_of("generated", perovskite(), tinisi(), tinisi(0.47), tinisi(0.46))
    of_templates = {
        f.space_group_number: f for f in variation_figures("t", "s", templates_of(ours), templates_of(real))
    }
    assert of_templates[None].value == pytest.approx(0.5)
    assert (of_templates[221].value, of_templates[62].value) == (0.0, 0.0)
    of_elements = {f.space_group_number: f for f in variation_figures("e", "s", elements_of(ours), elements_of(real))}
    # 221: Sr, Ti, O a third each against Sr 3/9, Ti 2/9, Zr 1/9, O 3/9.
    assert of_elements[221].value == pytest.approx(1 / 9)
    assert of_elements[221].n == 3


def test_a_group_without_samples_has_no_distance() -> None:
    figures = variation_figures(
        "t", "s", templates_of(set_of("generated", tinisi())), templates_of(set_of("r", perovskite()))
    )
    assert [(f.space_group_number, f.n, bool(np.isnan(f.value))) for f in figures] == [
        (None, 1, False),
        (221, 0, True),
    ]
