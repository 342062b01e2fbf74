"""The commands on a home on an object store: those that can do all that they do elsewhere, the others refuse first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from real_commands import finish, start, stop, wait_until
from s3_server import BUCKET, S3Server, copy_up
from small_training import small_recipe, write_recipe
from typer.main import get_command
from typer.testing import CliRunner

from crystalforge.catalog.manifest_lines import LINES_FOLDER
from crystalforge.catalog.shards import ShardManifest
from crystalforge.cli.app import app
from crystalforge.cli.command_tree import Words, commands
from crystalforge.dataset import find_dataset
from crystalforge.files import check_sha256
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home
from crystalforge.jobs.generate import draw_here, generate
from crystalforge.jobs.trained_models import find_models

REQUIRED: dict[Words, list[str]] = {
    ("sql",): ["SELECT 1"],
    ("show",): ["nothing"],
    ("compact",): ["8f2c"],
    ("dataset", "build"): ["bundled"],
    ("catalog", "export"): ["catalog.duckdb"],
    ("validate", "enqueue"): ["--recipe", "stand-in"],
    **{("validate", name): ["1"] for name in ("cancel", "pause", "retry", "show")},
}
"""Arguments without which a command does not begin."""

WORK_THERE: set[Words] = {
    ("catalog", "export"),
    ("dataset", "build"),
    ("dataset", "list"),
    ("dataset", "show"),
    ("doctor",),
    ("evaluate",),
    ("export",),
    ("generate",),
    ("report",),
    ("screen",),
    ("show",),
    ("sql",),
    ("stability",),
    ("status",),
    ("train-all",),
    ("verify",),
}
WITH_HOME = sorted(
    words for words, command in commands(get_command(app)) if any(each.name == "home" for each in command.params)
)


@pytest.fixture
def stored(store_home: Home, drawn: tuple[Home, GenerationPlan]) -> tuple[Home, GenerationPlan]:
    """A home on the store with dataset, training and generation, copied there as any tool copies."""
    copy_up(drawn[0].path, store_home.path)
    return store_home, drawn[1]


@pytest.fixture
def run(store_home: Home) -> Callable[..., Result]:
    """Runs a command on the home of the test, in this process."""
    return lambda *arguments: CliRunner().invoke(app, [*map(str, arguments), "--home", str(store_home.path)])


@pytest.mark.parametrize("words", sorted(set(WITH_HOME) - WORK_THERE), ids=" ".join)
def test_a_command_that_needs_a_disk_refuses_before_it_asks_the_store(
    words: Words, run: Callable[..., Result], s3: S3Server
) -> None:
    s3.requests()
    result = run(*words, *REQUIRED.get(words, []))
    assert result.exit_code in (1, 2), result.output
    assert "s3://" in result.stderr
    assert "a disk of this machine" in result.stderr
    assert s3.requests() == []


@pytest.mark.parametrize("words", sorted(WORK_THERE), ids=" ".join)
def test_a_missing_bucket_is_one_message(words: Words, s3: S3Server) -> None:
    arguments = [*words, *REQUIRED.get(words, []), "--home", "s3://no-such-bucket/home"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1, result.output
    assert "NO_SUCH_BUCKET" in result.stderr
    assert "Make the bucket" in result.stderr


def test_a_dataset_is_built_listed_and_asked(run: Callable[..., Result], store_home: Home) -> None:
    first = run("dataset", "build", "bundled", "--space-groups", "225,62", "--json")
    assert first.exit_code == 0, first.output
    again = run("dataset", "build", "bundled", "--space-groups", "225,62", "--json")
    name = json.loads(first.stdout)["dataset_id"]
    assert json.loads(again.stdout)["dataset_id"] == name
    assert find_dataset(store_home).materials().num_rows == find_dataset(store_home).manifest.n_materials
    assert name in run("dataset", "list").stdout
    assert name in run("status").stdout
    asked = run("sql", "SELECT count(*) AS n FROM materials", "--json")
    assert json.loads(asked.stdout) == [{"n": find_dataset(store_home).manifest.n_materials}]


def test_what_was_copied_to_a_store_is_asked_exported_and_verified(
    stored: tuple[Home, GenerationPlan], run: Callable[..., Result], tmp_path: Path
) -> None:
    asked = run("sql", "SELECT count(*) AS n FROM samples", "--json")
    assert json.loads(asked.stdout) == [{"n": stored[1].count}]
    exported = run("export", "--table", "materials", "--limit", 2, "--out", tmp_path / "crystals")
    assert exported.exit_code == 0, exported.output
    assert len(list((tmp_path / "crystals").glob("*.cif"))) == 2
    verified = run("verify", "--json")
    assert verified.exit_code == 0, verified.output
    found = json.loads(verified.stdout)
    assert found["sound"]
    assert (found["checked"]["shards"], found["checked"]["remade"]) == (len(stored[1].shards()), 1)


def test_damage_on_the_store_is_found_and_drawn_again(
    stored: tuple[Home, GenerationPlan], run: Callable[..., Result]
) -> None:
    home, plan = stored
    line = ShardManifest(home.generations / plan.generation_id).records()[0]
    shard = home.generations / plan.generation_id / line["file"]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1])
    refused = run("sql", "SELECT 1")
    assert refused.exit_code == 1
    assert "is damaged" in refused.stderr
    assert f"generate --resume {plan.generation_id}" in refused.stderr
    assert run("verify").exit_code == 1
    generate(home, plan, draw=draw_here)
    assert shard.read_bytes() == whole
    assert run("verify").exit_code == 0


def test_the_doctor_tries_the_store_and_leaves_nothing(run: Callable[..., Result], store_home: Home) -> None:
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json").stdout)["checks"]}
    assert checks["home"]["state"] == "good"
    assert str(store_home.path) in checks["home"]["found"]
    assert not list(store_home.path.rglob("*"))


def test_a_training_without_a_place_for_its_runs_is_refused_before_any_work(
    run: Callable[..., Result], store_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run("dataset", "build", "bundled", "--space-groups", "225,62")
    result = run("train-all")
    assert result.exit_code == 1
    assert "Set MLFLOW_TRACKING_URI" in result.stderr
    assert not store_home.trainings.exists()


def test_pages_of_a_server_are_fetched_into_a_local_home(run: Callable[..., Result]) -> None:
    result = run("dataset", "build", "optimade:https://example.org/optimade")
    assert result.exit_code == 2
    assert "copy its folder below datasets/ to the store" in result.stderr


def test_keys_that_the_store_does_not_know_are_named(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from s3_server import s3_server

    with s3_server({"INITIAL_NO_AUTH_ACTION_COUNT": "1"}) as guarded:  # the first makes the bucket
        monkeypatch.setenv("AWS_ENDPOINT_URL", guarded.url)
        result = CliRunner().invoke(app, ["status", "--home", f"s3://{BUCKET}/home"])
    assert result.exit_code == 1
    assert "INVALID_ACCESS_KEY_ID" in result.stderr
    assert "correct it" in result.stderr


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_the_whole_way_on_a_store_is_that_of_a_local_home(s3: S3Server, store_home: Home, tmp_path: Path) -> None:
    """Trained, killed, drawn, killed and asked, on Ray: the same models and the same bytes as at home."""
    recipe = write_recipe(tmp_path / "small.toml", small_recipe())
    environment = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    here = Home.locate(tmp_path / "home")
    train = ["train-all", "--recipe", recipe, "--space-groups", "225,62", "--home"]
    draw = ["generate", "--count", 3000, "--shard-size", 50, "--space-groups", "225,62", "--home"]
    for home in (here, store_home):
        finish("dataset", "build", "bundled", "--space-groups", "225,62", "--home", home.path)

    process = start(*train, store_home.path, environment=environment)
    wait_until(lambda: any(store_home.trainings.rglob("progress.jsonl")), process)
    stop(process)
    for home in (here, store_home):
        finish(*train, home.path, environment=environment)
    trained, at_home = find_models(store_home), find_models(here)
    assert {n: trained.checksum(n) for n in trained.counts} == {n: at_home.checksum(n) for n in at_home.counts}

    process = start(*draw, store_home.path)
    wait_until(lambda: len(list(store_home.generations.glob(f"*/{LINES_FOLDER}/*"))) >= 3, process)
    stop(process)
    for home in (here, store_home):
        finish(*draw, home.path)
    (name,) = [folder.name for folder in here.generations.iterdir()]
    expected = {line["file"]: line["sha256"] for line in ShardManifest(here.generations / name).records()}
    found = {line["file"]: line["sha256"] for line in ShardManifest(store_home.generations / name).records()}
    assert found == expected
    for file, sha256 in found.items():
        check_sha256(store_home.generations / name / file, sha256, "")
    answer = finish("sql", "SELECT count(*) AS n FROM samples", "--json", "--home", store_home.path)
    assert json.loads(answer) == [{"n": 3000}]
