"""Generation on a CPU and a GPU: `python benchmarks/generation_device.py [--home HOME] [--batches 1000,10000]`.

The same command measures the CPU alone, or a GPU too where there is one. Beside the time of a draw stands its floor:
what the operations and the bytes of its networks would take at the rates that the same device reaches when it only
multiplies matrices or only copies. Then the whole shard, of which the draw is a part: merging, checks and the search
for symmetry stay on the CPU.
"""

from __future__ import annotations

import argparse
from typing import Any

from generation_command import add_home_argument, trained_home
from harness import run_as_script

TITLE = "Generation on a device"

SHARD = 1000
"""Samples of a whole shard."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    add_home_argument(parser)
    parser.add_argument("--training", help="of the home (the newest)")
    parser.add_argument("--groups", default="225,62", help="space groups (%(default)s)")
    parser.add_argument("--batches", default="1000,10000", help="samples of a draw (%(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="of which the quickest counts (%(default)s)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Draw on every device."""
    import torch
    from device_limits import devices, limits, name_of

    from crystalforge.home import Home
    from crystalforge.jobs.trained_models import find_models

    torch.set_num_threads(1)  # as in a worker
    models = find_models(Home.locate(trained_home(arguments.home)), arguments.training)
    groups = [int(number) for number in arguments.groups.split(",")]
    batches = [int(size) for size in arguments.batches.split(",")]
    found = []
    for device in devices():
        rows = [_draws(models, number, size, device, arguments.repeats) for number in groups for size in batches]
        found.append({"device": name_of(device), "kind": device, "limits": limits(device), "rows": rows})
    return {"training_id": models.training_id, "devices": found}


def _draws(models: Any, number: int, n: int, device: str, repeats: int) -> dict[str, Any]:
    """Seconds of a sample, drawn alone and as a part of a shard, and what its networks ask of the device."""
    import numpy as np
    from device_limits import ask, seconds

    from crystalforge.gan.checkpoint import load_model
    from crystalforge.generation.plan import GenerationPlan
    from crystalforge.generation.sampling import sample_shard

    model = load_model(models.checkpoint_folder(number), device)
    checksums = {number: models.checksum(number)}
    plan = GenerationPlan(models.training_id, models.dataset_id, 0, SHARD, {number: SHARD}, checksums)
    (shard,) = plan.shards()

    def draw() -> object:
        return model.draw(n, np.random.SeedSequence(0))

    draw()
    asked = ask(draw)
    return {
        "group": number,
        "n": n,
        "draw_s": seconds(draw, device, repeats) / n,
        "shard_s": seconds(lambda: sample_shard(model, plan, shard), device, repeats) / SHARD,
        "flop": asked.flop / n,
        "bytes": asked.bytes / n,
        "operators": asked.operators,
    }


def section(results: dict[str, Any]) -> str:
    """Text and tables."""
    parts = [
        f"Draws of training {results['training_id']}, the quickest of some. The floor is the larger of two times: the "
        "operations of the draw's matrix products at the rate of a large product of matrices (float32) on the same "
        "device, and the bytes that its operators read and write, each by itself, at the rate of a large copy. Times "
        "of a CPU are CPU seconds of one thread, those of a GPU wall seconds."
    ]
    for found in results["devices"]:
        rates = found["limits"]
        parts += [
            f"**{found['device']}**: {rates['flop_per_s'] / 1e9:,.0f} GFLOP/s, {rates['bytes_per_s'] / 1e9:,.1f} GB/s.",
            _table(found),
        ]
    if all(found["kind"] == "cpu" for found in results["devices"]):
        parts.append("There was no GPU on this machine; the same command measures one where there is.")
    return "\n\n".join(parts)


def _table(found: dict[str, Any]) -> str:
    lines = [
        "| group | batch | draw (µs) | draws per second | floor (µs) | draw / floor | kFLOP | kB | operators "
        "| whole shard (µs) | samples per second |",
        "|---:|" + "---:|" * 10,
    ]
    for row in found["rows"]:
        floor = max(row["flop"] / found["limits"]["flop_per_s"], row["bytes"] / found["limits"]["bytes_per_s"])
        lines.append(
            f"| {row['group']} | {row['n']:,} | {row['draw_s'] * 1e6:.1f} | {1 / row['draw_s']:,.0f} "
            f"| {floor * 1e6:.2f} | {row['draw_s'] / floor:.1f} | {row['flop'] / 1e3:,.0f} | {row['bytes'] / 1e3:,.0f} "
            f"| {row['operators']:,} | {row['shard_s'] * 1e6:.0f} | {1 / row['shard_s']:,.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run as a script."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
