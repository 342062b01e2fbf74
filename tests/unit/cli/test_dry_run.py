"""`--dry-run` tells plan, shards and time, from recorded times only, and leaves every byte of the home as it is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from small_alloys import DRAWN, GENERATION_ID, REJECTED, add_alloys
from small_catalog import digest
from small_queue import work_off
from small_screening import add_screening
from typer.testing import CliRunner

from crystalforge.catalog.shards import ShardManifest
from crystalforge.cli.app import app
from crystalforge.dataset import find_dataset
from crystalforge.files import read_json, write_json
from crystalforge.gan.recipe import load_recipe
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import EVALUATION_RECORD, MODEL_RECORD, Home, group_folder_name
from crystalforge.jobs.expected_times import ExpectedTime, expected_screening, expected_training
from crystalforge.jobs.screen import relax_here, screen
from crystalforge.jobs.screening_plans import plan_screening
from crystalforge.screening.choosing import choose_inputs
from crystalforge.screening.potentials import load_potential
from crystalforge.validation.claims import claim
from crystalforge.validation.ledger import Ledger

CPUS = os.cpu_count() or 1


def dry(home: Home, *words: object) -> dict[str, Any]:
    """What a command with --dry-run says, after which the home is what it was."""
    before = digest(home.path)
    result = CliRunner().invoke(app, [*map(str, words), "--dry-run", "--json", "--home", str(home.path)])
    assert result.exit_code == 0, result.output
    assert digest(home.path) == before
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_dataset_takes_what_one_of_its_kind_took(bundled_home: Home, tmp_path: Path) -> None:
    found = dry(bundled_home, "dataset", "build", "bundled", "--name", "other")
    manifest = find_dataset(bundled_home).manifest
    assert found["what"].startswith(
        f"Would curate {manifest.n_materials + manifest.n_exclusions:,} crystals of bundled"
    )
    assert found["expected"]["seconds"] == pytest.approx(manifest.seconds)
    there = dry(bundled_home, "dataset", "build", "bundled")
    assert (there["name"], there["shards_done"]) == (manifest.dataset_id, 1)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.cif").write_text("data_a")
    (tmp_path / "two.csv").write_text("material_id,cif\n1,data_a\n2,data_b\n")
    for source, inputs in (("folder", 1), ("two.csv", 2)):
        of_files = dry(bundled_home, "dataset", "build", tmp_path / source)
        assert f"Would curate {inputs:,} crystals" in of_files["what"]
        assert "has recorded its time" in of_files["expected"]["basis"]


def test_a_server_is_not_asked(bundled_home: Home) -> None:
    """Nothing listens at the address: a dry run looks at what lies here only."""
    found = dry(bundled_home, "dataset", "build", "optimade:http://127.0.0.1:9", "--elements", "Li")
    assert "an unknown number of crystals" in found["what"]
    assert found["expected"] == {
        "seconds": None,
        "basis": "as a dry run does not ask the server how many crystals it has",
    }
    assert found["notes"] == ["0 crystals were fetched already: the rest would be fetched; its time is the server's"]


def test_a_training_that_nobody_timed_has_no_time(bundled_home: Home) -> None:
    found = dry(bundled_home, "train-all", "--recipe", "quick", "--space-groups", "225,62")
    assert (found["shards"], found["shards_done"], found["dry_run"]) == (2, 0, True)
    assert found["plan"]["crystals_by_space_group"].keys() == {"225", "62"}
    assert found["expected"]["seconds"] is None
    assert "no training of recipe quick in this home has recorded its times" in found["expected"]["basis"]


def test_the_plan_is_told_in_words(bundled_home: Home) -> None:
    words = ["train-all", "--recipe", "quick", "--space-groups", "62", "--dry-run", "--home", str(bundled_home.path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0
    first, *lines = result.stdout.splitlines()
    assert first.startswith("Would train 1 models by recipe quick as quick-")
    assert {"  recipe: quick", "  shards: 1"} < set(lines)
    assert any(line.startswith("  expected time: none, as no training of recipe quick") for line in lines)
    assert result.stderr == "Nothing was written: this was a dry run.\n"


def test_a_training_takes_what_it_took_by_the_planned_steps(drawn_home: Home) -> None:
    """Two groups were trained with 4 steps: 225 in 3 + 10 + 1 s, 62 in 1 + 4 + 1 s."""
    for number, loop, start in ((225, 10.0, 3.0), (62, 4.0, 1.0)):
        path = drawn_home.trainings / "small-first" / group_folder_name(number) / MODEL_RECORD
        write_json(path, read_json(path) | {"seconds": {"start": start, "loop": loop, "end": 1.0}})
    record = drawn_home.trainings / "small-first" / "training.json"
    write_json(record, read_json(record) | {"recipe": "quick", "generator_steps": 4})
    recipe = load_recipe("quick").with_steps(8)
    assert expected_training(drawn_home, recipe, [225]).seconds == pytest.approx(3 + 20 + 1)
    both = expected_training(drawn_home, recipe, [225, 62])
    assert both.seconds == pytest.approx(max(24, (24 + 10) / CPUS))
    of_another = expected_training(drawn_home, recipe, [225, 62, 71])
    assert of_another.seconds == pytest.approx(max(24, (24 + 10 + 17) / CPUS)), "an unknown group counts as the mean"
    assert "from 1 training of recipe quick here" in both.basis


def test_a_generation_takes_what_its_shards_took(candidates: tuple[Home, GenerationPlan]) -> None:
    home, plan = candidates
    lines = ShardManifest(home.generations / plan.generation_id).records()
    rates = {
        number: sum(line["seconds"] for line in lines if line["space_group_number"] == number) / plan.counts[number]
        for number in plan.counts
    }
    words = ["generate", "--training", plan.training_id, "--count", 400, "--seed", 5, "--shard-size", 100]
    found = dry(home, *words)
    counts = found["plan"]["samples_by_space_group"]
    assert sum(counts.values()) == 400
    expected = sum(count * rates[int(number)] for number, count in counts.items()) / CPUS
    assert found["expected"]["seconds"] == pytest.approx(expected)
    assert found["shards"] == sum(-(-count // 100) for count in counts.values())
    again = dry(home, "generate", "--resume", plan.generation_id)
    assert (again["shards"], again["shards_done"]) == (len(lines), len(lines))
    assert again["expected"] == {"seconds": 0.0, "basis": "as nothing is left to draw"}


def test_a_generation_by_a_baseline_that_is_not_fitted_is_refused_not_fitted(bundled_home: Home) -> None:
    before = digest(bundled_home.path)
    words = ["generate", "--recipe", "swap", "--dry-run", "--home", str(bundled_home.path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "Run `platform train-all --recipe swap` first" in result.stderr
    assert digest(bundled_home.path) == before


def test_a_screening_counts_what_is_rejected_and_times_what_is_not(tmp_path: Path) -> None:
    home = Home.locate(tmp_path)
    add_alloys(home)
    n = len(DRAWN) + len(REJECTED)
    words = ["screen", "--source", "samples", "--generation", GENERATION_ID, "--limit", n, "--potential", "emt"]
    first = dry(home, *words, "--shard-size", 4)
    assert first["expected"]["seconds"] is None
    assert (first["shards"], first["plan"]["crystals"]) == (-(-n // 4), n)
    assert first["notes"] == [f"{len(REJECTED)} were rejected when they were drawn: they count, and are not relaxed"]
    inputs = choose_inputs(home, source="samples", generations=[GENERATION_ID], limit=n, seed=0)
    plan = plan_screening(home, inputs, load_potential("emt"), source="samples", shard_size=4)
    assert plan.screening_id == first["name"], "the same command without --dry-run has that name"
    screen(home, plan, relax=relax_here)
    more = dry(home, *words, "--shard-size", 3, "--workers", 1)
    assert more["expected"]["seconds"] > 0
    assert f"from {len(DRAWN)} relaxations of 1 screening by emt here" in more["expected"]["basis"]
    assert dry(home, *words, "--shard-size", 4)["shards_done"] == first["shards"]


def test_a_relaxation_takes_the_mean_of_those_by_the_same_potential(catalog_home: Home) -> None:
    crystals = [
        {"source_id": f"s{i}", "crystal_id": f"c{i}", "wall_seconds": seconds} for i, seconds in enumerate((1, 3))
    ]
    add_screening(catalog_home, "a", crystals)
    add_screening(catalog_home, "b", [crystals[0] | {"wall_seconds": 100.0}], potential="mace")
    for screening_id, potential in (("a", "chgnet"), ("b", "mace")):
        write_json(catalog_home.screenings / screening_id / "screening.json", {"potential": potential})
    found = expected_screening(catalog_home, "chgnet", 10, 2)
    assert found.seconds == pytest.approx(10 * 2 / 2)
    assert expected_screening(catalog_home, "emt", 10, 2).seconds is None


def test_a_queue_takes_what_its_recipe_took(catalog_home: Home) -> None:
    words = ["validate", "enqueue", "--recipe", "stand-in", "--from", "materials"]
    first = dry(catalog_home, *words, "--limit", 2)
    assert (first["shards"], first["expected"]["seconds"]) == (2, None)
    assert not catalog_home.validations.exists()
    assert CliRunner().invoke(app, [*words, "--limit", "2", "--home", str(catalog_home.path)]).exit_code == 0
    with Ledger(catalog_home.validations) as ledger:
        work_off(ledger)
        walls = [row["wall_s"] for row in ledger.rows("SELECT wall_s FROM attempts")]
    more = dry(catalog_home, *words, "--limit", 3)
    assert (more["shards"], more["plan"]["known_already"]) == (1, 2)
    assert more["expected"]["seconds"] == pytest.approx(sum(walls) / len(walls) / CPUS)
    assert "from 2 calculations of recipe stand-in here" in more["expected"]["basis"]


def test_the_queue_is_counted_with_what_an_earlier_dispatcher_left(catalog_home: Home) -> None:
    run = ["validate", "run"]
    words = [*run, "--dry-run", "--home", str(catalog_home.path)]
    assert "no queue yet" in CliRunner().invoke(app, words).stderr
    put = ["validate", "enqueue", "--recipe", "stand-in", "--from", "materials", "--home", str(catalog_home.path)]
    assert CliRunner().invoke(app, [*put, "--limit", "1"]).exit_code == 0
    with Ledger(catalog_home.validations) as ledger:
        work_off(ledger)
        (mean,) = ledger.rows("SELECT avg(wall_s) AS s FROM attempts")
    done = dry(catalog_home, *run)
    assert (done["shards"], done["expected"]["seconds"]) == (0, 0.0)
    assert CliRunner().invoke(app, [*put, "--limit", "3"]).exit_code == 0
    with Ledger(catalog_home.validations) as ledger:
        claim(ledger, 1)
    found = dry(catalog_home, *run, "--concurrency", 3)
    assert (found["shards"], list(found["plan"]["calculations_by_recipe"].values())) == (2, [2])
    assert found["expected"]["seconds"] == pytest.approx(2 * mean["s"] / 3)
    with Ledger(catalog_home.validations) as ledger, ledger.owned():
        refused = dry(catalog_home, *run)
    assert refused["notes"] == [f"it would be refused now: a dispatcher runs as process {os.getpid()}"]
    none = CliRunner().invoke(app, [*words, "--concurrency", "0"])
    assert (none.exit_code, "expected 1 or more" in none.stderr) == (2, True)


def test_an_evaluation_takes_what_earlier_ones_took(
    candidates: tuple[Home, GenerationPlan], tmp_path: Path, drawn_home: Home
) -> None:
    home, plan = candidates
    first = dry(home, "evaluate", "--limit", 5)
    sizes = first["plan"]["sources"]
    assert list(sizes) == ["generated", "validation", "training", "noise", "random_triples", "real_cells"]
    assert sizes["generated"] == sizes["noise"] == 5 * len(plan.counts)
    assert (first["name"], first["shards"], first["expected"]["seconds"]) == (plan.generation_id, 6, None)
    beside = dry(home, "evaluate", "--limit", 5, "--baseline", plan.generation_id, "--output", tmp_path / "f.parquet")
    assert beside["plan"]["sources"]["baseline:donor"] == sizes["generated"]
    assert not list(tmp_path.glob("f*"))
    (folder,) = drawn_home.generations.iterdir()
    write_json(folder / EVALUATION_RECORD, {"sizes": {"generated": 30, "noise": 20}, "seconds": 5.0})
    timed = dry(drawn_home, "evaluate", "--limit", 5)
    assert timed["expected"]["seconds"] == pytest.approx(sum(timed["plan"]["sources"].values()) * 0.1)
    assert "from 1 evaluation here, 100.0 ms for each sample of each source" in timed["expected"]["basis"]


def test_an_export_is_counted_and_refused_as_it_would_be(
    candidates: tuple[Home, GenerationPlan], tmp_path: Path
) -> None:
    home = candidates[0]
    words = ["export", "--where", "space_group_number = 225", "--out", str(tmp_path / "cifs")]
    found = dry(home, *words)
    assert found["what"].startswith(f"Would write {found['shards']:,} crystals of candidates as cif")
    assert found["shards"] > 3
    assert dry(home, *words, "--limit", 3)["shards"] == 3
    assert dry(home, *words[:-1], tmp_path / "all.cif")["shards"] == 1, "all blocks in one file"
    assert list(tmp_path.iterdir()) == []
    real = CliRunner().invoke(app, [*words, "--limit", "3", "--json", "--home", str(home.path)])
    assert json.loads(real.stdout)["files"] == 3
    refused = [CliRunner().invoke(app, [*words, *more, "--home", str(home.path)]) for more in ([], ["--dry-run"])]
    assert {result.exit_code for result in refused} == {2}
    assert refused[0].stderr == refused[1].stderr
    replaced = dry(home, *words, "--limit", 3, "--overwrite")
    assert replaced["notes"] == ["the earlier export there would be replaced"]
    wrong = CliRunner().invoke(app, ["export", "--order-by", "nothing", "--dry-run", "--home", str(home.path)])
    assert (wrong.exit_code, "nothing" in wrong.stderr) == (1, True)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "none, b"), (0.0, "none, b"), (7.4, "about 7 s, b"), (300.0, "about 5.0 min, b"), (9000, "about 2.5 h, b")],
)
def test_a_time_in_words(seconds: float | None, words: str) -> None:
    assert ExpectedTime(seconds, "b").describe() == f"expected time: {words}"
