"""A shard: exactly the planned rows, of the schema, reproducible, with everything a row must hold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crystalforge.crystals.structures import to_structure
from crystalforge.dataset import training_table
from crystalforge.gan.checkpoint import load_model, save_checkpoint
from crystalforge.gan.data import training_data
from crystalforge.gan.model import Model, training_statistics
from crystalforge.gan.paper_training import PaperTrainer
from crystalforge.gan.recipe import load_recipe
from crystalforge.generation.plan import GenerationPlan, Shard
from crystalforge.generation.sampling import accepted_shares, sample_shard
from crystalforge.schemas import SAMPLES, RejectReason

FLOOR = 0.3
"""Of the least contact ratio: low, so that a model of few steps has accepted samples."""


@pytest.fixture(scope="module")
def model(bundled_materials: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of space group 216 after a few steps on its crystals."""
    rows = bundled_materials.filter(pc.equal(bundled_materials["space_group_number"], 216))
    table = training_table(rows, 216)
    arrays = (table.lattice_parameters, table.atomic_numbers, table.orbit_coords, table.multiplicity)
    trainer = PaperTrainer.create(216, load_recipe("quick").with_steps(25), seed=0)
    trainer.train_epoch(training_data(*arrays, samples_per_material=32, seed=np.random.SeedSequence(0)))
    folder: Path = tmp_path_factory.mktemp("model")
    save_checkpoint(folder, trainer, training_statistics(table.atomic_numbers, rows["volume_per_atom"].to_numpy()), {})
    return load_model(folder)


@pytest.fixture(scope="module")
def plan() -> GenerationPlan:
    return GenerationPlan(
        "training", "dataset", 11, 700, {216: 700}, {216: "c" * 64}, shard_size=400, min_contact_ratio=FLOOR
    )


@pytest.fixture(scope="module")
def shard(model: Model, plan: GenerationPlan) -> pa.Table:
    return sample_shard(model, plan, plan.shards()[1])


def test_every_sample_is_a_row_of_the_schema(shard: pa.Table, plan: GenerationPlan) -> None:
    assert shard.schema.equals(SAMPLES, check_metadata=True)
    shard.validate(full=True)
    assert shard.num_rows == 300
    assert shard["index"].to_pylist() == list(range(400, 700))
    assert len(set(shard["sample_id"].to_pylist())) == 300
    assert shard["sample_id"][0].as_py() == f"{plan.generation_id}-216-00000400"
    for name, value in {"seed": 11, "hall_number": 512, "training_id": "training", "shard": 1}.items():
        assert set(shard[name].to_pylist()) == {value}


def test_no_row_has_a_null_where_the_schema_forbids_it(shard: pa.Table) -> None:
    assert {field.name for field in SAMPLES if not field.nullable and shard[field.name].null_count} == set()


def test_status_and_reason_agree(shard: pa.Table) -> None:
    pairs = Counter(zip(shard["status"].to_pylist(), shard["reject_reason"].to_pylist(), strict=True))
    assert pairs["accepted", None] > 0
    assert sum(pairs.values()) - pairs["accepted", None] > 0
    for status, reason in pairs:
        assert (status == "accepted") == (reason is None)
        assert reason is None or RejectReason(reason)


def test_only_percolating_samples_lack_a_crystal(shard: pa.Table) -> None:
    without = shard.filter(pc.is_null(shard["crystal_id"]))
    assert set(without["reject_reason"].to_pylist()) <= {"percolates", "not_finite", "failed"}
    for name in ("base_frac_coords", "wyckoff_letters", "formula", "density", "min_contact_ratio"):
        assert without[name].null_count == without.num_rows
        assert shard[name].null_count == without.num_rows


def test_accepted_crystals_hold_what_their_row_says(shard: pa.Table) -> None:
    accepted = shard.filter(pc.equal(shard["status"], "accepted")).to_pylist()
    for row in accepted[:10]:
        structure = to_structure(row)
        assert len(structure) == row["n_atoms_conventional"] == sum(row["multiplicities"])
        assert structure.composition.reduced_formula
        assert structure.volume / len(structure) == pytest.approx(row["volume_per_atom"])
        assert structure.density == pytest.approx(row["density"], rel=1e-3)
        assert row["min_contact_ratio"] >= FLOOR


def test_a_search_finds_the_group_or_a_higher_one_for_accepted_and_unique_samples_only(shard: pa.Table) -> None:
    seen = set()
    for row in shard.to_pylist():
        searched = row["status"] == "accepted" and row["crystal_id"] not in seen
        assert (row["space_group_found"] is not None) == searched
        if searched:
            seen.add(row["crystal_id"])
            assert row["space_group_found"] >= 216


def test_the_same_shard_twice_is_the_same_table(model: Model, plan: GenerationPlan, shard: pa.Table) -> None:
    assert sample_shard(model, plan, plan.shards()[1]).equals(shard)
    assert not sample_shard(model, plan, Shard(216, 2, 400, 300))["raw_frac_coords"].equals(shard["raw_frac_coords"])


def test_the_accepted_share_stands_beside_that_of_noise(model: Model) -> None:
    shares = accepted_shares(model, 400, np.random.SeedSequence(0))
    assert set(shares) == {"accepted_share", "accepted_share_null"}
    assert 0 <= shares["accepted_share_null"] < 0.5
    assert shares == accepted_shares(model, 400, np.random.SeedSequence(0))
    strict = accepted_shares(model, 400, np.random.SeedSequence(0), min_contact_ratio=2.0)
    assert strict == {"accepted_share": 0.0, "accepted_share_null": 0.0}
