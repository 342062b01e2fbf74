"""`generate` through real Ray Data: every sample a row, the same bytes whatever happens on the way."""

from __future__ import annotations

import dataclasses
import shutil
import threading
from pathlib import Path

import pytest
from real_commands import kill_workers

from crystalforge.catalog.query import open_catalog
from crystalforge.catalog.shards import ShardManifest
from crystalforge.errors import BusyError, DamagedFileError, GenerationError, ModelNotFoundError, UsageError
from crystalforge.files import read_json, sha256_of_file, write_json
from crystalforge.generation.plan import Balance, GenerationPlan
from crystalforge.home import Home
from crystalforge.jobs.generate import generate
from crystalforge.jobs.generation_plans import load_plan, plan_generation
from crystalforge.jobs.trained_models import find_models
from crystalforge.locks import exclusive

pytestmark = pytest.mark.ray


def make_plan(home: Home, count: int = 600, **choices: object) -> GenerationPlan:
    settings = {"seed": 5, "shard_size": 100, "min_contact_ratio": 0.5} | choices
    return plan_generation(find_models(home), count, space_groups=[225, 62], **settings)


def digests(home: Home, plan: GenerationPlan) -> dict[str, str]:
    """SHA-256 of every shard's file, checked against the manifest."""
    folder = home.generations / plan.generation_id
    lines = {line["file"]: line["sha256"] for line in ShardManifest(folder).records()}
    on_disk = {name: sha256_of_file(folder / name) for name in lines}
    assert on_disk == lines
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")} == set(lines)
    assert not [path for path in folder.rglob("*") if path.name.endswith(".partial")]
    return on_disk


@pytest.fixture(scope="module")
def undisturbed(
    trained: Home, tmp_path_factory: pytest.TempPathFactory, ray_session: None
) -> tuple[Home, GenerationPlan, dict[str, str]]:
    """A generation that ran through, and its digests."""
    home = Home.locate(shutil.copytree(trained.path, tmp_path_factory.mktemp("undisturbed") / "home"))
    plan = make_plan(home)
    summary = generate(home, plan)
    assert (summary.rows, summary.shards_written, summary.shards_kept) == (600, len(plan.shards()), 0)
    return home, plan, digests(home, plan)


def test_every_sample_is_a_row(undisturbed: tuple[Home, GenerationPlan, dict[str, str]]) -> None:
    home, plan, _ = undisturbed
    with open_catalog(home, generations=[plan.generation_id]) as catalog:
        (row,) = catalog.query(
            "SELECT count(*) AS n, count(DISTINCT sample_id) AS distinct_ids, "
            "count(*) FILTER (status = 'accepted') AS accepted FROM samples"
        ).to_pylist()
        by_group = catalog.query("SELECT space_group_number, count(*) AS n FROM samples GROUP BY ALL").to_pylist()
        candidates = catalog.query("SELECT count(*) = count(DISTINCT crystal_id) AS u FROM candidates").to_pylist()
    assert (row["n"], row["distinct_ids"]) == (600, 600)
    assert {r["space_group_number"]: r["n"] for r in by_group} == plan.counts
    assert candidates == [{"u": True}]
    # By training share: 181 and 117 crystals.
    assert plan.counts == {225: 364, 62: 236}


def test_the_same_plan_again_draws_nothing(undisturbed: tuple[Home, GenerationPlan, dict[str, str]]) -> None:
    home, plan, before = undisturbed
    summary = generate(home, plan)
    assert (summary.rows, summary.shards_written, summary.shards_kept) == (600, 0, len(before))
    assert load_plan(home, plan.generation_id) == plan


def test_a_worker_writes_the_bytes_that_this_process_would(
    undisturbed: tuple[Home, GenerationPlan, dict[str, str]], tmp_path: Path
) -> None:
    from crystalforge.catalog.shards import write_shard
    from crystalforge.gan.checkpoint import load_model
    from crystalforge.generation.sampling import sample_shard

    home, plan, before = undisturbed
    shard = plan.shards()[-1]
    model = load_model(find_models(home).checkpoint_folder(shard.space_group_number))
    assert write_shard(tmp_path, shard.file, sample_shard(model, plan, shard)).sha256 == before[shard.file]


def test_lost_and_damaged_shards_are_drawn_again_to_the_same_bytes(
    undisturbed: tuple[Home, GenerationPlan, dict[str, str]], trained_home: Home
) -> None:
    _, plan, before = undisturbed
    generate(trained_home, plan)
    folder = trained_home.generations / plan.generation_id
    names = sorted(before)
    (folder / names[0]).unlink()
    content = bytearray((folder / names[1]).read_bytes())
    content[100] ^= 4
    (folder / names[1]).write_bytes(content)
    summary = generate(trained_home, plan)
    assert (summary.rows, summary.shards_written) == (600, 2)
    assert digests(trained_home, plan) == before


