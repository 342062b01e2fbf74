"""Properties of the merge that must hold in all 230 space groups, by hypothesis with a fixed seed.

The properties of one pass on random sites are in test_merging.py, the comparison with SciPy is in
test_merging_against_scipy.py. Here sites are multiples of 1/48 and of 1/10000 (on, near and off every special
position), and the merge is repeated until the centres are apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from oracle_cases import random_cells

from crystalforge.symmetry import MergedSites, merge_overlapping_sites, space_group, wyckoff_letters

N_SITES = 8
"""Sites of one example: a call costs the same for one and for many."""
EXAMPLES = 4
"""Examples of each of the 230 groups and each test."""
PRECISION = 1e-9
"""Fractional."""

every_group = pytest.mark.parametrize("number", range(1, 231))


@dataclass(frozen=True)
class Sites:
    """Sites of an example, and what to do to them: repr is what hypothesis shows of a failing one."""

    frac_coords: list[tuple[float, float, float]]
    cutoff: list[float]
    seed_of_cells: int
    operation: list[int]
    shift: list[tuple[int, int, int]]
    scale: float

    def merge(self, number: int, **changes: Any) -> MergedSites:
        arguments = {"frac_coords": self.frac_coords, "cells": self.cells(number), "cutoff": np.array(self.cutoff)}
        arguments |= changes
        return merge_overlapping_sites(number, *arguments.values(), repeat=True)

    def cells(self, number: int) -> np.ndarray:
        rng = np.random.default_rng(self.seed_of_cells)
        return random_cells(space_group(number).crystal_system, N_SITES, rng)


coordinate = st.one_of(
    st.integers(-48, 96).map(lambda k: k / 48), st.integers(-10_000, 20_000).map(lambda k: k / 10_000)
)


def each(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, min_size=N_SITES, max_size=N_SITES)


sites_to_merge = st.builds(
    Sites,
    frac_coords=each(st.tuples(coordinate, coordinate, coordinate)),
    # 1e-3 Å steps: with random cells no distance is within round-off of a cut-off.
    cutoff=each(st.integers(0, 3200).map(lambda k: k / 1000)),
    seed_of_cells=st.integers(0, 2**32 - 1),
    operation=each(st.integers(0, 191)),
    shift=each(st.tuples(*[st.integers(-3, 3)] * 3)),
    scale=st.floats(0.3, 7.0),
)


def prove(holds: Callable[[int, Sites], None], number: int) -> None:
    """Try a property on examples of the group's own, the same in every run."""

    @seed(number)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(sites=sites_to_merge)
    def on_examples(sites: Sites) -> None:
        holds(number, sites)

    on_examples()


def assert_same_orbits(merged: MergedSites, other: MergedSites) -> None:
    assert other.percolates.tolist() == merged.percolates.tolist()
    assert other.multiplicity.tolist() == merged.multiplicity.tolist()
    assert other.wyckoff_letter.tolist() == merged.wyckoff_letter.tolist()


def assert_same_places(frac_coords: np.ndarray, expected: np.ndarray, percolates: np.ndarray) -> None:
    difference = (frac_coords - expected)[~percolates]
    assert (np.abs(difference - np.round(difference)) < PRECISION).all()
    assert np.isnan(frac_coords[percolates]).all()


def the_site_symmetry_of_the_centre_is_what_merged(number: int, sites: Sites) -> None:
    group, merged = space_group(number), sites.merge(number)
    whole = ~merged.percolates
    centres, multiplicity = merged.frac_coords[whole], merged.multiplicity[whole]
    assert (group.order % multiplicity == 0).all() and (merged.multiplicity[~whole] == 0).all()
    moved = np.einsum("pij,nj->npi", group.rotations, centres) + group.translations - centres[:, None]
    fixing = (np.abs(moved - np.round(moved)).max(axis=-1) < PRECISION).sum(axis=1)
    assert (fixing * multiplicity == group.order).all()
    letters, multiplicities = wyckoff_letters(number, centres, tolerance=1e-7)
    assert letters.tolist() == merged.wyckoff_letter[whole].tolist()
    assert multiplicities.tolist() == multiplicity.tolist()
    stated = {position.letter: position.multiplicity for position in group.wyckoff_positions}
    assert [stated[letter] for letter in letters] == multiplicity.tolist()


def any_member_of_the_orbit_in_any_cell_gives_the_same(number: int, sites: Sites) -> None:
    group, merged = space_group(number), sites.merge(number)
    operation = np.array(sites.operation) % group.order
    R, t = group.rotations[operation], group.translations[operation] + sites.shift
    images = np.einsum("nij,nj->ni", R, sites.frac_coords) + t
    other = sites.merge(number, frac_coords=images)
    assert_same_orbits(merged, other)
    # The cluster of g·x is g of the cluster of x; whole cells do not change it.
    assert_same_places(other.frac_coords, np.einsum("nij,nj->ni", R, merged.frac_coords) + t, merged.percolates)


def merging_again_and_scaling_change_nothing(number: int, sites: Sites) -> None:
    merged = sites.merge(number)
    again = sites.merge(number, frac_coords=np.nan_to_num(merged.frac_coords))
    whole = ~merged.percolates
    assert not again.percolates[whole].any()
    assert again.multiplicity[whole].tolist() == merged.multiplicity[whole].tolist()
    assert again.wyckoff_letter[whole].tolist() == merged.wyckoff_letter[whole].tolist()
    assert_same_places(again.frac_coords[whole], merged.frac_coords[whole], merged.percolates[whole])
    lengths = np.array([sites.scale] * 3 + [1.0] * 3)
    scaled = sites.merge(number, cells=sites.cells(number) * lengths, cutoff=np.array(sites.cutoff) * sites.scale)
    assert_same_orbits(merged, scaled)
    assert_same_places(scaled.frac_coords, merged.frac_coords, merged.percolates)


@every_group
@pytest.mark.parametrize(
    "holds",
    [
        the_site_symmetry_of_the_centre_is_what_merged,
        any_member_of_the_orbit_in_any_cell_gives_the_same,
        merging_again_and_scaling_change_nothing,
    ],
    ids=lambda holds: holds.__name__,
)
def test_in_every_group(holds: Callable[[int, Sites], None], number: int) -> None:
    prove(holds, number)


def test_the_examples_are_of_all_kinds() -> None:
    """Sites that percolate, that merge and that stay, in most groups: the properties above are not empty."""
    kinds = {"percolate": 0, "merge": 0, "stay": 0}

    def count(number: int, sites: Sites) -> None:
        merged = sites.merge(number)
        order = space_group(number).order
        kinds["percolate"] += bool(merged.percolates.any())
        kinds["merge"] += bool(((merged.multiplicity > 0) & (merged.multiplicity < order)).any())
        kinds["stay"] += bool((merged.multiplicity == order).any())

    for number in range(1, 231, 10):
        prove(count, number)
    assert min(kinds.values()) > 15, kinds
