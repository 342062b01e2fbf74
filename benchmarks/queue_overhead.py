"""What the queue itself costs: `python benchmarks/queue_overhead.py [--count 1000] [--concurrency 2]`.

Attempts of the stand-in engine, which computes nothing, so that all CPU is the queue's: dispatcher, Ray, worker,
supervisor, and the start of the stand-in's program, which is counted apart. Not on the page of benchmarks: 10,000
attempts take a long time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from harness import run_as_script

from crystalforge.home import Home
from crystalforge.jobs.cluster import connected
from crystalforge.jobs.validate import Point, run_queue
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.recipe import load_recipe
from crystalforge.validation.requests import enqueue

TITLE = "What the queue costs"
MB = 1e6
WARM_UP = 20
"""Attempts before the measurement: workers start and import."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--count", type=int, default=1000, help="attempts (%(default)s)")
    parser.add_argument("--concurrency", type=int, default=2, help="at once (%(default)s)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Work a queue off in a Ray that has started; CPU of this process and of all its descendants."""
    with tempfile.TemporaryDirectory() as folder, connected(num_cpus=2):
        home = Home.locate(Path(folder) / "home")
        _fill(home, WARM_UP, "warm")
        run_queue(home, concurrency=arguments.concurrency)
        _fill(home, arguments.count, "x")
        memory: list[float] = []

        def observe(point: Point, _attempt_id: str) -> None:
            if point is Point.RECORDED:
                memory.append(psutil.Process().memory_info().rss / MB)

        before, started = _cpu(), time.monotonic()
        summary = run_queue(home, concurrency=arguments.concurrency, observe=observe)
        seconds, after = time.monotonic() - started, _cpu()
        with Ledger(home.validations) as ledger:
            program = ledger.rows("SELECT sum(cpu_s) AS s FROM attempts WHERE number = 1 AND calculation_id > ?", [20])
    tenth = max(1, len(memory) // 10)
    return {
        "attempts": len(memory),
        "ended": dict(summary.ended),
        "wall_ms_per_attempt": 1e3 * seconds / len(memory),
        "cpu_ms_per_attempt": {key: 1e3 * (after[key] - before[key]) / len(memory) for key in after},
        "cpu_ms_of_the_program": 1e3 * program[0]["s"] / len(memory),
        "dispatcher_memory_mb": {"first_tenth": max(memory[:tenth]), "last_tenth": max(memory[-tenth:])},
    }


def _fill(home: Home, count: int, prefix: str) -> None:
    crystals = [
        Crystal(f"{prefix}{index}", f"{prefix}{index}", 4 * np.eye(3), np.zeros((1, 3)), np.array([11]))
        for index in range(count)
    ]
    with Ledger(home.validations) as ledger:
        enqueue(ledger, crystals, load_recipe("stand-in"))


def _cpu() -> dict[str, float]:
    """CPU seconds so far of the dispatcher, and of all below it: Ray's own processes, workers, their children."""
    own = psutil.Process().cpu_times()
    below = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        below += times.user + times.system + times.children_user + times.children_system
    return {"dispatcher": own.user + own.system, "all_below": below}


def section(results: dict[str, Any]) -> str:
    """One line of figures."""
    cpu, memory = results["cpu_ms_per_attempt"], results["dispatcher_memory_mb"]
    own = cpu["dispatcher"] + cpu["all_below"] - results["cpu_ms_of_the_program"]
    ended = ", ".join(f"{count:,} {state}" for state, count in results["ended"].items())
    return (
        f"{results['attempts']:,} attempts: {cpu['dispatcher']:.1f} ms CPU each in the dispatcher, "
        f"{cpu['all_below']:.1f} ms below it, of which {results['cpu_ms_of_the_program']:.1f} ms are the stand-in's "
        f"program; {results['wall_ms_per_attempt']:.0f} ms wall. So the queue itself takes {own:.1f} ms CPU for each. "
        f"Memory of the dispatcher: at most {memory['first_tenth']:.0f} MB in the first tenth of the attempts, "
        f"{memory['last_tenth']:.0f} MB in the last. Ended: {ended}."
    )


def main() -> None:
    """Run as a script."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
