"""Two commands on one run at once: the second stops and names the holder, or reads what is committed."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

from real_commands import assert_complete, cpu_of_children, finish, manifest_lines, start, stop, wait_until
from small_training import small_recipe, write_recipe

from crystalforge.home import Home
from crystalforge.jobs.generation_plans import load_plan

BUSY = 75
SECONDS = 10
"""Of processor time, so that a busy machine does not fail the test; an idle one needs half of it."""


def _assert_stops(command: list[object], holder: subprocess.Popen[bytes]) -> None:
    """Start the command again while the first one, put to sleep, holds the run."""
    holder.send_signal(signal.SIGSTOP)
    before = cpu_of_children()
    second = start(*command)
    _, log = second.communicate(timeout=60)
    used = cpu_of_children() - before
    assert second.returncode == BUSY, log.decode()
    assert re.search(rf"is in use by process {holder.pid} \(.*\)\. Wait until it ends, or stop it", log.decode())
    assert used < SECONDS


def test_a_second_generation_stops_and_a_query_reads(trained_home: Home) -> None:
    command = ["generate", "--count", 4000, "--shard-size", 40, "--space-groups", "225,62", "--home", trained_home.path]
    first = start(*command)
    wait_until(lambda: len(manifest_lines(trained_home)) >= 2, first)
    _assert_stops(command, first)
    counted = "SELECT count(*) AS n, count(DISTINCT sample_id) AS distinct_ids FROM samples"
    # The first sleeps in the middle of its writing: its workers go on, it commits nothing until it is woken.
    (row,) = json.loads(finish("sql", counted, "--json", "--home", trained_home.path))
    assert row["n"] == row["distinct_ids"]
    assert 80 <= row["n"] < 4000
    first.send_signal(signal.SIGCONT)
    _, log = first.communicate(timeout=120)
    assert first.returncode == 0, log.decode()
    (folder,) = trained_home.generations.iterdir()
    assert_complete(trained_home, load_plan(trained_home, folder.name).counts)


def test_a_second_training_stops(bundled_home: Home, tmp_path: Path) -> None:
    home = Home.locate(shutil.copytree(bundled_home.path, tmp_path / "home"))
    recipe = write_recipe(tmp_path / "small.toml", small_recipe(generator_steps=400))
    command = ["train-all", "--recipe", recipe, "--space-groups", "164", "--home", home.path]
    first = start(*command)
    wait_until(lambda: list(home.trainings.glob("*/training.json")), first)
    _assert_stops(command, first)
    stop(first, signal.SIGKILL)
