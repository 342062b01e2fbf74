"""`evaluate` on a real generation: every metric beside its nulls, and clear refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from mlflow.tracking import MlflowClient
from typer.testing import CliRunner

from crystalforge.cli.app import app
from crystalforge.dataset import find_dataset
from crystalforge.evaluation.evaluate import Evaluation, evaluate
from crystalforge.evaluation.metrics import METRICS, OF_MODELS
from crystalforge.evaluation.plan import plan_evaluation
from crystalforge.evaluation.record import metric_values, record
from crystalforge.home import Home
from crystalforge.jobs.generate import draw_here, generate
from crystalforge.jobs.generation_plans import plan_generation
from crystalforge.jobs.trained_models import find_models
from crystalforge.schemas import EVALUATIONS, OCCURRENCES

pytestmark = pytest.mark.ray
NULLS = {"noise", "random_triples", "real_cells"}
OF_SAMPLES = set(METRICS) - set(OF_MODELS)
Platform = Callable[..., Result]


@pytest.fixture(scope="module")
def home(trained: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with two generations of 225 and 62; the newer one has 200 samples."""
    where = Home.locate(shutil.copytree(trained.path, tmp_path_factory.mktemp("judged") / "home"))
    for count, seed in ((120, 1), (200, 2)):
        models = find_models(where)
        choices: dict[str, Any] = {"space_groups": [225, 62], "shard_size": 100, "min_contact_ratio": 0.5}
        generate(where, plan_generation(models, count, seed=seed, **choices), draw=draw_here)
    return where


@pytest.fixture(scope="module")
def generations(home: Home) -> dict[int, str]:
    """Number of samples → generation."""
    plans = [json.loads(path.read_text()) for path in home.generations.glob("*/generation.json")]
    return {plan["count"]: plan["generation_id"] for plan in plans}


@pytest.fixture(scope="module")
def judged(home: Home, generations: dict[int, str]) -> Evaluation:
    return evaluate(home, plan_evaluation(home, baselines=[generations[120]]), n_processes=1)


@pytest.fixture
def platform(home: Home) -> Platform:
    return lambda *arguments: CliRunner().invoke(app, [*map(str, arguments), "--home", str(home.path)])


def test_every_metric_of_every_source_pooled_and_by_group(judged: Evaluation, generations: dict[int, str]) -> None:
    assert judged.drawn.generation_id == generations[200], "the newest"
    table = pq.read_table(judged.path)
    assert table.schema.equals(EVALUATIONS, check_metadata=True)
    rows = table.to_pylist()
    keys = {(row["metric"], row["source"], row["space_group_number"]) for row in rows}
    assert len(keys) == len(rows)
    for source in {"generated", "baseline:small", *NULLS}:
        assert {(metric, source, group) for metric in OF_SAMPLES for group in (None, 62, 225)} <= keys
    assert {source for metric, source, _ in keys if metric in OF_MODELS} == {"real_cells"}, "no other can be asked"
    assert {row["source"] for row in rows} == {"generated", "baseline:small", "training", "validation", *NULLS}
    drawn = {(row["source"], row["space_group_number"]): row["n_samples"] for row in rows}
    assert drawn["generated", None] == drawn["noise", None] == drawn["real_cells", None] == 200
    assert drawn["baseline:small", None] == 120
    assert drawn["generated", 62] + drawn["generated", 225] == 200


def test_intervals_hold_their_values_and_shares_are_shares(judged: Evaluation) -> None:
    known = [row for row in judged.figures.to_pylist() if row["value"] is not None]
    assert len(known) > 500
    assert all(row["low"] - 1e-9 <= row["value"] <= row["high"] + 1e-9 or row["unit"] != "1" for row in known)
    shares = [row for row in known if row["denominator"].startswith("samples drawn") and row["unit"] == "1"]
    assert all(0.0 <= row["value"] <= 1.0 for row in shares)


def test_reasons_and_acceptance_add_up(judged: Evaluation) -> None:
    parts = ("accepted", "percolated", "too_close", "volume_out_of_range", "otherwise_rejected")
    values = {
        (row["metric"], row["source"]): row["value"]
        for row in judged.figures.to_pylist()
        if row["space_group_number"] is None
    }
    for source in ("generated", "noise", "validation"):
        assert sum(values[metric, source] for metric in parts) == pytest.approx(1.0)
    found = [values[f"group_{kind}_0.01", "generated"] for kind in ("equal", "supergroup", "other", "failed")]
    assert sum(found) == pytest.approx(1.0)
    assert values["valid_pgcgm", "validation"] > 0.9 > values["valid_pgcgm", "noise"]


