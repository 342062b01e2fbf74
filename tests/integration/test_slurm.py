"""infra/slurm/crystalforge.sbatch on a real Slurm with two nodes on this machine: `make slurm`.

The nodes are two daemons of Slurm on one host, with one address: what two hosts and a shared file system add is not
seen here.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_commands import assert_complete, digests, finish, manifest_lines
from real_slurm import Job, Slurm, running_slurm, until
from small_generation import add_training, plan_of_command
from small_training import GROUPS, small_recipe, write_recipe

from crystalforge.dataset import find_dataset
from crystalforge.files import read_json
from crystalforge.home import NODES_RECORD, Home
from crystalforge.jobs.generate import draw_here, generate

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]

COUNT, SHARD_SIZE = 20_000, 50
COMMAND = ["generate", "--count", COUNT, "--shard-size", SHARD_SIZE, "--space-groups", "225,62"]
TRAINING = ["train-all", "--space-groups", ",".join(map(str, GROUPS)), "--seed", 3]
ON_BOTH_NODES = ("--nodes=2", "--cpus-per-task=1")
ON_ONE_NODE = ("--nodes=1", "--cpus-per-task=1")


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    """Two nodes, for all tests here."""
    with running_slurm() as slurm:
        yield slurm


@pytest.fixture(scope="module")
def modelled(bundled_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with models whose networks took no step, from which a generation can be drawn."""
    home = Home.locate(shutil.copytree(bundled_home.path, tmp_path_factory.mktemp("modelled") / "home"))
    add_training(home, find_dataset(home))
    return home


@pytest.fixture
def home(modelled: Home, tmp_path: Path) -> Home:
    return Home.locate(shutil.copytree(modelled.path, tmp_path / "home"))


@pytest.fixture(scope="module")
def without_slurm(modelled: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the generation drawn in this process."""
    home = Home.locate(shutil.copytree(modelled.path, tmp_path_factory.mktemp("without") / "home"))
    generate(home, plan_of_command(home, count=COUNT, shard_size=SHARD_SIZE), draw=draw_here)
    return digests(home)


def models(home: Home) -> dict[str, str]:
    """Checksum of each space group's trained model."""
    (folder,) = home.trainings.glob("small-*")
    return {path.parent.name: read_json(path)["model_checksum"] for path in folder.glob("*/model.json")}


def answers(address: str, token: str) -> bool:
    """Whether a Ray answers to who has this token."""
    environment = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "PYTHONWARNINGS": "ignore"}
    environment.pop("RAY_AUTH_TOKEN_PATH", None)
    command = [Path(sys.executable).parent / "ray", "health-check", "--address", address]
    return subprocess.run(command, env=environment, capture_output=True, timeout=120).returncode == 0


def midway(job: Job, home: Home, n_lines: int = 5) -> None:
    """Wait until the job has committed some shards."""
    until(lambda: len(manifest_lines(home)) >= n_lines or job.ended(), f"job {job.number} draws: {job.log}", 240)
    assert n_lines <= len(manifest_lines(home)) < COUNT // SHARD_SIZE, job.log


def assert_nothing_left(job: Job) -> None:
    assert job.processes() == []
    assert job.temporary_folders() == []
    assert not job.own_folder.exists(), job.log


