from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from small_generation import SEED, TRAINING_ID, add_small_generation

from crystalforge.catalog.lineage import trace
from crystalforge.catalog.query import open_catalog
from crystalforge.dataset import find_dataset
from crystalforge.errors import UsageError
from crystalforge.home import Home


def test_a_sample_leads_back_to_its_dataset(small_home: Home) -> None:
    plan = add_small_generation(small_home)
    dataset = find_dataset(small_home)
    with open_catalog(small_home) as catalog:
        sql = "SELECT sample_id, crystal_id, space_group_number, formula FROM samples WHERE crystal_id IS NOT NULL"
        row = catalog.query(f"{sql} LIMIT 1").to_pylist()[0]
    lineage = trace(small_home, row["sample_id"])
    by_crystal = trace(small_home, row["crystal_id"])
    assert dataclasses.replace(by_crystal, asked_for=row["sample_id"]) == lineage
    assert lineage.crystal_id == row["crystal_id"]
    assert lineage.crystal["formula"] == row["formula"]
    sample = next(found for found in lineage.samples if found["sample_id"] == row["sample_id"])
    assert (sample["seed"], sample["model_checksum"]) == (SEED, plan.models[row["space_group_number"]])
    (generation,), (training,), (origin,) = lineage.generations, lineage.trainings, lineage.datasets
    assert (generation["generation_id"], generation["training_id"]) == (plan.generation_id, TRAINING_ID)
    assert (training["recipe"], training["record_found"]) == ("small", True)
    assert (origin["dataset_id"], origin["checksum"], origin["found"]) == (dataset.dataset_id, dataset.checksum, True)
    assert lineage.relaxations == lineage.attempts == []


def test_the_nearest_real_crystals_come_first(small_home: Home) -> None:
    """NaCl-like perovskite KMgH3: distances by hand from the atomic fractions."""
    with open_catalog(small_home) as catalog:
        sql = "SELECT crystal_id, material_id, dataset_id FROM materials WHERE formula = 'KMgH3'"
        (row,) = catalog.query(sql).to_pylist()
    lineage = trace(small_home, row["material_id"], neighbours=200)
    assert [material["material_id"] for material in lineage.materials] == [row["material_id"]]
    assert (lineage.samples, lineage.n_samples) == ([], 0)
    by_formula = {neighbour["formula"]: neighbour["distance"] for neighbour in lineage.neighbours}
    assert row["crystal_id"] not in {neighbour["crystal_id"] for neighbour in lineage.neighbours}
    assert by_formula["RbCaH3"] == pytest.approx(0.4), "three of five atoms are the same"
    distances = [neighbour["distance"] for neighbour in lineage.neighbours]
    assert distances == sorted(distances)
    assert all(0 <= distance < 1 for distance in distances), "all share an element"


def test_a_sample_without_a_crystal_has_its_origin(small_home: Home) -> None:
    add_small_generation(small_home)
    with open_catalog(small_home) as catalog:
        rows = catalog.query("SELECT sample_id FROM samples WHERE crystal_id IS NULL LIMIT 1").to_pylist()
    assert rows, "some samples of this generation percolate"
    lineage = trace(small_home, rows[0]["sample_id"])
    assert (lineage.crystal_id, lineage.crystal, lineage.neighbours) == (None, {}, [])
    assert [sample["sample_id"] for sample in lineage.samples] == [rows[0]["sample_id"]]


def test_what_is_gone_is_said_to_be_gone(small_home: Home) -> None:
    add_small_generation(small_home)
    (small_home.trainings / TRAINING_ID / "training.json").unlink()
    with open_catalog(small_home) as catalog:
        (row,) = catalog.query("SELECT sample_id FROM samples LIMIT 1").to_pylist()
    (training,) = trace(small_home, row["sample_id"]).trainings
    assert {key: value for key, value in training.items() if value is not None} == {
        "training_id": TRAINING_ID,
        "record_found": False,
    }


def test_samples_of_all_generations_are_counted_and_some_listed(catalog_home: Home) -> None:
    crystal = f"225{0:029x}"
    lineage = trace(catalog_home, crystal)
    assert [sample["generation_id"] for sample in lineage.samples[:2]] == ["older", "older"]
    assert lineage.n_samples == len(lineage.samples) == 4
    assert [material["material_id"] for material in lineage.materials] == ["m0"]


def test_an_unknown_name_is_refused(catalog_home: Home) -> None:
    for name in ("nope", "", "'; DROP TABLE samples; --", "../../etc"):
        with pytest.raises(UsageError, match="expected a crystal_id, sample_id or material_id"):
            trace(catalog_home, name)


@pytest.fixture
def small_home(bundled_home: Home, tmp_path: Path) -> Home:
    return Home.locate(shutil.copytree(bundled_home.path, tmp_path / "small"))
