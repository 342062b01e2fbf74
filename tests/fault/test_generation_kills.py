"""`kill -9` of a generation's driver and of its workers at random moments: the same bytes as if never disturbed."""

from __future__ import annotations

import logging
import random
import shutil
import subprocess
import threading
import time

import pytest
from real_commands import DEADLINE_S, assert_complete, digests, finish, kill_workers, manifest_lines, start, stop
from small_generation import plan_of_command

from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home
from crystalforge.jobs.generate import draw_here, generate

logger = logging.getLogger(__name__)

COUNT, SHARD_SIZE = 3000, 50
COMMAND = ["generate", "--count", COUNT, "--shard-size", SHARD_SIZE, "--space-groups", "225,62"]
MANY = pytest.param(20, marks=[pytest.mark.nightly, pytest.mark.timeout(3600)])


def _plan(home: Home) -> GenerationPlan:
    """The plan that the command makes."""
    return plan_of_command(home, count=COUNT, shard_size=SHARD_SIZE)


@pytest.fixture(scope="module")
def undisturbed(trained: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the generation that nobody stops, drawn without Ray."""
    home = Home.locate(shutil.copytree(trained.path, tmp_path_factory.mktemp("undisturbed") / "home"))
    generate(home, _plan(home), draw=draw_here)
    return digests(home)


def _assert_undisturbed(home: Home, expected: dict[str, str]) -> None:
    assert digests(home) == expected
    assert_complete(home, _plan(home).counts)


@pytest.mark.parametrize("n_kills", [1, MANY])
def test_a_generation_survives_kills_of_its_driver(
    trained_home: Home, undisturbed: dict[str, str], n_kills: int
) -> None:
    """Each command goes on where the one that was killed stopped; one that ends first makes room for the next.

    Of four kills, three fall between two shards or within one, and one into Ray's start.
    """
    moments = random.Random(n_kills)
    n_killed = n_killed_midway = 0
    while n_killed < n_kills:
        before = len(manifest_lines(trained_home))
        process = start(*COMMAND, "--home", trained_home.path)
        if _comes_to_its_moment(process, trained_home, moments, midway=n_killed % 4 != 3):
            stop(process)
            n_killed += 1
            n_killed_midway += before < len(manifest_lines(trained_home)) < len(undisturbed)
            if trained_home.generations.exists():
                committed = digests(trained_home)
                assert committed.items() <= undisturbed.items(), "what is committed is whole"
        else:
            assert process.returncode == 0, process.communicate()
            process.communicate()
            _assert_undisturbed(trained_home, undisturbed)
            shutil.rmtree(trained_home.generations)
    assert f"{COUNT} rows" in finish(*COMMAND, "--home", trained_home.path)
    _assert_undisturbed(trained_home, undisturbed)
    assert n_killed_midway >= max(1, n_kills // 2), "it was killed in the middle of its work"
    logger.info("event=driver_kills n=%d midway=%d", n_killed, n_killed_midway)


def _comes_to_its_moment(process: subprocess.Popen[bytes], home: Home, moments: random.Random, *, midway: bool) -> bool:
    """Wait for a random moment; False if the command ends before."""
    deadline = time.monotonic() + (DEADLINE_S if midway else moments.uniform(0.5, 15))
    n_shards = len(manifest_lines(home)) + moments.randint(1, COUNT // SHARD_SIZE // 4)
    while time.monotonic() < deadline and process.poll() is None:
        if midway and len(manifest_lines(home)) >= n_shards:
            time.sleep(moments.uniform(0, 0.1))
            break
        time.sleep(0.01)
    return process.poll() is None


@pytest.mark.parametrize("n_kills", [MANY])  # one kill of all of them: tests/integration/test_generate.py
def test_a_generation_survives_kills_of_its_workers(
    trained_home: Home, undisturbed: dict[str, str], ray_session: None, n_kills: int
) -> None:
    moments = random.Random(n_kills)
    n_killed = 0
    while n_killed < n_kills:
        shutil.rmtree(trained_home.generations, ignore_errors=True)
        killed: list[int] = []
        moment = moments.randrange(len(undisturbed))
        killer = threading.Thread(target=_kill_one, args=(trained_home, moment, killed), daemon=True)
        killer.start()
        summary = generate(trained_home, _plan(trained_home))
        killer.join()
        n_killed += len(killed)
        assert summary.rows == COUNT
        _assert_undisturbed(trained_home, undisturbed)
    logger.info("event=worker_kills n=%d", n_killed)


def _kill_one(home: Home, moment: int, killed: list[int]) -> None:
    """Kill a worker of this process's Ray once so many shards are committed, if there is one then; note its id."""
    while len(manifest_lines(home)) < moment:
        time.sleep(0.01)
    killed.extend(kill_workers("MapWorker", most=1))
