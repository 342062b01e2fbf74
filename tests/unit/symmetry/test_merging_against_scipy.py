"""The exact merge against SciPy's single linkage on the expanded cloud: the same clusters in every case.

A short run of `python benchmarks/oracle.py`, which judges 40,000 cases in the same way. Its fast oracle stands here
beside the plain one, ``cluster_overlapping_sites``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fast_oracle import cluster_orbit
from oracle_agreement import VERDICTS, Site, compare, compare_oracles, judge_chunk
from oracle_cases import draw_cases

from crystalforge.symmetry import (
    SPACE_GROUPS,
    MergedSites,
    cluster_overlapping_sites,
    merge_overlapping_sites,
    space_group,
)

OTHER_GROUPS = tuple(number for number in range(1, 231) if number not in SPACE_GROUPS)
MUST_BE_ZERO = ("disagrees", "repeat_disagrees", "too_close", "on_edge", "tensors_differ")


def assert_all_agree(number: int, n: int, *, tensors: bool) -> dict[str, int]:
    """Counts of a run of the oracle, of which none may disagree."""
    result = judge_chunk(number, n, [number, n], tensors=tensors)
    kinds = result["counts_by_kind"].values()
    counts = {name: sum(kind[name] for kind in kinds) for name in next(iter(kinds))}
    assert counts["cases"] == n
    assert [counts[name] for name in MUST_BE_ZERO] == [0] * len(MUST_BE_ZERO), result["examples"]
    assert result["largest_deviation_of_centres_angstrom"] < 1e-9
    return counts


@pytest.mark.parametrize("number", SPACE_GROUPS)
def test_equals_single_linkage(number: int) -> None:
    counts = assert_all_agree(number, 48, tensors=True)
    # The cases are of all kinds: some percolate, some merge, and a merge that does nothing would be wrong in most.
    assert counts["percolating"] >= 2 and counts["merged"] >= 16 and counts["untouched"] < 24


@pytest.mark.parametrize("number", OTHER_GROUPS)
def test_equals_single_linkage_in_every_other_group(number: int) -> None:
    assert_all_agree(number, 4, tensors=number % 10 == 0)


@pytest.mark.parametrize("number", [*SPACE_GROUPS, 2, 14, 43, 148, 220])
def test_the_fast_oracle_is_the_plain_one(number: int) -> None:
    result = compare_oracles(number, 5, [number, 5, 1])
    assert (result["n"], result["disagreements"]) == (5, 0), result["examples"]


@pytest.mark.parametrize("number", [62, 194, 225])
def test_equals_the_plain_oracle(number: int) -> None:
    """Without the fast oracle in between."""
    cases = draw_cases(number, 10, np.random.default_rng([number, 3]))
    merged = merge_overlapping_sites(number, cases.frac_coords, cases.lattice_parameters, cases.cutoff)
    for row in range(10):
        site = Site(space_group(number), cases.frac_coords[row], cases.lattice_parameters[row], cases.cutoff[row])
        plain = cluster_overlapping_sites(number, site.frac_coords, site.lattice_parameters, site.cutoff)
        assert compare(site, plain, merged, row)[0] == "agree", site.as_text()


def test_the_oracle_sees_what_is_wrong() -> None:
    group = space_group(225)
    site = Site(group, np.array([0.887, 0.8914, 0.0434]), np.array([6.098] * 3 + [90.0] * 3), 0.653)
    oracle = site.clusters()
    assert len(oracle.frac_coords) == 4 and not oracle.percolates and not oracle.on_edge
    right = MergedSites(np.zeros((1, 3)), np.array([4]), np.array(["a"]), np.array([False]))
    assert compare(site, oracle, right, 0) == ("agree", pytest.approx(0.0, abs=1e-12))
    moved = replace(right, frac_coords=np.array([[3e-7, 0.0, 0.0]]))  # 1.8e-6 Å
    assert compare(site, oracle, moved, 0)[0] == "centres differ"
    assert compare(site, oracle, replace(right, multiplicity=np.array([8])), 0)[0] == "number of clusters differs"
    assert compare(site, oracle, replace(right, percolates=np.array([True])), 0)[0] == "percolation differs"
    assert len(VERDICTS) == 4


def test_percolation_is_found_on_a_chain() -> None:
    """A primitive cell of 3 Å links to its own images at 3 Å, and at nothing less."""
    cell = [3.0, 3.0, 3.0, 90.0, 90.0, 90.0]
    for cutoff, percolates, on_edge in ((3.0, True, True), (2.9999, False, False), (3.0001, True, False)):
        assert cluster_overlapping_sites(221, [0, 0, 0], cell, cutoff).percolates == percolates
        fast = cluster_orbit(space_group(221), np.zeros(3), np.array(cell), cutoff)
        assert (fast.percolates, fast.on_edge) == (percolates, on_edge)
