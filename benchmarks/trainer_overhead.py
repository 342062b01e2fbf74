"""What one Ray Train trainer costs besides its training: `python benchmarks/trainer_overhead.py [--trainers 4]`.

Runs trainers whose loop does nothing, once with Ray's defaults and once with the settings that `platform train-all`
uses, in turn, each in a fresh local Ray. Prints the medians of the time to the loop and after it, and the CPU seconds
by kind of process. Timings on a shared machine are noisy: compare the two rows of one run, not rows of two runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict

import psutil

CHILD = "--child"
SLOT = "trainer_slot"
"""Lets as many trainers start as there are CPUs."""


def _empty_loop(config: dict) -> dict[str, float]:
    import ray.train

    started = time.time()
    with tempfile.TemporaryDirectory() as folder:
        ray.train.report({}, checkpoint=ray.train.Checkpoint.from_directory(folder))
    return {"started": started, "ended": time.time()}


def _run_trainer(name: str, storage: str) -> dict[str, float]:
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    dispatched = time.time()
    trainer = TorchTrainer(
        _empty_loop,
        scaling_config=ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1}),
        run_config=RunConfig(name=name, storage_path=storage),
    )
    loop = trainer.fit().return_value
    return {"before_loop_s": loop["started"] - dispatched, "after_loop_s": time.time() - loop["ended"]}


def _watch(cpu_seconds: dict[tuple[int, str], float], stop: threading.Event) -> None:
    """Note the CPU time of every process of Ray's."""
    while not stop.wait(0.1):
        for process in psutil.Process().children(recursive=True):
            try:
                command, times = process.cmdline(), process.cpu_times()
            except psutil.Error:
                continue
            if command:
                cpu_seconds[process.pid, _kind(command)] = times.user + times.system


def _kind(command: list[str]) -> str:
    """Name of an actor or task (Ray writes it over the command), or of the program or script."""
    if command[0].startswith("ray::"):
        return command[0].removeprefix("ray::").split(".")[0]
    scripts = [part for part in command if part.endswith(".py")]
    return (scripts[0] if scripts else command[0]).split("/")[-1]


def _child(n_trainers: int, ours: bool) -> None:
    """One measurement, in a process of its own: Ray reads its environment at start."""
    import ray

    from crystalforge.jobs.cluster import ENVIRONMENT, LOCAL_ENVIRONMENT

    os.environ |= ENVIRONMENT | LOCAL_ENVIRONMENT if ours else {"RAY_USAGE_STATS_ENABLED": "0"}
    n_cpus = os.cpu_count() or 1
    ray.init(
        num_cpus=n_cpus,
        resources={SLOT: 1},
        include_dashboard=False,
        logging_level="ERROR",
        log_to_driver=False,
    )
    share = int(1e4 / n_cpus) / 1e4
    task = ray.remote(num_cpus=0, resources={SLOT: share})(_run_trainer)
    cpu_seconds: dict[tuple[int, str], float] = {}
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(cpu_seconds, stop))
    watcher.start()
    started = time.time()
    with tempfile.TemporaryDirectory() as storage:
        results = ray.get([task.remote(f"trainer-{i}", storage) for i in range(n_trainers)])
    wall = time.time() - started
    stop.set()
    watcher.join()
    by_kind: dict[str, float] = defaultdict(float)
    counted: dict[int, float] = defaultdict(float)
    # A process that changed its name counts under each name for the time that it had it.
    for (pid, kind), seconds in sorted(cpu_seconds.items(), key=lambda item: item[1]):
        by_kind[kind] += (seconds - counted[pid]) / n_trainers
        counted[pid] = seconds
    medians = {key: statistics.median(result[key] for result in results) for key in results[0]}
    print(json.dumps({**medians, "wall_per_trainer_s": wall / n_trainers, "cpu_s": by_kind}))


def main() -> None:
    """Measure both settings and print them one below the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainers", type=int, default=4)
    parser.add_argument(CHILD, choices=("defaults", "ours"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        _child(arguments.trainers, arguments.child == "ours")
        return
    print(f"{arguments.trainers} empty trainers on {os.cpu_count()} CPUs, seconds")
    for settings in ("defaults", "ours"):
        command = [sys.executable, "-W", "ignore", __file__, "--trainers", str(arguments.trainers), CHILD, settings]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        result = json.loads(done.stdout.splitlines()[-1])
        kinds = sorted(result.pop("cpu_s").items(), key=lambda item: -item[1])
        print(f"{settings:9}", "  ".join(f"{key} {value:.1f}" for key, value in result.items()))
        print(" " * 9, "CPU per trainer:", ", ".join(f"{kind} {value:.1f}" for kind, value in kinds if value >= 0.05))


if __name__ == "__main__":
    main()
