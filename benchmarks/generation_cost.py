"""What a generation costs, part by part: `python benchmarks/generation_cost.py [--home HOME] [--count 50000]`.

First every part of a shard in one process without Ray: CPU per sample of each space group, weighted by the training's
crystals. Then the whole command `platform generate`, watched from outside and split into its phases.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from generation_command import DRIVER, PHASES, RAY, WORKERS, add_home_argument, run_generate, scratch_home, trained_home
from harness import cpu_seconds, run_as_script

TITLE = "What a generation costs"

REFERENCE_CPU_MS = 200.0
"""CPU per structure of the reference chain, from expansion to final file, weighted by the training set: measured
elsewhere, on another machine; here it only gives the scale."""
PAPER_RECIPE = "paper"
PARTS = {
    "network": "draw: elements, noise, network",
    "merge": "merge, letters, repeated until nothing overlaps",
    "contacts": "least contacts, with self-images",
    "checks": "volume window, reasons",
    "ids": "content hashes",
    "rows": "rows: formulas, Arrow columns",
    "parquet": "Parquet: encode, write, flush, SHA-256",
    "search": "symmetry search of accepted, unique crystals",
}
WITHOUT_NETWORK = ("merge", "contacts", "checks", "ids", "rows", "parquet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    add_home_argument(parser)
    parser.add_argument("--count", type=int, default=50_000, help="samples of the whole command (%(default)s)")
    parser.add_argument("--shards", type=int, default=2, help="shards of each group, in one process (%(default)s)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Parts in one process, then the whole command, then the command with almost nothing to draw."""
    import torch

    from crystalforge.home import Home
    from crystalforge.jobs.trained_models import find_models

    torch.set_num_threads(1)  # as in a worker
    home = trained_home(arguments.home)
    models = find_models(Home.locate(home))
    groups = [_measure_group(models, number, arguments.shards) for number in models.choose(None)]
    shares = np.array([models.counts[group["space_group_number"]] for group in groups], dtype=float)
    with scratch_home(home) as scratch:
        whole, nothing = (_command(scratch, count) for count in (arguments.count, len(groups)))
    return {
        "training_id": models.training_id,
        "groups": groups,
        "weighted": _weighted(groups, shares / shares.sum()),
        "paper_network_us": _untrained_network_us(PAPER_RECIPE),
        "reference_us": REFERENCE_CPU_MS * 1000,
        "command": whole,
        "command_with_nothing_to_draw": nothing,
    }


def _measure_group(models: Any, number: int, n_shards: int) -> dict[str, Any]:
    from crystalforge.catalog.shards import write_shard
    from crystalforge.crystals.composition import volumes_per_atom
    from crystalforge.crystals.contacts import least_contacts
    from crystalforge.crystals.identity import crystal_ids
    from crystalforge.gan.checkpoint import load_model
    from crystalforge.generation import checking, sampling
    from crystalforge.generation.plan import DEFAULT_SHARD_SIZE, GenerationPlan

    n = n_shards * DEFAULT_SHARD_SIZE
    plan = GenerationPlan(models.training_id, models.dataset_id, 0, n, {number: n}, {number: models.checksum(number)})
    model = load_model(models.checkpoint_folder(number))
    floors = sampling.floors_of(model)
    parts: dict[str, list[float]] = {name: [] for name in (*PARTS, "whole")}
    n_searched = n_accepted = n_merged = n_bytes = 0
    with TemporaryDirectory() as folder:
        for shard in plan.shards():
            draw = partial(model.draw, shard.n_samples, plan.shard_seed(shard))
            raw = draw()
            verdicts = checking.judge(number, raw, floors)
            crystals = verdicts.crystals
            ids = np.array(crystal_ids(crystals), dtype=str)
            found = sampling.search_first(verdicts, ids)
            rows = partial(sampling.sample_rows, plan, shard, raw, verdicts, ids, found)
            table = rows()
            write = partial(write_shard, Path(folder), shard.file, table)
            n_bytes += write().bytes
            seconds = {
                "network": cpu_seconds(draw),
                "merge": cpu_seconds(partial(checking.merge_samples, number, raw, floors.sampling)),
                "contacts": cpu_seconds(partial(least_contacts, crystals)),
                "volumes": cpu_seconds(partial(volumes_per_atom, crystals)),
                "judge": cpu_seconds(partial(checking.judge, number, raw, floors)),
                "ids": cpu_seconds(partial(crystal_ids, crystals)),
                "rows": cpu_seconds(rows),
                "parquet": cpu_seconds(write),
                "search": cpu_seconds(partial(sampling.search_first, verdicts, ids), repeats=2),
                "whole": cpu_seconds(
                    lambda shard=shard: write_shard(
                        Path(folder), shard.file, sampling.sample_shard(model, plan, shard)
                    ),
                    repeats=2,
                ),
            }
            rest = seconds["judge"] - seconds["merge"] - seconds["contacts"]
            seconds["checks"] = max(seconds["volumes"], rest)
            for name, values in parts.items():
                values.append(seconds[name])
            accepted = ids[verdicts.accepted[verdicts.has_crystal]]
            n_accepted += len(accepted)
            n_searched += len(np.unique(accepted))
            n_merged += len(crystals)
    return {
        "space_group_number": number,
        "n": n,
        "n_merged": n_merged,
        "n_accepted": n_accepted,
        "n_searched": n_searched,
        "bytes_per_sample": n_bytes / n,
        "us_per_sample": {name: sum(values) / n * 1e6 for name, values in parts.items()},
        "us_per_searched": sum(parts["search"]) / n_searched * 1e6 if n_searched else None,
    }


