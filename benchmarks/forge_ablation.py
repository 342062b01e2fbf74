"""What each part of method forge is worth: `python benchmarks/forge_ablation.py --dataset mp [--home HOME]`.

Trains the recipe with one part changed, in this process without Ray, and asks for the crystals set aside: the share
whose sites are well placed, the median error of log volume per atom, and the share whose contacts are at least 0.75.
The null is no training at all: the nearest crystal with the suggested cell, chosen by an untrained critic.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from harness import run_as_script

TITLE = "What each part of forge is worth"

VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "forge": {},
    "no critic in the loss": {"wasserstein": {"adversarial": 0.0}},
    "no contact loss": {"physics": {"contact": 0.0}},
    "no site loss": {"physics": {"sites": 0.0}},
    "no physics losses": {"physics": {"contact": 0.0, "volume": 0.0, "ratios": 0.0, "sites": 0.0}},
    "nearest donor only": {"donors": {"n_candidates": 1}},
    "eight candidates": {"donors": {"n_candidates": 8}},
    "no moving average": {"optimisation": {"average_decay": 0.0}},
    "one step (null)": {"optimisation": {"generator_steps": 1, "steps_per_epoch": 1}, "donors": {"n_candidates": 1}},
}
"""What is changed in the recipe."""

FIGURES = ("validation_placed_share", "validation_log_volume_error", "validation_contact_share")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Dataset, groups and seeds."""
    parser.add_argument("--dataset", help="name of a dataset of the home (the newest)")
    parser.add_argument("--home")
    parser.add_argument("--groups", default="62,71,123,166", help="space groups, by commas (%(default)s)")
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each (%(default)s)")
    parser.add_argument("--processes", type=int, default=2)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train every variant of every group with every seed."""
    from crystalforge.dataset import find_dataset
    from crystalforge.home import Home

    dataset = find_dataset(Home.locate(arguments.home), arguments.dataset)
    tasks = [
        (variant, number, seed, str(dataset.path))
        for seed in range(arguments.seeds)
        for number in map(int, arguments.groups.split(","))
        for variant in VARIANTS
    ]
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        rows = list(pool.map(_train, tasks))
    return {"dataset": dataset.dataset_id, "rows": rows}


def _train(task: tuple[str, int, int, str]) -> dict[str, Any]:
    """One training; the figures of its best epoch."""
    import time

    import pyarrow.compute as pc
    import torch
    from pyarrow import parquet

    from crystalforge.dataset import split_materials, training_table
    from crystalforge.gan.forge.training import ForgeTrainer
    from crystalforge.gan.forge.validation import validation_score
    from crystalforge.gan.recipe import load_recipe, recipe_from_values

    variant, number, seed, folder = task
    torch.set_num_threads(1)
    values = load_recipe("forge").model_dump()
    for part, changes in VARIANTS[variant].items():
        values[part] |= changes
    values["sampling"]["compositions"] = "marginals"  # not asked for here, and quick to fit
    recipe: Any = recipe_from_values(values, variant)
    materials = parquet.read_table(Path(folder) / "materials.parquet")
    materials = materials.filter(pc.equal(materials["space_group_number"], number))
    parts = [training_table(part, number) for part in split_materials(materials, recipe.validation_share)]
    start = time.process_time()
    data = ForgeTrainer.prepare(parts[0], parts[1], recipe, seed)
    trainer = ForgeTrainer.create(number, recipe, seed)
    epochs = []
    while not trainer.finished:
        epochs.append(trainer.train_epoch(data))
    best = max(epochs, key=validation_score)
    figures = {name: best[name] for name in (*FIGURES, "validation_n")}
    return {"variant": variant, "group": number, "seed": seed, "cpu_s": time.process_time() - start, **figures}


def section(results: dict[str, Any]) -> str:
    """One table: mean over seeds, by group and pooled by the number of crystals."""
    rows = results["rows"]
    groups = sorted({row["group"] for row in rows})
    seeds = len({row["seed"] for row in rows})
    sizes = {number: int(next(row["validation_n"] for row in rows if row["group"] == number)) for number in groups}
    head = ["variant", *(f"placed, {number} (n {sizes[number]})" for number in groups)]
    head += ["placed, pooled", "log volume error", "contacts ≥ 0.75", "CPU (s)"]
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    for variant in VARIANTS:
        of_variant = [row for row in rows if row["variant"] == variant]
        cells = [f"{100 * _mean(of_variant, 'validation_placed_share', number):.1f}" for number in groups]
        placed, volume, contacts = (_pooled(of_variant, name) for name in FIGURES)
        cpu = sum(row["cpu_s"] for row in of_variant) / len(of_variant)
        cells += [f"{100 * placed:.1f}", f"{volume:.4f}", f"{100 * contacts:.1f}", f"{cpu:.0f}"]
        lines.append(f"| {variant} | {' | '.join(cells)} |")
    return (
        f"`python benchmarks/forge_ablation.py`, dataset {results['dataset']}, {seeds} seeds, the best epoch of each "
        "training. *Placed*: of the crystals set aside, made again from composition and template, the percentage whose "
        "sites are within 0.3 · (volume per atom)^(1/3) as they stand. The same crystals choose the epoch, so all "
        "figures but the null's are a little flattered.\n\n"
    ) + "\n".join(lines)


def _mean(rows: list[dict[str, Any]], name: str, group: int) -> float:
    values = [row[name] for row in rows if row["group"] == group]
    return sum(values) / len(values)


def _pooled(rows: list[dict[str, Any]], name: str) -> float:
    return sum(row[name] * row["validation_n"] for row in rows) / sum(row["validation_n"] for row in rows)


def main() -> None:
    """Measure and print."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
