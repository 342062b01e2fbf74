"""Composition samplers: different elements, canonical order, only what the crystals teach."""

from __future__ import annotations

import numpy as np
import pytest

from crystalforge.crystals.elements import order_by_electronegativity
from crystalforge.gan.compositions import SAMPLERS, count_elements, sample_compositions

TRIPLES = np.array([[11, 22, 8], [19, 41, 8], [11, 22, 8], [3, 25, 16]])


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_triples_are_of_different_known_elements_in_canonical_order(name: str) -> None:
    drawn = sample_compositions(name, count_elements(TRIPLES), 2000, np.random.default_rng(0))
    assert drawn.shape == (2000, 3)
    assert set(np.unique(drawn)) == set(np.unique(TRIPLES))
    assert all(len(set(triple)) == 3 for triple in drawn.tolist())
    np.testing.assert_array_equal(order_by_electronegativity(drawn), np.tile([0, 1, 2], (2000, 1)))


def test_uniform_draws_every_element_alike() -> None:
    drawn = sample_compositions("uniform", count_elements(TRIPLES), 20000, np.random.default_rng(0))
    shares = np.array([(drawn == element).any(axis=1).mean() for element in np.unique(TRIPLES)])
    np.testing.assert_allclose(shares, 3 / len(np.unique(TRIPLES)), atol=0.015)


def test_marginals_follow_the_sites() -> None:
    drawn = sample_compositions("marginals", count_elements(TRIPLES), 20000, np.random.default_rng(0))
    assert (drawn == 8).any(axis=1).mean() == pytest.approx(0.75, abs=0.015)
    assert (drawn == 11).any(axis=1).mean() == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_three_elements_are_enough(name: str) -> None:
    drawn = sample_compositions(name, count_elements(np.array([[11, 22, 8]])), 50, np.random.default_rng(0))
    assert set(map(tuple, drawn.tolist())) == {(11, 22, 8)}


def test_counts_are_by_site() -> None:
    counts = count_elements(TRIPLES)
    assert counts.shape == (3, 119)
    assert (counts[0, 11], counts[2, 8], counts[0, 8]) == (2, 3, 0)
