"""Pieces go to processes and come back in order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
from written_crystals import batch_of, perovskite, tinisi

from crystalforge.evaluation import matching
from crystalforge.evaluation.workers import LEAST_PIECES, pieces_of, workers


def _where(piece: list[int]) -> tuple[int, int]:
    return sum(piece), os.getpid()


def test_processes_give_what_one_gives_in_order() -> None:
    crystals = batch_of(*[perovskite(4.0 + i / 100) if i % 3 else tinisi(0.2 + i / 5000) for i in range(1200)])
    candidates = [np.array([(i + 3) % 1200]) for i in range(1200)]
    with workers(1) as here:
        expected = matching.any_match(crystals, crystals, candidates, here)
    with workers(2) as pool:
        found = matching.any_match(crystals, crystals, candidates, pool)
        sums, places = zip(*pool.map(_where, pieces_of(list(range(8)), 2)), strict=True)
    assert found.tolist() == expected.tolist()
    assert sums == (1, 5, 9, 13)
    assert os.getpid() not in places


def test_little_work_stays_here() -> None:
    with workers(2) as pool:
        assert {place for _, place in pool.map(_where, [[1]] * (LEAST_PIECES - 1))} == {os.getpid()}


PARENT = """
import sys, time
from crystalforge.evaluation.workers import Workers
if __name__ == "__main__":
    pool = Workers(2)
    found = pool.map(time.sleep, [0.2] * 8)
    print(next(iter(found)), flush=True)
    print(*pool._pool._processes, flush=True)
    sys.stdin.read()
"""


def test_processes_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        lines = [parent.stdout.readline() for _ in range(2)]
        processes = [psutil.Process(int(number)) for number in lines[1].split()]
        parent.kill()
        _, alive = psutil.wait_procs(processes, timeout=30)
    assert processes
    assert not alive
