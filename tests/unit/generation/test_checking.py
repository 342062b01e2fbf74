"""Judging samples: real crystals pass, every reason is met, one bad crystal does not harm the others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crystalforge.crystals.rows import batch_from_table
from crystalforge.gan.data import radius_table
from crystalforge.gan.model import RawSamples
from crystalforge.gan.paper_recipe import Sampling
from crystalforge.generation.checking import Floors, judge
from crystalforge.symmetry import SPACE_GROUPS

SAMPLING = Sampling(compositions="uniform", merge_ratio=0.5)
FLOORS = Floors(SAMPLING, min_contact_ratio=0.75, volume_window=(4.0, 120.0))


def _raw(numbers: list, coords: list, lattice: list) -> RawSamples:
    atomic_numbers = np.array(numbers)
    return RawSamples(
        atomic_numbers,
        np.array(coords, float),
        np.array(lattice, float),
        radius_table().double().numpy()[atomic_numbers],
    )


def _real(materials: pa.Table, number: int) -> RawSamples:
    batch = batch_from_table(materials.filter(pc.equal(materials["space_group_number"], number)))
    return _raw(batch.atomic_numbers, batch.frac_coords, batch.lattice_parameters)


@pytest.mark.parametrize("number", SPACE_GROUPS)
def test_real_crystals_are_merged_to_themselves(bundled_materials: pa.Table, number: int) -> None:
    rows = bundled_materials.filter(pc.equal(bundled_materials["space_group_number"], number))
    verdicts = judge(number, _real(bundled_materials, number), FLOORS)
    assert verdicts.has_crystal.mean() > 0.95
    kept = batch_from_table(rows.filter(pa.array(verdicts.has_crystal)))
    same = (verdicts.crystals.wyckoff_letter == kept.wyckoff_letter).all(axis=1)
    assert same.mean() > 0.95, "merging must leave real crystals as they are"
    np.testing.assert_allclose(verdicts.crystals.frac_coords[same], kept.frac_coords[same], atol=1e-6)


def test_most_real_crystals_are_accepted(bundled_materials: pa.Table) -> None:
    accepted = np.concatenate([judge(n, _real(bundled_materials, n), FLOORS).accepted for n in SPACE_GROUPS])
    assert accepted.mean() > 0.9


HEUSLER = [[0.0, 0, 0], [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]]
CUBE = [6.0, 6.0, 6.0, 90, 90, 90]
GOOD = ([22, 13, 28], HEUSLER, CUBE)


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (GOOD, ""),
        (([22, 13, 28], [[0.02, -0.01, 0.01], [0.49, 0.5, 0.51], [0.26, 0.25, 0.24]], CUBE), ""),
        (([22, 13, 28], [[np.nan, 0, 0], *HEUSLER[1:]], CUBE), "not_finite"),
        (([22, 13, 28], HEUSLER, [np.inf, 6, 6, 90, 90, 90]), "not_finite"),
        (([22, 13, 28], HEUSLER, [1.0, 1, 1, 90, 90, 90]), "percolates"),
        (([22, 13, 28], HEUSLER, [4.5, 4.5, 4.5, 90, 90, 90]), "atoms_too_close"),
        (([22, 13, 28], [[0, 0, 0], [0.0, 0, 0], [0.25, 0.25, 0.25]], CUBE), "atoms_too_close"),
        (([36, 54, 86], [[0, 0, 0], [0.01, 0, 0], [0.5, 0.5, 0.5]], [14.0, 14, 14, 90, 90, 90]), "atoms_too_close"),
        (([22, 13, 28], HEUSLER, [14.0, 14, 14, 90, 90, 90]), "volume_out_of_range"),
        (([22, 13, 28], HEUSLER, [6.0, 7.0, 6.0, 90, 90, 90]), "failed"),  # no cell of a cubic group
    ],
)
def test_each_sample_gets_its_reason_and_its_neighbours_theirs(sample: tuple, reason: str) -> None:
    raw = _raw(*(list(parts) for parts in zip(GOOD, sample, GOOD, strict=True)))
    verdicts = judge(225, raw, FLOORS)
    assert verdicts.reasons.tolist() == ["", reason, ""]
    assert len(verdicts.crystals) == verdicts.has_crystal.sum()
    assert verdicts.crystals.multiplicity[0].tolist() == [4, 4, 8]


def test_a_perturbed_crystal_is_put_exactly_on_its_wyckoff_positions() -> None:
    sites = [[0.013, 0.007, -0.011], [0.507, 0.493, 0.509], [0.241, 0.259, 0.253]]
    verdicts = judge(225, _raw([[22, 13, 28]], [sites], [CUBE]), FLOORS)
    assert sorted(verdicts.crystals.wyckoff_letter[0]) == ["a", "b", "c"]
    quarters = verdicts.crystals.frac_coords * 4
    np.testing.assert_allclose(quarters, np.round(quarters), atol=1e-9)


def test_an_empty_batch_has_no_verdicts() -> None:
    raw = _raw([GOOD[0]], [GOOD[1]], [GOOD[2]])
    nothing = RawSamples(
        *(values[:0] for values in (raw.atomic_numbers, raw.frac_coords, raw.lattice_parameters, raw.radii))
    )
    assert len(judge(225, nothing, FLOORS).reasons) == 0
