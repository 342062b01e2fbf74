"""Which crystals are found equal, against crystals known to be equal and against pymatgen's own defaults."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from written_crystals import batch_of, perovskite, set_of, shifted_perovskite, tinisi

from crystalforge.crystals import to_structure
from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.rows import batch_from_table
from crystalforge.evaluation.matching import Shapes, any_match, equal_classes, index_by
from crystalforge.evaluation.workers import Workers


def _classes(here: Workers, *crystals: tuple) -> list[int]:
    samples = set_of("generated", *crystals)
    return equal_classes(samples.crystals, samples.crystal_ids, samples.prototype_keys, here).tolist()


def test_known_duplicates_are_one_class(here: Workers) -> None:
    crystals = [perovskite(), tinisi(), perovskite(), perovskite(4.3), tinisi(0.482), perovskite(y="Zr")]
    assert _classes(here, *crystals) == [0, 1, 0, 0, 1, 5]


def test_other_coordinates_are_another_class(here: Workers) -> None:
    assert _classes(here, tinisi(), tinisi(0.30), tinisi(0.305)) == [0, 1, 1]


def test_a_crystal_from_another_origin_is_equal(here: Workers) -> None:
    both = [np.array([1])]
    assert any_match(batch_of(perovskite()), batch_of(tinisi(), shifted_perovskite()), both, here).tolist() == [True]


def test_without_candidates_nothing_matches(here: Workers) -> None:
    none = np.zeros(0, dtype=np.int64)
    found = any_match(batch_of(perovskite(), tinisi()), batch_of(perovskite()), [none, none], here)
    assert found.tolist() == [False, False]
    assert any_match(CrystalBatch.empty(), CrystalBatch.empty(), [], here).tolist() == []


def test_a_target_that_is_not_fitted_matches_only_where_it_is_nearly_equal(here: Workers) -> None:
    """Sc 0.25 Å away: within the matcher's tolerance, outside that of nearly equal crystals."""
    query, targets = batch_of(tinisi()), batch_of(tinisi(0.482), tinisi(0.5210))
    no = np.zeros(2, dtype=bool)
    for row, fitted, expected in ((0, no, True), (1, no, False), (1, ~no, True)):
        assert any_match(query, targets, [np.array([row])], here, fitted).tolist() == [expected]


def test_index_by() -> None:
    found = index_by(np.array(["b", "a", "b"]))
    assert {key: rows.tolist() for key, rows in found.items()} == {"a": [1], "b": [0, 2]}
    assert index_by(np.array([], dtype=str)) == {}


@pytest.fixture(scope="module")
def real(bundled_materials: pa.Table) -> CrystalBatch:
    batch = batch_from_table(bundled_materials)
    return batch.select(np.random.default_rng(2).choice(len(batch), 60, replace=False))


def test_nearly_equal_crystals_are_equal_to_pymatgen(real: CrystalBatch) -> None:
    """The cheap criterion may only say yes where the matcher does: cells and sites moved to its very bounds."""
    random = np.random.default_rng(3)
    lengths = real.lattice_parameters.copy()
    lengths[:, :3] *= 1.15 * np.exp(
        np.where(lengths[:, :3] == lengths[:, :1], 0.0, random.choice([-0.015, 0.015], (60, 1)))
    )
    moved = replace(real, lattice_parameters=lengths)
    shapes, others = Shapes(real), Shapes(moved)
    near = [bool(shapes.near(i, others, np.array([i]))[0]) for i in range(60)]
    assert sum(near) > 30
    matcher = StructureMatcher(ltol=0.2, stol=0.3, angle_tol=5)
    assert all(matcher.fit(to_structure(real, i), to_structure(moved, i)) for i in range(60) if near[i])


def test_matching_is_pymatgens_on_whole_structures(real: CrystalBatch, here: Workers) -> None:
    """Primitive Niggli cells, made once, give what ``fit`` gives on conventional cells."""
    random = np.random.default_rng(4)
    free = np.abs(real.frac_coords * 24 - np.rint(real.frac_coords * 24)) > 1e-6
    # Only sites of 62 in 4c may move anywhere in their mirror plane; others keep their place.
    rows = np.flatnonzero((real.space_group_number == 62) & (real.wyckoff_letter == "c").all(axis=1))
    steps = np.where(free[rows], random.uniform(-0.12, 0.12, (len(rows), 3, 3)), 0.0) * np.array([1.0, 0.0, 1.0])
    first, second = real.select(rows), replace(real.select(rows), frac_coords=real.frac_coords[rows] + steps)
    ours = any_match(first, second, [np.array([i]) for i in range(len(rows))], here)
    matcher = StructureMatcher(ltol=0.2, stol=0.3, angle_tol=5)
    theirs = [matcher.fit(to_structure(first, i), to_structure(second, i)) for i in range(len(rows))]
    assert ours.tolist() == theirs
    assert len(rows) >= 3
