"""The SciPy ways that the benchmark times give our merge's answers: the timing of a wrong result is worthless."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from crystalforge.symmetry import SPACE_GROUPS, merge_overlapping_sites

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import scipy_ways  # noqa: E402
from merging_samples import CUTOFFS, draw_samples  # noqa: E402
from merging_timing import WAYS, disagreements  # noqa: E402

sys.path.remove(str(BENCHMARKS))

# A monoclinic, a triclinic and a trigonal group whose cells need more images than rounding finds.
OTHER_GROUPS = (2, 15, 148)
SITES = {"distance_matrix_27_images": 3}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", SPACE_GROUPS + OTHER_GROUPS)
def test_way_equals_our_merge(number: int, way: str) -> None:
    for kind in CUTOFFS:
        samples = draw_samples(number, kind, SITES.get(way, 40), seed=1)
        merged = merge_overlapping_sites(number, samples.frac_coords, samples.lattice_parameters, samples.cutoff)
        found = getattr(scipy_ways, way)(number, samples.frac_coords, samples.lattice_parameters, samples.cutoff)
        assert disagreements(samples, merged, found) == []


def test_disagreements_are_found() -> None:
    samples = draw_samples(225, "generation", 40)
    merged = merge_overlapping_sites(225, samples.frac_coords, samples.lattice_parameters, samples.cutoff)
    found = scipy_ways.connected_pairs(225, samples.frac_coords, samples.lattice_parameters, samples.cutoff)
    whole = np.flatnonzero(~found.percolates)[:2]
    found.multiplicity[whole[0]] *= 2
    found.frac_coords[whole[1]] += 1e-5
    assert disagreements(samples, merged, found) == whole.tolist()


@pytest.mark.parametrize("images", ["few", "all"])
def test_wide_cutoffs_percolate_alike(images: str) -> None:
    """Cut-offs beyond the cell: whole lattice vectors, two images of one pair, and cells of no right angle."""
    number = {"few": 62, "all": 2}[images]
    samples = draw_samples(number, "wide", 60, seed=2)
    cutoff = np.linspace(2.0, 6.0, 60)
    merged = merge_overlapping_sites(number, samples.frac_coords, samples.lattice_parameters, cutoff)
    found = scipy_ways.hierarchical_tuned(number, samples.frac_coords, samples.lattice_parameters, cutoff)
    assert disagreements(samples, merged, found) == []
    assert merged.percolates.any() and not merged.percolates.all()
