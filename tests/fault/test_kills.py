"""`kill -9` of the driver in the middle of real runs: the same command ends what was begun, as if never interrupted."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from small_training import small_recipe, write_recipe

from crystalforge.catalog.shards import ShardManifest
from crystalforge.dataset import find_dataset
from crystalforge.files import read_json, read_lines, sha256_of_file
from crystalforge.home import Home
from crystalforge.jobs.train_all import train_all

PROGRAM = [sys.executable, "-W", "ignore", "-c", "from crystalforge.cli import main; main()"]
DEADLINE_S = 120
REPEATED_EPOCHS = 4
"""The epoch under way, and those whose checkpoints Ray Train had not yet taken: it looks every 0.2 s, and an epoch of
the small training is as short as that."""


def _start(*arguments: object) -> subprocess.Popen[bytes]:
    command = [*PROGRAM, *(str(argument) for argument in arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _kill_when(process: subprocess.Popen[bytes], ready: Callable[[], bool], sent: int = signal.SIGKILL) -> None:
    """Send the signal as soon as the work has come far enough, then wait until Ray's workers are gone."""
    deadline = time.monotonic() + DEADLINE_S
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # Ray's two monitoring agents live on for a minute; they do no work.
    family = [child for child in psutil.Process(process.pid).children(recursive=True) if "Agent" not in child.name()]
    process.send_signal(sent)
    process.wait(60)
    process.communicate()
    psutil.wait_procs(family, timeout=10)


def _finish(*arguments: object) -> str:
    process = _start(*arguments)
    output, log = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, log.decode()
    return output.decode()


@pytest.fixture
def home(bundled_home: Home, tmp_path: Path) -> Home:
    return Home.locate(shutil.copytree(bundled_home.path, tmp_path / "home"))


def _training(home: Home, folder: Path) -> list[object]:
    recipe = write_recipe(folder / "small.toml", small_recipe(generator_steps=40))
    return ["train-all", "--recipe", recipe, "--space-groups", "164", "--home", home.path]


def _model_checksum(home: Home) -> str:
    (record,) = home.trainings.glob("*/space_group_number=164/model.json")
    checksum: str = read_json(record)["model_checksum"]
    return checksum


@pytest.fixture(scope="module")
def undisturbed_checksum(bundled_home: Home, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The model that the training makes when nobody stops it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    home = Home.locate(shutil.copytree(bundled_home.path, folder / "home"))
    _finish(*_training(home, folder))
    return _model_checksum(home)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_training_goes_on_after_its_driver_was_stopped(
    home: Home, tmp_path: Path, undisturbed_checksum: str, sent: int
) -> None:
    command = _training(home, tmp_path)

    def spool() -> list[dict]:
        paths = list(home.trainings.glob("*/space_group_number=164/progress.jsonl"))
        return read_lines(paths[0]) if paths else []

    process = _start(*command)
    _kill_when(process, lambda: len(spool()) >= 3, sent)
    if sent == signal.SIGINT:
        assert process.returncode == 130
    before = spool()
    assert before[-1]["epoch"] < 20, "it was stopped in the middle"
    assert "1 space groups trained" in _finish(*command)
    after = spool()
    first_again = after[len(before)]["epoch"]
    assert first_again > before[-1]["epoch"] - REPEATED_EPOCHS
    assert {line["epoch"] for line in after} == set(range(1, 21))
    assert _model_checksum(home) == undisturbed_checksum


@pytest.mark.ray
def test_a_training_goes_on_after_its_worker_was_killed(
    home: Home, undisturbed_checksum: str, ray_session: None
) -> None:
    killed: list[int] = []

    def kill_worker_once(space_group_number: int, generator_steps: int, terms: dict[str, float]) -> None:
        if killed or generator_steps < 6:
            return
        for process in psutil.process_iter(["cmdline"]):
            if "RayTrainWorker" in " ".join(process.info["cmdline"] or []):
                process.kill()
                killed.append(process.pid)

    summary = train_all(
        home, find_dataset(home), small_recipe(generator_steps=40), space_groups=[164], progress=kill_worker_once
    )
    assert killed
    assert summary.failed == {}
    assert _model_checksum(home) == undisturbed_checksum
    epochs = [line["epoch"] for line in read_lines(summary.folder / "space_group_number=164" / "progress.jsonl")]
    assert sorted(set(epochs)) == list(range(1, 21))
    assert len(epochs) <= 20 + REPEATED_EPOCHS


def test_a_generation_goes_on_after_its_driver_was_killed(trained_home: Home, tmp_path: Path) -> None:
    command = ["generate", "--count", "3000", "--shard-size", "50", "--space-groups", "225,62"]

    def manifest(home: Home) -> list[dict]:
        return [
            line for path in home.generations.glob("*/manifest.jsonl") for line in ShardManifest(path.parent).records()
        ]

    process = _start(*command, "--home", trained_home.path)
    _kill_when(process, lambda: len(manifest(trained_home)) >= 3)
    assert len(manifest(trained_home)) < 60, "it was stopped in the middle"
    assert "3000 rows" in _finish(*command, "--home", trained_home.path)

    undisturbed = Home.locate(tmp_path / "undisturbed")
    shutil.copytree(trained_home.path, undisturbed.path, ignore=shutil.ignore_patterns("generations"))
    _finish(*command, "--home", undisturbed.path)
    digests = [{line["file"]: line["sha256"] for line in manifest(home)} for home in (trained_home, undisturbed)]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 61
    (folder,) = trained_home.generations.iterdir()
    assert {name: sha256_of_file(folder / name) for name in digests[0]} == digests[0]
    assert not list(folder.rglob("*.partial"))
