"""A crystal that raises is a rejected row; one that hangs or kills its worker sets its shard aside; all others stand.

The crystals fault in the real worker processes, by faulty_crystals/sitecustomize.py.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from real_commands import assert_complete, column, digests, start
from small_generation import plan_of_command

from crystalforge.files import read_json
from crystalforge.home import Home
from crystalforge.jobs.generate import draw_here, generate
from crystalforge.jobs.generation_plans import load_plan

FAULTY = Path(__file__).with_name("faulty_crystals")
COUNT, SHARD_SIZE = 400, 40
COMMAND = ["generate", "--count", COUNT, "--shard-size", SHARD_SIZE, "--space-groups", "225,62"]
TIMEOUT_S = 6
KINDS = ("raise", "hang", "crash", "late")


def _first_cell(path: Path) -> float | None:
    """Length a of the first crystal of a full shard that was merged, so that it is checked."""
    cells = [a for a, crystal in zip(column(path, "a"), column(path, "crystal_id"), strict=True) if crystal]
    return cells[0] if cells and len(column(path, "a")) == SHARD_SIZE else None


@pytest.mark.timeout(240)
def test_a_crystal_that_faults_takes_at_most_its_shard(trained_home: Home, tmp_path: Path) -> None:
    undisturbed = Home.locate(shutil.copytree(trained_home.path, tmp_path / "undisturbed"))
    generate(undisturbed, plan_of_command(undisturbed, count=COUNT, shard_size=SHARD_SIZE), draw=draw_here)
    expected = digests(undisturbed)
    (folder,) = undisturbed.generations.iterdir()
    cells = {file: cell for file in sorted(expected) if (cell := _first_cell(folder / file))}
    shards = dict(zip(KINDS, cells, strict=False))
    faults = [{"a": cells[file], "fault": kind} for kind, file in shards.items()]
    paths = [str(FAULTY), *(path for path in sys.path if path)]
    environment = {"FAULTY_CRYSTALS": json.dumps(faults), "PYTHONPATH": os.pathsep.join(paths)}

    process = start(*COMMAND, "--shard-timeout", TIMEOUT_S, "--home", trained_home.path, environment=environment)
    _, log = process.communicate(timeout=200)
    assert process.returncode == 1, log.decode()
    assert "3 shards of generation" in log.decode()
    assert "All others are kept; the same command tries these again." in log.decode()

    (folder,) = trained_home.generations.iterdir()
    reasons = read_json(folder / "quarantine.json")
    assert set(reasons) == {shards[kind] for kind in ("hang", "crash", "late")}
    assert reasons[shards["crash"]] == "its worker died 3 times while drawing it."
    assert reasons[shards["late"]] == "it raised ArithmeticError: this crystal cannot be checked."
    assert f"its worker was ended 3 times as it took longer than {TIMEOUT_S} s" in reasons[shards["hang"]]

    made = digests(trained_home)
    others = {file: digest for file, digest in expected.items() if file not in shards.values()}
    assert made == others | {shards["raise"]: made[shards["raise"]]}
    reject_reasons = column(folder / shards["raise"], "reject_reason")
    assert reject_reasons.count("failed") == 1, "the one crystal that raised"
    assert len(reject_reasons) == SHARD_SIZE

    plan = load_plan(trained_home, folder.name)
    generate(trained_home, plan, draw=draw_here)
    assert digests(trained_home) == expected | {shards["raise"]: made[shards["raise"]]}
    assert_complete(trained_home, plan.counts)