def _weighted(groups: list[dict[str, Any]], shares: np.ndarray) -> dict[str, Any]:
    """Means over the samples of a generation balanced as the training."""
    us = {name: float(shares @ [group["us_per_sample"][name] for group in groups]) for name in (*PARTS, "whole")}
    searched = float(shares @ [group["n_searched"] / group["n"] for group in groups])
    return {
        "us_per_sample": us,
        "us_without_network": sum(us[name] for name in WITHOUT_NETWORK),
        "us_with_network": sum(us[name] for name in (*WITHOUT_NETWORK, "network")),
        "accepted_share": float(shares @ [group["n_accepted"] / group["n"] for group in groups]),
        "searched_share": searched,
        "us_per_searched": us["search"] / searched if searched else None,
        "bytes_per_sample": float(shares @ [group["bytes_per_sample"] for group in groups]),
    }


def _untrained_network_us(recipe: str, n: int = 1000) -> float:
    """CPU per sample (µs) of a recipe's network with fresh weights: the price does not depend on them."""
    import torch

    from crystalforge.gan.networks import N_PROPERTIES, Generator
    from crystalforge.gan.recipe import load_recipe

    generator = Generator(225, load_recipe(recipe).networks).eval()
    noise, properties = torch.randn(n, generator.noise_size), torch.rand(n, 3, N_PROPERTIES)
    with torch.inference_mode():
        return cpu_seconds(partial(generator.draw_first_set, noise, properties)) / n * 1e6


def _command(home: Path, count: int) -> dict[str, Any]:
    run = run_generate(home, count)
    return {
        "n": count,
        "wall_s": run.wall_s,
        "cpu_s": sum(phase["cpu_s"] for phase in run.phases().values()),
        "n_workers": sum(process.kind == WORKERS for process in run.processes.values()),
        "phases": run.phases(),
    }


def section(results: dict[str, Any]) -> str:
    """Text and tables."""
    weighted = results["weighted"]
    return "\n\n".join(
        [
            _parts_text(results),
            _parts_table(results),
            _network_text(results),
            _command_text(results),
            _phases_table(results["command"], results["command_with_nothing_to_draw"]),
            _ray_text(results["command"], weighted),
        ]
    )


def _parts_text(results: dict[str, Any]) -> str:
    weighted = results["weighted"]
    return (
        "CPU per sample of every part of a shard (1,000 samples), in one process with one thread and without Ray, the "
        "least of two or three runs; `mean` is weighted by the crystals of each space group, as `platform generate` "
        f"draws them. Training {results['training_id']}. The reference chain needs 200 ms of CPU per structure, "
        "measured elsewhere, on another machine.\n\n"
        "| | mean | goal |\n|---|---:|---:|\n"
        f"| merge, letters, contacts, checks, hash, rows, Parquet (µs) | {weighted['us_without_network']:.1f} | 30 |\n"
        f"| the same with the network (µs) | {weighted['us_with_network']:.1f} | 100 |\n"
        f"| the same with the network of the recipe `paper` (µs) "
        f"| {weighted['us_without_network'] + results['paper_network_us']:.0f} | 100 |\n"
        f"| symmetry search, each searched crystal (µs) | {weighted['us_per_searched']:.0f} | 1300 |\n"
        f"| symmetry search, spread over all samples (µs) | {weighted['us_per_sample']['search']:.1f} | |\n"
        f"| everything, measured in one go (µs) | {weighted['us_per_sample']['whole']:.1f} | |\n"
        f"| reference chain, measured elsewhere (µs) | {results['reference_us']:.0f} | |"
    )


