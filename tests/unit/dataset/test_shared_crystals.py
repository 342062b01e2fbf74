"""Datasets of the shared real crystals."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import spglib
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from crystalforge.crystals.rows import batch_from_table
from crystalforge.dataset import build_dataset, find_dataset, training_table
from crystalforge.home import Home

PARQUET_COUNTS = {
    225: 4154,
    71: 2042,
    221: 1341,
    139: 865,
    62: 794,
    216: 728,
    166: 713,
    194: 660,
    123: 424,
    164: 421,
    141: 382,
    227: 364,
}
"""Crystals per group of the shared training set: of its rows, two in 227 are one crystal with another origin."""


@pytest.mark.shared
def test_the_shared_training_set_is_kept_but_for_one_duplicate(shared_data: Path, home: Home) -> None:
    start = time.monotonic()
    manifest = build_dataset(home, str(shared_data / "mp_ternary_12sg.parquet"))
    assert time.monotonic() - start < 30
    assert manifest.counts == PARQUET_COUNTS
    assert manifest.exclusion_counts == {"duplicate": 1}
    batch = batch_from_table(find_dataset(home).materials())
    assert len(batch) == 12_888
    assert np.isfinite(batch.frac_coords).all()
    assert training_table(find_dataset(home).materials(), 227).orbit_coords.shape[:2] == (364, 3)


@pytest.mark.shared
def test_the_row_left_out_is_another_setting_of_a_crystal_that_is_kept(shared_data: Path) -> None:
    """The two rows, told equal by pymatgen, which knows nothing of settings."""
    rows = pq.read_table(
        shared_data / "mp_ternary_12sg.parquet", filters=[("material_id", "in", ["mp-1118911", "mp-1349635"])]
    ).to_pylist()
    first, second = (_structure(row) for row in rows)
    assert len(first) == len(second) == 32
    assert StructureMatcher(ltol=1e-4, stol=1e-4, angle_tol=1e-3, scale=False).fit(first, second)


def _structure(row: dict[str, Any]) -> Structure:
    """A row of group 227 as all its atoms, by spglib's operations alone."""
    operations = spglib.get_symmetry_from_database(525)
    sites = np.reshape(row["base_frac_coords"], (3, 3))
    coords, species = [], []
    for site, element in zip(sites, row["base_species"], strict=True):
        images = np.round((operations["rotations"] @ site + operations["translations"]) % 1.0, 4) % 1.0
        distinct = np.unique(images, axis=0)
        coords.append(distinct)
        species += [element] * len(distinct)
    return Structure(Lattice.cubic(row["conv_a"]), species, np.vstack(coords))


@pytest.mark.shared
def test_the_first_rows_of_mp20(shared_data: Path, home: Home, tmp_path: Path) -> None:
    import csv

    with (shared_data / "mp20_format_sample.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(itertools.islice(csv.DictReader(stream), 100))
    path = tmp_path / "mp20.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    manifest = build_dataset(home, str(path))
    assert manifest.n_materials + manifest.n_exclusions == 100
    kept = {row["material_id"]: row for row in find_dataset(home).materials().to_pylist()}
    stated = {row["material_id"]: row for row in rows}
    for material_id, row in kept.items():
        assert row["space_group_number"] == int(stated[material_id]["spacegroup.number"])
        assert row["formation_energy_per_atom"] == float(stated[material_id]["formation_energy_per_atom"])
    build_dataset(home, str(shared_data / "mp_ternary_12sg.parquet"), name="training")
    training = find_dataset(home, "training").materials()
    both = [row for row in training.to_pylist() if row["material_id"] in stated]
    assert len(both) >= 10
    differences = []
    for row in both:
        ours = kept[row["material_id"]]
        assert (ours["elements"], ours["formula"]) == (row["elements"], row["formula"])
        assert ours["multiplicities"] == row["multiplicities"]
        differences.append(max(abs(ours[name] / row[name] - 1) for name in "abc"))
    # Two snapshots, relaxed differently: over all 247 common crystals lengths differ by 0.7 % (median), 8.5 % (most).
    assert np.median(differences) < 0.015
    assert max(differences) < 0.1
