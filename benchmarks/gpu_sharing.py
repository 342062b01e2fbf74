"""Trainings that share a device: `python benchmarks/gpu_sharing.py [--home HOME] [--seconds 20] [--at-once 1,4,12]`.

As many trainings of recipe forge as asked run at once, each of another space group, in Ray tasks that ask for the share
of a GPU that `train-all` gives (`jobs/resources.py`); after them as many as there are cores run on the CPU. All train
during the same seconds; what counts is crystals per second, of each and of all together.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from generation_command import add_home_argument
from harness import run_as_script

TITLE = "Trainings that share a device"

READY_S = 900.0
"""To load data and networks, all at once on few cores."""
POLL_S = 0.05
ON_A_GPU = "1,2,4,12"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    add_home_argument(parser)
    parser.add_argument("--dataset", help="name of a dataset of the home (the newest)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of training (%(default)s)")
    parser.add_argument("--at-once", default=ON_A_GPU, help="trainings at once on a GPU (%(default)s)")
    parser.add_argument("--batch", type=int, help="crystals of a batch (the recipe's)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Some numbers of trainings, one after the other."""
    import torch

    from crystalforge.dataset import find_dataset
    from crystalforge.home import Home

    dataset = find_dataset(Home.locate(arguments.home), arguments.dataset)
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    cores = len(os.sched_getaffinity(0))
    on_gpu = [int(n) for n in arguments.at_once.split(",")] if gpu else []
    counts = dataset.manifest.counts
    groups = sorted(counts, key=lambda number: -counts[number])
    runs = [_run("cuda", n, groups, dataset.path, arguments) for n in on_gpu]
    runs += [_run("cpu", n, groups, dataset.path, arguments) for n in sorted({1, cores})]
    return {"dataset": dataset.dataset_id, "seconds": arguments.seconds, "gpu": gpu, "cores": cores, "runs": runs}


def _run(device: str, n: int, groups: list[int], dataset: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train n groups at once."""
    import ray

    from crystalforge.jobs.cluster import connected
    from crystalforge.jobs.resources import gpu_share

    share = gpu_share(1, n) if device == "cuda" else 0.0
    with tempfile.TemporaryDirectory(prefix="crystalforge-benchmark-") as folder, connected(num_cpus=n):
        train = ray.remote(num_cpus=1, num_gpus=share or None, max_retries=0)(_train)
        jobs = [
            train.remote(device, groups[i % len(groups)], str(dataset), folder, arguments.seconds, arguments.batch)
            for i in range(n)
        ]
        _let_go(Path(folder), n)
        each = ray.get(jobs)
    return {
        "device": device,
        "at_once": n,
        "gpu_share": share,
        "crystals_per_s": sum(one["crystals_per_s"] for one in each),
        "slowest": min(one["crystals_per_s"] for one in each),
        "quickest": max(one["crystals_per_s"] for one in each),
        "cpu_per_wall": sum(one["cpu_s"] / one["wall_s"] for one in each),
        "crystals_per_cpu_s": sum(one["crystals_per_s"] * one["wall_s"] for one in each)
        / sum(one["cpu_s"] for one in each),
        "gpu_bytes": max(one["gpu_bytes"] for one in each),
    }


def _let_go(folder: Path, n: int) -> None:
    """Wait until all are ready, then let them begin together."""
    deadline = time.monotonic() + READY_S
    while len(list(folder.glob("ready-*"))) < n:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{n} trainings were not ready within {READY_S:.0f} s")
        time.sleep(POLL_S)
    (folder / "go").touch()


def _train(device: str, number: int, dataset: str, folder: str, seconds: float, batch: int | None) -> dict[str, float]:
    """What a Ray task does: prepare, wait for the others, train for some seconds."""
    from dataclasses import replace

    import torch
    from training_step import recipe_of, tables

    from crystalforge.gan.forge.training import ForgeTrainer

    torch.set_num_threads(1)
    recipe = recipe_of("forge", steps_per_epoch=5, **({"batch_size": batch} if batch else {}))
    training, *_ = tables(Path(dataset), number, recipe.validation_share)
    data = ForgeTrainer.to_device(replace(ForgeTrainer.prepare(training, recipe, 0), judged=None), torch.device(device))
    trainer = ForgeTrainer.create(number, recipe, 0, device)
    trainer.train_epoch(data)  # the first fills caches
    (Path(folder) / f"ready-{os.getpid()}").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(POLL_S)
    before, wall, cpu = trainer.generator_steps, time.monotonic(), time.process_time()
    while time.monotonic() - wall < seconds:
        trainer.train_epoch(data)
    if device == "cuda":
        torch.cuda.synchronize()
    took = time.monotonic() - wall
    return {
        "crystals_per_s": trainer.crystals_per_step * (trainer.generator_steps - before) / took,
        "wall_s": took,
        "cpu_s": time.process_time() - cpu,
        "gpu_bytes": torch.cuda.max_memory_reserved() if device == "cuda" else 0,
    }


def section(results: dict[str, Any]) -> str:
    """Text and table."""
    text = (
        f"Recipe `forge` on dataset {results['dataset']}, each training of another space group, for "
        f"{results['seconds']:g} s of wall time that are the same for all. Crystals per second count every crystal "
        "that passes the networks. Without validation and checkpoints: what is compared is the steps."
    )
    gpu = results["gpu"] or "There was no GPU on this machine; the same command measures one where there is."
    lines = [
        "| device | trainings at once | GPU of each | crystals per second, all | of the slowest | of the quickest "
        "| over one alone | cores in use | crystals per core second | GPU memory of each, MB |",
        "|---|" + "---:|" * 9,
    ]
    alone = {run["device"]: run["crystals_per_s"] for run in results["runs"] if run["at_once"] == 1}
    lines += [
        f"| {run['device']} | {run['at_once']} | {run['gpu_share'] or '-'} | {run['crystals_per_s']:,.0f} "
        f"| {run['slowest']:,.0f} | {run['quickest']:,.0f} | {run['crystals_per_s'] / alone[run['device']]:.2f} "
        f"| {run['cpu_per_wall']:.2f} | {run['crystals_per_cpu_s']:,.0f} | {run['gpu_bytes'] / 1e6 or '-'} |"
        for run in results["runs"]
    ]
    return "\n\n".join([text, f"GPU: {gpu}" if results["gpu"] else gpu, "\n".join(lines)])


def main() -> None:
    """Run as a script."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