def _parts_table(results: dict[str, Any]) -> str:
    groups, weighted = results["groups"], results["weighted"]
    numbers = " | ".join(str(group["space_group_number"]) for group in groups)
    lines = [f"| µs per sample | mean | {numbers} |", "|---|" + "---:|" * (len(groups) + 1)]
    for name, label in PARTS.items():
        values = " | ".join(f"{group['us_per_sample'][name]:.1f}" for group in groups)
        lines.append(f"| {label} | {weighted['us_per_sample'][name]:.1f} | {values} |")
    searched = " | ".join(_or_dash(group["us_per_searched"]) for group in groups)
    lines.append(f"| search, each searched crystal | {_or_dash(weighted['us_per_searched'])} | {searched} |")
    accepted = " | ".join(f"{group['n_accepted'] / group['n']:.3f}" for group in groups)
    lines.append(f"| accepted share (n = {groups[0]['n']}) | {weighted['accepted_share']:.3f} | {accepted} |")
    return "\n".join(lines)


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _network_text(results: dict[str, Any]) -> str:
    return (
        "The network is that of the trained recipe. That of the recipe `paper`, 4.75 million parameters, untrained, "
        f"takes {results['paper_network_us']:.0f} µs per sample on one core (the reference's forward: 850 µs, measured "
        "elsewhere) and misses the goal. Only the first of the three sets that the generator can draw is computed, "
        "because only that one is a crystal."
    )


def _command_text(results: dict[str, Any]) -> str:
    command, nothing = results["command"], results["command_with_nothing_to_draw"]
    return (
        f"The whole command, `platform generate --count {command['n']}`, with {command['n_workers']} workers: "
        f"**{command['wall_s']:.1f} s** wall (goal: 45), {command['cpu_s']:.1f} s of CPU. Beside it the same command "
        f"with one sample for each space group ({nothing['n']} in all), which is the floor that Python, Ray and the "
        f"imports set: {nothing['wall_s']:.1f} s wall, {nothing['cpu_s']:.1f} s of CPU."
    )


def _phases_table(command: dict[str, Any], nothing: dict[str, Any]) -> str:
    lines = [
        f"| phase | wall (s) | CPU (s) | of the driver | of the workers | of Ray's own processes | wall (s), n = "
        f"{nothing['n']} |",
        "|---|" + "---:|" * 6,
    ]
    for name, label in PHASES.items():
        phase, floor = command["phases"][name], nothing["phases"][name]
        cpu = " | ".join(f"{phase[f'cpu_s_{kind}']:.2f}" for kind in (DRIVER, WORKERS, RAY))
        lines.append(f"| {label} | {phase['wall_s']:.2f} | {phase['cpu_s']:.2f} | {cpu} | {floor['wall_s']:.2f} |")
    return "\n".join(lines)


def _ray_text(command: dict[str, Any], weighted: dict[str, Any]) -> str:
    drawing = command["phases"]["drawing"]
    ray = drawing[f"cpu_s_{DRIVER}"] + drawing[f"cpu_s_{RAY}"]
    computed = weighted["us_per_sample"]["whole"] * command["n"] / 1e6
    return (
        f"While shards are drawn, everything outside the workers (the driver with its manifest lines, and Ray's "
        f"processes) takes {ray:.2f} s of CPU, {ray / drawing['cpu_s']:.0%} of the phase; the workers take "
        f"{drawing[f'cpu_s_{WORKERS}']:.2f} s. In one process without Ray the same {command['n']} samples, "
        f"search included, cost {computed:.2f} s by the table above; the first shards of the workers fall into the "
        "phase before."
    )


def main() -> None:
    """Run as a script."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
