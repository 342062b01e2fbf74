"""MLflow unreachable, at the start or midway: the training ends, and the store gets all of it later."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from real_commands import finish, start
from small_training import small_forge_recipe, small_recipe, write_recipe

from crystalforge.dataset import find_dataset
from crystalforge.files import read_json, read_lines
from crystalforge.home import Home
from crystalforge.jobs.train_all import train_all
from crystalforge.jobs.training_log import RUNS

N_EPOCHS = 10


@pytest.fixture
def home(bundled_home: Home, tmp_path: Path) -> Home:
    return Home.locate(shutil.copytree(bundled_home.path, tmp_path / "home"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _steps(uri: str, home: Home, metric: str = "generator_loss") -> list[int]:
    """Steps of the training that the store has of a metric."""
    (path,) = home.trainings.glob(f"*/{RUNS}")
    run_id = read_json(path)["children"]["164"]
    client = MlflowClient(uri)
    assert client.get_run(run_id).info.status == "FINISHED"
    return sorted({point.step for point in client.get_metric_history(run_id, metric)})


@pytest.mark.ray
def test_a_store_that_does_not_answer_at_the_start(
    home: Home, ray_session: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = small_forge_recipe(generator_steps=6)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{_free_port()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    down = train_all(home, find_dataset(home), recipe, space_groups=[164])
    assert (len(down.trained), down.failed) == (1, {})
    assert len([record for record in caplog.records if "event=tracking_failed" in record.message]) == 1
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    up = train_all(home, find_dataset(home), recipe, space_groups=[164])
    assert (up.trained, up.already_trained) == ([], [164])
    assert _steps(up.tracking_uri, home) == [2, 4, 6]
    assert _steps(up.tracking_uri, home, "validation_placed_share") == [2, 4, 6]


@pytest.mark.ray
def test_a_store_that_is_lost_midway(home: Home, ray_session: None, tmp_path: Path) -> None:
    """Its folder is moved away, with a file in its place, and comes back later."""
    recipe = small_recipe(generator_steps=2 * N_EPOCHS)
    aside = tmp_path / "aside"

    def lose(space_group_number: int, generator_steps: int, terms: dict[str, float]) -> None:
        if generator_steps >= 6 and not aside.exists():
            home.mlflow.rename(aside)
            home.mlflow.write_text("a file where the store was")

    down = train_all(home, find_dataset(home), recipe, space_groups=[164], progress=lose)
    assert aside.exists(), "the store was lost midway"
    assert (len(down.trained), down.failed) == (1, {})
    home.mlflow.unlink()
    aside.rename(home.mlflow)
    up = train_all(home, find_dataset(home), recipe, space_groups=[164])
    assert up.already_trained == [164]
    assert _steps(up.tracking_uri, home) == list(range(2, 2 * N_EPOCHS + 1, 2))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """Address of an MLflow server that can be started, and its command; what still runs at the end is killed."""
    port, store = _free_port(), tmp_path / "server"
    store.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{store / 'mlflow.db'}", "--artifacts-destination", str(store)]
    yield f"http://127.0.0.1:{port}", command


def _serve(uri: str, command: list[str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=os.environ
    )
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=2):
                return process
        except OSError:
            assert process.poll() is None
            time.sleep(0.5)
    os.killpg(process.pid, signal.SIGKILL)
    raise AssertionError("the MLflow server does not answer")


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_a_server_that_is_killed_midway(home: Home, tmp_path: Path, server: tuple[str, list[str]]) -> None:
    uri, serve = server
    path = write_recipe(tmp_path / "small.toml", small_recipe(generator_steps=2 * N_EPOCHS))
    command = ["train-all", "--recipe", path, "--space-groups", "164", "--home", home.path]
    running = _serve(uri, serve)
    try:
        process = start(*command, environment={"MLFLOW_TRACKING_URI": uri})
        deadline = time.monotonic() + 120
        while not any(len(read_lines(spool)) >= 3 for spool in home.trainings.glob("*/*/progress.jsonl")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    _, log = process.communicate(timeout=200)
    assert process.returncode == 0, log.decode()
    assert log.decode().count("event=tracking_failed") <= 1
    running = _serve(uri, serve)
    try:
        assert "1 were trained already" in finish(*command, environment={"MLFLOW_TRACKING_URI": uri})
        assert _steps(uri, home) == list(range(2, 2 * N_EPOCHS + 1, 2))
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
