"""Bad input at the command line: a clear message, the right exit code, no traceback, nothing half-written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from small_training import small_recipe, write_recipe
from typer.testing import CliRunner

from crystalforge.cli.app import app
from crystalforge.dataset import find_dataset
from crystalforge.home import Home
from crystalforge.jobs.train_all import training_id_of
from crystalforge.locks import exclusive

Platform = Callable[..., Result]


@pytest.fixture
def platform() -> Platform:
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def home(bundled_home: Home, tmp_path: Path) -> Home:
    """A home with a dataset and nothing else."""
    return Home.locate(shutil.copytree(bundled_home.path, tmp_path / "home"))


def assert_refused(result: Result, exit_code: int, *parts: str) -> None:
    assert result.exit_code == exit_code, result.output
    assert result.stderr.count("Error: ") == 1
    assert "Traceback" not in result.output
    for part in parts:
        assert part in result.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "parts"),
    [
        (["train-all", "--recipe", "papre"], 2, ["No recipe 'papre'", "Did you mean 'paper'?"]),
        (["train-all", "--space-groups", "231"], 2, ["231", "1 to 230"]),
        (["train-all", "--space-groups", "225,x"], 2, ["expected numbers joined by commas"]),
        (["train-all", "--space-groups", "63"], 2, ["63 has 0", "225 (181)"]),
        (["train-all", "--space-groups", "14"], 2, ["monoclinic"]),
        (["train-all", "--steps", "0"], 2, ["generator_steps = 0"]),
        (["train-all", "--resources", "CPU=all"], 2, ["CPU=1,GPU=0.25"]),
        (["train-all", "--dataset", "nope"], 1, ["nope", "bundled-"]),
        (["generate"], 1, ["Run `platform train-all` first"]),
        (["generate", "--training", "nope"], 1, ["No training 'nope'"]),
        (["generate", "--resume", "nope"], 1, ["No generation 'nope'"]),
        (["generate", "--resume", "x", "--count", "5", "--seed", "1"], 2, ["leave out --count, --seed"]),
        (["generate", "--balance", "even"], 2, ["training, equal"]),
    ],
)
def test_refusals(platform: Platform, home: Home, arguments: list[str], exit_code: int, parts: list[str]) -> None:
    before = sorted(home.path.rglob("*"))
    assert_refused(platform(*arguments, "--home", home.path), exit_code, *parts)
    assert sorted(home.path.rglob("*")) == before


def test_a_home_without_dataset(platform: Platform, tmp_path: Path) -> None:
    assert_refused(platform("train-all", "--home", tmp_path / "empty"), 1, "platform dataset build bundled")
    assert not (tmp_path / "empty").exists()


def test_a_home_that_is_a_file(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for command in ("train-all", "generate", "status"):
        assert_refused(platform(command, "--home", tmp_path / "file"), 1, "expected a folder")


def test_a_damaged_dataset(platform: Platform, home: Home) -> None:
    path = find_dataset(home).path / "materials.parquet"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    assert_refused(platform("train-all", "--home", home.path), 1, "materials.parquet is damaged", "sha256")


def test_a_recipe_with_an_unknown_key(platform: Platform, home: Home, tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "mine.toml", small_recipe())
    path.write_text(path.read_text().replace("batch_size", "batchsize"))
    refused = platform("train-all", "--recipe", path, "--home", home.path)
    assert_refused(refused, 2, "optimisation.batchsize: unknown key. Did you mean 'batch_size'?")


def test_a_training_that_another_command_holds(platform: Platform, home: Home, tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "small.toml", small_recipe())
    training_id = training_id_of(small_recipe(), find_dataset(home), 0)
    with exclusive(home.trainings / training_id, "The test"):
        assert_refused(platform("train-all", "--recipe", path, "--home", home.path), 75, training_id, "process")


@pytest.mark.ray
@pytest.mark.parametrize(
    ("arguments", "exit_code", "parts"),
    [
        (["--count", "0"], 2, ["--count must be a positive number of samples, got 0"]),
        (["--count", "10", "--space-groups", "225,216"], 1, ["no finished model for space group 216; it has 62, 225"]),
        (["--count", "10"], 1, ["no finished model for space group 71"]),
    ],
)
def test_refusals_of_generate(
    platform: Platform, trained_home: Home, arguments: list[str], exit_code: int, parts: list[str]
) -> None:
    assert_refused(platform("generate", *arguments, "--home", trained_home.path), exit_code, *parts)
    assert not trained_home.generations.exists()


@pytest.mark.ray
def test_the_command_line_trains_and_generates(
    platform: Platform, trained: Home, trained_home: Home, tmp_path: Path
) -> None:
    path = write_recipe(tmp_path / "small.toml", small_recipe())
    common = ["--space-groups", "225,62", "--seed", "3", "--home", trained_home.path]
    again = platform("train-all", "--recipe", path, *common)
    assert again.exit_code == 0, again.output
    (training,) = trained.trainings.iterdir()
    assert f"Training {training.name}: 0 space groups trained" in again.stdout
    drawn = platform("generate", "--count", "120", *common)
    assert drawn.exit_code == 0, drawn.output
    assert "120 rows" in drawn.stdout
    counted = platform("sql", "SELECT count(*) AS n FROM samples", "--csv", "--home", trained_home.path)
    assert counted.stdout.split() == ['"n"', "120"]
