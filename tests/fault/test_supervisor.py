"""Calculations end whole: hangs that ignore SIGTERM, walltime, workers and supervisors that are killed, full disks."""

from __future__ import annotations

import json
import marshal
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from small_disk import mounted_disk
from small_queue import marked_processes, order_in, stand_in_recipe

from crystalforge.validation.attempt import SUPERVISOR, run_attempt
from crystalforge.validation.leftovers import MARK, end_leftovers
from crystalforge.validation.supervisor import written

DEADLINE_S = 30
HANGS = 3
"""Processes of the hanging stand-in: it and two children, one of which leaves the process group."""

WORKER = """
import json, sys
from pathlib import Path
from crystalforge.validation.attempt import AttemptOrder, run_attempt
run_attempt(AttemptOrder(**json.loads(sys.stdin.read())))
"""


def _until(ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def neighbour():
    """A process of the same program and name that belongs to somebody else."""
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_DFL); time.sleep(3600)"
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", program]) as process:
        yield process
        assert process.poll() is None, "the neighbour of the same name is alive"
        process.kill()


def _worker(folder: Path, attempt_order: object) -> subprocess.Popen[bytes]:
    worker = subprocess.Popen([sys.executable, "-W", "ignore", "-c", WORKER], stdin=subprocess.PIPE)
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(vars(attempt_order), default=dict).encode())
    worker.stdin.close()
    return worker


def test_a_hang_that_ignores_sigterm_ends_at_its_walltime_with_its_grandchildren(tmp_path: Path, neighbour) -> None:
    recipe = stand_in_recipe(behaviour="hang", resources={"walltime_s": 2.5, "grace_s": 0.3})
    started = time.monotonic()
    report = run_attempt(order_in(tmp_path / "hanging", recipe))
    assert (report["error_class"], report["ending"]["reason"]) == ("walltime", "walltime")
    assert report["ending"]["ended_by_force"] == HANGS
    assert 2.8 <= time.monotonic() - started < 20
    assert marked_processes("hanging") == []


def test_the_correction_of_walltime_gives_the_next_attempt_more(tmp_path: Path) -> None:
    recipe = stand_in_recipe(seconds=1.0, resources={"walltime_s": 0.6})
    assert run_attempt(order_in(tmp_path / "short", recipe))["error_class"] == "walltime"
    assert run_attempt(order_in(tmp_path / "long", recipe, 2, walltime=4.0))["error_class"] is None


def test_when_a_worker_is_killed_its_calculation_ends(tmp_path: Path, neighbour) -> None:
    recipe = stand_in_recipe(behaviour="hang", resources={"walltime_s": 600, "grace_s": 0.2})
    with _worker(tmp_path, order_in(tmp_path / "of-worker", recipe)) as worker:
        _until(lambda: len(marked_processes("of-worker")) == HANGS)
        worker.kill()
    _until(lambda: not marked_processes("of-worker"))


def test_when_a_supervisor_is_killed_its_worker_ends_what_it_left(tmp_path: Path, neighbour) -> None:
    recipe = stand_in_recipe(behaviour="hang", resources={"walltime_s": 600})
    reports = []
    work = order_in(tmp_path / "orphaned", recipe)
    thread = threading.Thread(target=lambda: reports.append(run_attempt(work)), daemon=True)
    thread.start()
    _until(lambda: len(marked_processes("orphaned")) == HANGS)
    children = psutil.Process().children()
    (supervisor,) = [child for child in children if child.cmdline() == list(SUPERVISOR)]
    supervisor.kill()
    thread.join(DEADLINE_S)
    (report,) = reports
    assert report["error_class"] == "worker_lost"
    assert marked_processes("orphaned") == []


def test_leftovers_are_found_by_their_mark_only(neighbour) -> None:
    program = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]
    with (
        subprocess.Popen(program, env=os.environ | {MARK: "mine"}, start_new_session=True),
        subprocess.Popen(program, env=os.environ | {MARK: "another's"}) as other,
    ):
        _until(lambda: len(marked_processes("mine")) == len(marked_processes("another's")) == 1)
        ended = end_leftovers("mine")
        left = [len(marked_processes(name)) for name in ("mine", "another's")]
        other.kill()
    assert (ended, left) == (1, [0, 1])


def test_a_disk_that_is_full_while_it_computes_or_is_read_has_its_class(tmp_path: Path) -> None:
    with mounted_disk("2m") as disk:
        report = run_attempt(order_in(disk / "filling", stand_in_recipe(behaviour="full_disk")))
        assert report["error_class"] == "disk_full"
        assert not (disk / "filling" / "result.json").is_file(), "its result file had no space either"
        (disk / "filling" / "scratch.bin").unlink()
        assert run_attempt(order_in(disk / "again", stand_in_recipe()))["error_class"] is None


def test_a_command_that_is_not_there_ends_as_a_shell_says(tmp_path: Path) -> None:
    order = {"arguments": ["/no/such/program"], "environment": {}, "walltime_s": 5, "grace_s": 1, "memory_mb": 100}
    answer = subprocess.run(
        SUPERVISOR, input=written(order), cwd=tmp_path, stdout=subprocess.PIPE, timeout=10, check=True
    )
    assert marshal.loads(answer.stdout)["exit_code"] == 127
    assert "No such file" in (tmp_path / "stderr.txt").read_text()