def test_occurrences_say_what_the_samples_are_made_of(judged: Evaluation) -> None:
    table = pq.read_table(judged.path.with_name("occurrences.parquet"))
    assert table.schema.equals(OCCURRENCES, check_metadata=True)
    shares: dict[tuple[Any, ...], float] = {}
    for row in table.to_pylist():
        key = (row["kind"], row["source"], row["space_group_number"])
        shares[key] = shares.get(key, 0.0) + row["share"]
    assert all(total == pytest.approx(1.0) for total in shares.values())
    heuslers = [row for row in table.to_pylist() if (row["source"], row["name"]) == ("training", "abc")]
    assert [row["space_group_number"] for row in heuslers] == [225]


def test_a_training_that_set_nothing_aside_is_said_so(judged: Evaluation) -> None:
    assert not judged.real.held_out
    assert any("seen in training" in text for text in judged.notes)


def test_mlflow_gets_every_figure(judged: Evaluation, home: Home) -> None:
    run_id = record(home, judged)
    assert run_id is not None
    client = MlflowClient(f"sqlite:///{home.mlflow / 'mlflow.db'}")
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == pytest.approx(metric_values(judged))
    assert "valid_pgcgm/baseline-small/62" in run.data.metrics
    names = {artifact.path for artifact in client.list_artifacts(run_id, "evaluation")}
    assert names == {"evaluation/evaluation.parquet", "evaluation/shares.png", "evaluation/templates.png"}


def test_a_store_that_is_gone_harms_nothing(judged: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "mlflow").write_text("a file where the store should be")
    assert record(Home.locate(tmp_path), judged) is None


def test_the_command_gives_json_and_tables(platform: Platform, generations: dict[int, str], tmp_path: Path) -> None:
    common = ("evaluate", generations[200], "--limit", "20", "--processes", "1", "--no-track")
    result = platform(*common, "--output", tmp_path / "figures.parquet", "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    pooled = {(row["metric"], row["source"]): row for row in summary["figures"] if row["space_group_number"] is None}
    assert pooled["accepted", "generated"]["n"] == 40
    assert summary["held_out"] is False
    assert pq.read_table(tmp_path / "figures.parquet").num_rows == len(summary["figures"])
    assert (tmp_path / "figures.occurrences.parquet").is_file()
    shown = platform(*common, "--output", tmp_path / "figures.parquet")
    assert shown.exit_code == 0, shown.output
    assert "All space groups pooled" in shown.stdout
    assert "rediscovered" in shown.stdout
    assert "Note: " in shown.stderr


def test_a_persons_own_crystals(platform: Platform, home: Home, tmp_path: Path) -> None:
    materials = find_dataset(home).materials()
    own = tmp_path / "own.parquet"
    pq.write_table(materials.filter(pa.compute.is_in(materials["space_group_number"], pa.array([225, 221]))), own)
    result = platform("evaluate", "--reference", own, "--limit", "20", "--processes", "1", "--no-track", "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    (row,) = [
        r
        for r in summary["figures"]
        if (r["metric"], r["space_group_number"]) == ("rediscovered", None) and r["source"] == "generated"
    ]
    assert row["n"] == 181
    assert "crystals of" in summary["notes"][1]


def _without(materials: pa.Table, path: Path) -> None:
    pq.write_table(materials.drop_columns(["base_frac_coords"]), path)


def _empty(materials: pa.Table, path: Path) -> None:
    pq.write_table(materials.slice(0, 0), path)


def _of_other_groups(materials: pa.Table, path: Path) -> None:
    pq.write_table(materials.filter(pa.compute.equal(materials["space_group_number"], 221)), path)


def _text(_: pa.Table, path: Path) -> None:
    path.write_text("no Parquet")


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (_without, ["lacks columns", "base_frac_coords"]),
        (_empty, ["is empty", "0 rows"]),
        (_of_other_groups, ["expected some of 62, 225, found 221"]),
        (_text, ["cannot be read as Parquet"]),
    ],
)
def test_references_that_do_not_fit(
    platform: Platform, home: Home, tmp_path: Path, make: Callable[[pa.Table, Path], None], parts: list[str]
) -> None:
    path = tmp_path / "reference.parquet"
    make(find_dataset(home).materials(), path)
    result = platform("evaluate", "--reference", path, "--no-track")
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    for part in parts:
        assert part in result.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "part"),
    [
        (["nope"], 1, "No generation 'nope'"),
        (["--baseline", "nope"], 1, "No generation 'nope'"),
        (["--reference", "nope.parquet"], 1, "does not exist"),
        (["--validation-share", "0"], 2, "sets none of the 298 crystals aside"),
        (["--validation-share", "1"], 2, "leaves no training crystal of space group 62, 225"),
    ],
)
def test_refusals(platform: Platform, arguments: list[str], exit_code: int, part: str) -> None:
    result = platform("evaluate", *arguments, "--no-track")
    assert result.exit_code == exit_code, result.output
    assert part in result.stderr


def test_a_home_without_generations(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", "--home", str(tmp_path)])
    assert result.exit_code == 1
    assert "Run `platform generate` first" in result.stderr
