"""A screening whose process is killed in the middle: the same command relaxes what is missing, and nothing twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from crystalforge.catalog.shards import ShardManifest
from crystalforge.home import Home
from crystalforge.jobs.screen import read_relaxations, relax_here, screen
from crystalforge.jobs.screening_plans import plan_screening
from crystalforge.screening.choosing import choose_inputs
from crystalforge.screening.potentials import load_potential
from crystalforge.screening.relaxation import RelaxationLimits

N_CRYSTALS = 10
PROGRAM = """
import sys
from crystalforge.home import Home
from crystalforge.jobs.screen import relax_here, screen
from crystalforge.jobs.screening_plans import load_screening

home = Home.locate(sys.argv[1])
screen(home, load_screening(home, sys.argv[2]), relax=relax_here)
"""


def test_a_killed_screening_is_continued(bundled_home: Home, tmp_path: Path) -> None:
    home = Home.locate(shutil.copytree(bundled_home.path, tmp_path / "home"))
    inputs = choose_inputs(home, source="materials", where="n_atoms_primitive <= 6", limit=N_CRYSTALS)
    limits = RelaxationLimits(max_steps=20)
    plan = plan_screening(home, inputs, load_potential("emt"), source="materials", limits=limits, shard_size=1)
    manifest = ShardManifest(home.screenings / plan.screening_id)
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(home.path), plan.screening_id])
    try:
        until = time.monotonic() + 60
        while not manifest.records() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    before = {line["file"]: line["sha256"] for line in manifest.records()}
    summary = screen(home, plan, relax=relax_here)
    after = {line["file"]: line["sha256"] for line in manifest.records()}
    rows = read_relaxations(home, plan.screening_id)
    assert 1 <= len(before) <= N_CRYSTALS
    assert (summary.shards_kept, summary.shards_written) == (len(before), N_CRYSTALS - len(before))
    assert before.items() <= after.items(), "what was committed stays as it was"
    assert rows["relaxation_id"].to_pylist() == [f"{plan.screening_id}-{index}" for index in range(N_CRYSTALS)]
    assert rows["source_id"].to_pylist() == inputs["source_id"].to_pylist()
    assert not list(home.screenings.rglob("*.partial"))