def test_killed_workers_do_not_change_the_bytes(
    undisturbed: tuple[Home, GenerationPlan, dict[str, str]], trained_home: Home
) -> None:
    _, plan, before = undisturbed
    killed: list[int] = []

    def kill_workers_once(*_: int) -> None:
        if not killed:
            killed.extend(kill_workers("MapWorker"))

    summary = generate(trained_home, plan, progress=kill_workers_once)
    assert killed
    assert summary.rows == 600
    assert digests(trained_home, plan) == before


def test_a_generation_that_is_stopped_leaves_no_thread_that_could_still_ask_ray(
    trained_home: Home, ray_session: None
) -> None:
    """A thread that asks a Ray that is gone ends the process without a word."""
    plan = make_plan(trained_home, shard_size=20)
    earlier = set(threading.enumerate())

    def stop(rows: int, planned: int, accepted: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(trained_home, plan, progress=stop)
    assert {thread.name for thread in set(threading.enumerate()) - earlier} <= {"Prefetcher"}


def test_a_generation_in_use_is_busy(undisturbed: tuple[Home, GenerationPlan, dict[str, str]]) -> None:
    home, plan, _ = undisturbed
    with exclusive(home.generations / plan.generation_id, "The test"), pytest.raises(BusyError):
        generate(home, plan)


def test_a_damaged_model_ends_the_run_with_its_name(trained_home: Home, ray_session: None) -> None:
    plan = make_plan(trained_home, seed=6)
    path = find_models(trained_home).checkpoint_folder(225) / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(GenerationError, match=r"model\.safetensors is damaged: expected sha256"):
        generate(trained_home, plan)


def test_a_plan_of_other_models_is_refused(trained_home: Home) -> None:
    plan = dataclasses.replace(make_plan(trained_home), models={225: "0" * 64, 62: "0" * 64})
    with pytest.raises(ModelNotFoundError, match="are not those that generation"):
        generate(trained_home, plan)


def test_a_group_without_model_is_named(trained_home: Home) -> None:
    models = find_models(trained_home)
    with pytest.raises(ModelNotFoundError, match=r"no finished model for space group 216; it has 62, 225"):
        models.choose([225, 216])
    with pytest.raises(ModelNotFoundError, match="71, 123"):
        models.choose(None)


def test_equal_balance_draws_as_many_of_each(trained_home: Home) -> None:
    assert make_plan(trained_home, balance=Balance.EQUAL).counts == {225: 300, 62: 300}
    with pytest.raises(UsageError, match="--count must be a positive"):
        make_plan(trained_home, count=0)


def test_a_contact_ratio_that_is_no_number_is_refused(trained_home: Home) -> None:
    with pytest.raises(UsageError, match="--min-contact-ratio must be a number from 0, got nan"):
        make_plan(trained_home, min_contact_ratio=float("nan"))


def test_damaged_records_are_named(trained_home: Home) -> None:
    folder = trained_home.generations / "g"
    write_json(folder / "generation.json", {})
    with pytest.raises(DamagedFileError, match=r"generation\.json is damaged: it lacks count, counts"):
        load_plan(trained_home, "g")
    write_json(folder / "generation.json", make_plan(trained_home).to_json())
    with pytest.raises(DamagedFileError, match="expected the plan of generation g"):
        load_plan(trained_home, "g")
    models = find_models(trained_home)
    write_json(models.folder / "space_group_number=62" / "model.json", {})
    with pytest.raises(DamagedFileError, match=r"model\.json is damaged: it lacks checkpoint"):
        find_models(trained_home)


def test_an_unknown_generation_or_training_lists_what_there_is(trained_home: Home, tmp_path: Path) -> None:
    with pytest.raises(GenerationError, match=r"No generation 'nope'.*it has none"):
        load_plan(trained_home, "nope")
    with pytest.raises(ModelNotFoundError, match=r"No training 'nope'.*it has small-"):
        find_models(trained_home, "nope")
    with pytest.raises(ModelNotFoundError, match="Run `platform train-all` first"):
        find_models(Home.locate(tmp_path / "empty"))


def test_the_newest_training_is_taken(trained_home: Home) -> None:
    models = find_models(trained_home)
    folder = trained_home.trainings / "zz-copy"
    (models.folder).rename(folder)
    record = read_json(folder / "training.json") | {"training_id": "zz-copy"}
    write_json(folder / "training.json", record)
    assert find_models(trained_home).training_id == "zz-copy"
