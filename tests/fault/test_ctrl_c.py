"""Ctrl-C once ends a generation in good order, twice at once; the same command ends it with the same bytes.

Of a training, see test_kills. The signal goes to the whole process group, as a terminal sends it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time

import psutil
import pytest
from real_commands import assert_complete, digests, manifest_lines, start, wait_until
from small_generation import plan_of_command

from crystalforge.home import Home
from crystalforge.jobs.generate import draw_here, generate
from crystalforge.jobs.generation_plans import load_plan

INTERRUPTED = 130
COUNT, SHARD_SIZE = 6000, 40
"""So many shards that the signal comes in the middle, also where this test waits for its turn."""
COMMAND = ["generate", "--count", COUNT, "--shard-size", SHARD_SIZE, "--space-groups", "225,62"]
AT_ONCE_S = 2


def _half_done(home: Home) -> subprocess.Popen[bytes]:
    process = start(*COMMAND, "--home", home.path)
    wait_until(lambda: len(manifest_lines(home)) >= 3, process)
    return process


@pytest.fixture(scope="module")
def undisturbed(trained: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the generation that nobody stops."""
    home = Home.locate(shutil.copytree(trained.path, tmp_path_factory.mktemp("undisturbed") / "home"))
    generate(home, plan_of_command(home, count=COUNT, shard_size=SHARD_SIZE), draw=draw_here)
    return digests(home)


def _assert_goes_on(home: Home, undisturbed: dict[str, str]) -> None:
    """What was committed is kept, and the same plan drawn to its end has the bytes of one that nobody stopped."""
    n_before = len(digests(home))
    assert n_before < len(undisturbed), "it was stopped in the middle"
    (folder,) = home.generations.iterdir()
    plan = load_plan(home, folder.name)
    summary = generate(home, plan, draw=draw_here)
    assert (summary.rows, summary.shards_kept) == (COUNT, n_before)
    assert digests(home) == undisturbed
    assert_complete(home, plan.counts)


def _workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Ray's processes but its two monitoring agents, which live on for a minute and do no work."""
    family = psutil.Process(process.pid).children(recursive=True)
    return [child for child in family if "Agent" not in child.name()]


def test_ctrl_c_once_ends_in_good_order(trained_home: Home, undisturbed: dict[str, str]) -> None:
    process = _half_done(trained_home)
    family = _workers(process)
    os.killpg(process.pid, signal.SIGINT)
    _, log = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, log.decode()
    assert "Stopping in good order. Ctrl-C again stops at once." in log.decode()
    assert "Stopped. The same command does what is missing." in log.decode()
    assert "Traceback" not in log.decode()
    assert psutil.wait_procs(family, timeout=30)[1] == [], "no worker is left"
    _assert_goes_on(trained_home, undisturbed)


@pytest.mark.parametrize("pause_s", [0.0, pytest.param(0.3, marks=pytest.mark.nightly)])
def test_ctrl_c_twice_ends_at_once(trained_home: Home, undisturbed: dict[str, str], pause_s: float) -> None:
    process = _half_done(trained_home)
    family = _workers(process)
    os.killpg(process.pid, signal.SIGINT)
    deadline = time.monotonic() + AT_ONCE_S
    while _handler_is_ours(process.pid) and time.monotonic() < deadline:
        time.sleep(0.005)  # two signals that come together are one for the system
    time.sleep(pause_s)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=AT_ONCE_S)
    assert process.returncode == -signal.SIGINT, "a shell shows 130 for it"
    psutil.wait_procs(family, timeout=15)
    _assert_goes_on(trained_home, undisturbed)


def _handler_is_ours(pid: int) -> bool:
    """Whether the process still catches Ctrl-C: the first one gives it back to the system."""
    with open(f"/proc/{pid}/status") as stream:  # noqa: PTH123
        caught = next(line.split()[1] for line in stream if line.startswith("SigCgt"))
    return bool(int(caught, 16) & 1 << (signal.SIGINT - 1))