def test_two_jobs_beside_each_other_each_with_a_ray_of_its_own(
    slurm: Slurm, home: Home, bundled_home: Home, without_slurm: dict[str, str], tmp_path: Path
) -> None:
    trained = Home.locate(shutil.copytree(bundled_home.path, tmp_path / "trained"))
    recipe = write_recipe(tmp_path / "small.toml", small_recipe(generator_steps=40))
    training = slurm.submit(*TRAINING, "--recipe", recipe, "--home", trained.path, options=ON_BOTH_NODES)
    drawing = slurm.submit(*COMMAND, "--home", home.path, options=ON_ONE_NODE)
    addresses = [drawing.started(), training.started()]
    assert {training.state, drawing.state} == {"RUNNING"}, drawing.log + training.log
    assert len({address.rpartition(":")[2] for address in addresses}) == 2
    assert len(training.temporary_folders()) == 2
    assert len(drawing.temporary_folders()) == 1
    folders = [*training.temporary_folders(), training.own_folder, drawing.own_folder]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
    tokens = [job.own_folder / "token" for job in (drawing, training)]
    assert {stat.S_IMODE(token.stat().st_mode) for token in tokens} == {0o600}
    of_drawing, of_training = (token.read_text() for token in tokens)
    assert len(of_training) == 64
    assert answers(addresses[1], of_training), training.log
    assert not answers(addresses[1], of_drawing)
    assert drawing.wait()["ExitCode"] == "0:0", drawing.log
    assert training.wait()["ExitCode"] == "0:0", training.log
    for job in (training, drawing):
        assert_nothing_left(job)
    assert digests(home) == without_slurm
    plain = Home.locate(shutil.copytree(bundled_home.path, tmp_path / "plain"))
    finish(*TRAINING, "--recipe", recipe, "--home", plain.path)
    assert len(models(plain)) == len(GROUPS)
    assert models(trained) == models(plain)


def test_a_cancelled_job_submitted_again_goes_on_where_it_stopped(
    slurm: Slurm, home: Home, without_slurm: dict[str, str]
) -> None:
    first = slurm.submit(*COMMAND, "--home", home.path, options=ON_BOTH_NODES)
    midway(first, home)
    slurm.ask("scancel", first.number)
    assert first.wait()["JobState"] == "CANCELLED"
    assert_nothing_left(first)
    kept = digests(home)
    assert kept.items() < without_slurm.items()
    again = slurm.submit(*COMMAND, "--home", home.path, options=ON_BOTH_NODES)
    assert again.wait()["JobState"] == "COMPLETED", again.log
    assert list(digests(home))[: len(kept)] == list(kept), "what was committed was not drawn again"
    assert digests(home) == without_slurm
    (folder,) = home.generations.iterdir()
    (folder / NODES_RECORD).unlink(missing_ok=True)  # Slurm ends the nodes too, which the command may still note
    assert_complete(home, plan_of_command(home, count=COUNT, shard_size=SHARD_SIZE).counts)
    assert_nothing_left(again)


def test_before_its_time_is_over_a_job_stops_in_good_order_and_goes_back_into_the_queue(
    slurm: Slurm, home: Home, without_slurm: dict[str, str]
) -> None:
    """Slurm sends this signal by ``--signal``, whose moment is up to a minute off; so it is sent by hand."""
    job = slurm.submit(*COMMAND, "--home", home.path, options=ON_ONE_NODE)
    midway(job, home)
    slurm.ask("scancel", "--batch", "--signal=USR1", job.number)
    until(lambda: job.tell()["Restarts"] == "1" or job.ended(), f"job {job.number} is queued again: {job.log}", 120)
    assert "Stopping in good order" in job.log
    kept = digests(home)
    assert kept.items() < without_slurm.items()
    assert job.wait()["JobState"] == "COMPLETED", job.log
    assert digests(home) == without_slurm
    assert_nothing_left(job)


def test_the_jobs_exit_code_is_the_commands_and_rays_logs_are_kept(slurm: Slurm, home: Home) -> None:
    job = slurm.submit("generate", "--balance", "sideways", "--home", home.path, options=ON_ONE_NODE)
    told = job.wait()
    assert (told["JobState"], told["ExitCode"]) == ("FAILED", "2:0"), job.log
    assert "sideways" in job.log
    assert job.temporary_folders() == []
    assert list(job.own_folder.glob("ray-logs-0/raylet.out"))
    assert not (job.own_folder / "token").exists()


def test_without_a_command_the_job_says_what_it_expects(slurm: Slurm) -> None:
    job = slurm.submit(options=ON_ONE_NODE)
    assert job.wait()["ExitCode"] == "2:0"
    assert "expected a command of platform" in job.log
    assert "RAY_AUTH_TOKEN" not in job.log
