"""`kill -9` in the middle of real runs: the same command ends what was begun, as if never interrupted."""

from __future__ import annotations

import functools
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from real_commands import finish, kill_workers, start, stop, wait_until
from small_training import small_forge_recipe, small_recipe, write_recipe
from trained_here import train_group_here

from crystalforge.dataset import find_dataset
from crystalforge.files import read_json, read_lines
from crystalforge.home import Home
from crystalforge.jobs.train_all import train_all
from crystalforge.jobs.training_log import RUNS
from crystalforge.tracking import EXPERIMENT, Tracker

RECIPES = {
    "small": small_recipe(generator_steps=40),
    "small-forge": small_forge_recipe(generator_steps=50),
}
N_EPOCHS = {"small": 20, "small-forge": 25}
"""Enough that a worker, which outlives its driver by a moment, does not end before it notices."""
REPEATED_EPOCHS = 4
"""The epoch under way, and those whose checkpoints Ray Train had not yet taken: it looks every 0.2 s, and an epoch of
the small training is as short as that."""


@pytest.fixture
def home(bundled_home: Home, tmp_path: Path) -> Home:
    return Home.locate(shutil.copytree(bundled_home.path, tmp_path / "home"))


def _training(home: Home, folder: Path, recipe: str) -> list[object]:
    path = write_recipe(folder / f"{recipe}.toml", RECIPES[recipe])
    return ["train-all", "--recipe", path, "--space-groups", "164", "--home", home.path]


def _model_checksum(home: Home) -> str:
    (record,) = home.trainings.glob("*/space_group_number=164/model.json")
    checksum: str = read_json(record)["model_checksum"]
    return checksum


@pytest.fixture(scope="module")
def undisturbed_checksum(bundled_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The model that the training of a recipe makes when nobody stops it, and without Ray."""

    @functools.cache
    def checksum(recipe: str) -> str:
        folder = tmp_path_factory.mktemp("undisturbed")
        return train_group_here(folder, recipe, find_dataset(bundled_home), RECIPES[recipe], 164, seed=0)

    return checksum


def _child_run(home: Home) -> str:
    """Id of the MLflow run of the space group, as the training knows it."""
    (path,) = home.trainings.glob(f"*/{RUNS}")
    run_id: str = read_json(path)["children"]["164"]
    return run_id


def _assert_one_run_with_every_epoch(home: Home, run_id: str, recipe: str) -> None:
    client = MlflowClient(Tracker(home).uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id])
    assert [run.info.run_id for run in runs if "mlflow.parentRunId" in run.data.tags] == [run_id]
    assert {run.info.status for run in runs} == {"FINISHED"}
    steps = {point.step for point in client.get_metric_history(run_id, "generator_loss")}
    assert steps == {2 * epoch for epoch in range(1, N_EPOCHS[recipe] + 1)}


@pytest.mark.parametrize(
    ("recipe", "sent"),
    [
        ("small-forge", signal.SIGKILL),
        pytest.param("small-forge", signal.SIGINT, marks=pytest.mark.nightly),
        pytest.param("small", signal.SIGKILL, marks=pytest.mark.nightly),
        pytest.param("small", signal.SIGINT, marks=pytest.mark.nightly),
    ],
)
def test_a_training_goes_on_after_its_driver_was_stopped(
    home: Home, tmp_path: Path, undisturbed_checksum: Callable[[str], str], recipe: str, sent: int
) -> None:
    command = _training(home, tmp_path, recipe)

    def spool() -> list[dict]:
        paths = list(home.trainings.glob("*/space_group_number=164/progress.jsonl"))
        return read_lines(paths[0]) if paths else []

    process = start(*command)
    wait_until(lambda: len(spool()) >= 3, process)
    stop(process, sent)
    if sent == signal.SIGINT:
        assert process.returncode == 130
    before, run_id = spool(), _child_run(home)
    assert before[-1]["epoch"] < N_EPOCHS[recipe], "it was stopped in the middle"
    assert "1 space groups trained" in finish(*command)
    after = spool()
    first_again = after[len(before)]["epoch"]
    assert first_again > before[-1]["epoch"] - REPEATED_EPOCHS
    assert {line["epoch"] for line in after} == set(range(1, N_EPOCHS[recipe] + 1))
    assert _model_checksum(home) == undisturbed_checksum(recipe)
    _assert_one_run_with_every_epoch(home, run_id, recipe)


@pytest.mark.ray
@pytest.mark.parametrize("recipe", ["small-forge", pytest.param("small", marks=pytest.mark.nightly)])
def test_a_training_goes_on_after_its_worker_was_killed(
    home: Home, undisturbed_checksum: Callable[[str], str], ray_session: None, recipe: str
) -> None:
    killed: list[int] = []

    def kill_worker_once(space_group_number: int, generator_steps: int, terms: dict[str, float]) -> None:
        if killed or generator_steps < 6:
            return
        killed.extend(kill_workers("RayTrainWorker"))

    summary = train_all(home, find_dataset(home), RECIPES[recipe], space_groups=[164], progress=kill_worker_once)
    assert killed
    assert summary.failed == {}
    assert _model_checksum(home) == undisturbed_checksum(recipe)
    epochs = [line["epoch"] for line in read_lines(summary.folder / "space_group_number=164" / "progress.jsonl")]
    assert sorted(set(epochs)) == list(range(1, N_EPOCHS[recipe] + 1))
    assert len(epochs) <= N_EPOCHS[recipe] + REPEATED_EPOCHS
    _assert_one_run_with_every_epoch(home, _child_run(home), recipe)
