"""How fast forge reaches its targets: `python benchmarks/training_curve.py [--groups 62,164] [--plots docs/training]`.

Trains groups and seeds in this program without Ray, and notes after every epoch the seconds since the start,
preparation included, and the figures of the crystals set aside. The curve pools all groups: their seconds summed, their
figures weighted by the crystals set aside. The null is one step of training: the nearest crystals with suggested cells.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from harness import RESULTS_FOLDER, SVG_METADATA, SVG_SETTINGS, run_as_script

TITLE = "Targets against time"

CURVE = "training_curve.svg"
PLACED, VOLUME, CONTACTS = "validation_placed_share", "validation_log_volume_error", "validation_contact_share"
LABELS = {PLACED: "placed (%)", VOLUME: "error of log volume (%)", CONTACTS: "contacts ≥ 0.75 (%)"}
N = "validation_n"

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Dataset, groups, seeds, how often to look."""
    parser.add_argument("--dataset", help="name of a dataset of the home (the newest)")
    parser.add_argument("--home")
    parser.add_argument("--groups", help="space groups, by commas (all of the dataset)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each (%(default)s)")
    parser.add_argument("--steps-per-epoch", type=int, help="steps between two looks (the recipe's)")
    parser.add_argument("--steps", type=int, help="steps in all (the recipe's)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--plots", type=Path, default=RESULTS_FOLDER, help="folder of the plot (%(default)s)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train every group with every seed, largest groups first; draw the plot."""
    from crystalforge.dataset import find_dataset
    from crystalforge.home import Home

    dataset = find_dataset(Home.locate(arguments.home), arguments.dataset)
    counts = dataset.manifest.counts
    groups = [int(number) for number in arguments.groups.split(",")] if arguments.groups else list(counts)
    changes = {"steps_per_epoch": arguments.steps_per_epoch, "generator_steps": arguments.steps}
    changes = {name: value for name, value in changes.items() if value}
    tasks = [
        (number, seed, str(dataset.path), changes)
        for seed in range(arguments.seeds)
        for number in sorted(groups, key=lambda number: -counts[number])
    ]
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        results = {"dataset": dataset.dataset_id, "trainings": list(pool.map(_train, tasks))}
    arguments.plots.mkdir(parents=True, exist_ok=True)
    plots(results, arguments.plots)
    return results


def _train(task: tuple[int, int, str, dict[str, int]]) -> Row:
    """One training: null, seconds of the preparation, and a row for each epoch."""
    import pyarrow.compute as pc
    import torch
    from pyarrow import parquet

    from crystalforge.dataset import split_materials, training_table
    from crystalforge.gan.forge.training import ForgeTrainer
    from crystalforge.gan.forge.validation import validation_score
    from crystalforge.gan.recipe import load_recipe, recipe_from_values

    number, seed, folder, changes = task
    torch.set_num_threads(1)

    def recipe_with(**optimisation: int) -> Any:
        values = load_recipe("forge").model_dump()
        values["optimisation"] |= optimisation
        return recipe_from_values(values, "curve")

    recipe = recipe_with(**changes)
    materials = parquet.read_table(Path(folder) / "materials.parquet")
    materials = materials.filter(pc.equal(materials["space_group_number"], number))
    seen, _ = split_materials(materials, recipe.validation_share)
    seconds = _clock()
    data = ForgeTrainer.prepare(training_table(seen, number), recipe, seed)
    trainer = ForgeTrainer.create(number, recipe, seed)
    preparation = seconds()
    epochs: list[Row] = []
    while not trainer.finished:
        figures = trainer.train_epoch(data)
        epochs.append(seconds() | {"generator_steps": trainer.generator_steps} | _figures(figures))
        epochs[-1]["score"] = validation_score(figures)
    null = ForgeTrainer.create(number, recipe_with(generator_steps=1, steps_per_epoch=1), seed).train_epoch(data)
    return {"group": number, "seed": seed, "preparation": preparation, "null": _figures(null), "epochs": epochs}


def _clock() -> Callable[[], dict[str, float]]:
    """Seconds since now."""
    import time

    cpu, wall = time.process_time(), time.perf_counter()
    return lambda: {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}


def _figures(figures: dict[str, float]) -> dict[str, float]:
    return {name: figures[name] for name in (*LABELS, N)}


def pooled_curve(trainings: list[Row]) -> list[Row]:
    """The null at the seconds of the preparation, then a row for each epoch of one seed's trainings.

    Each group counts with the best of its epochs so far, which is the one that a model keeps. One that has ended stays
    as it was.
    """
    rows = [_pooled([training["preparation"] | training["null"] for training in trainings]) | {"epoch": 0}]
    for epoch in range(1, max(len(training["epochs"]) for training in trainings) + 1):
        reached = [training["epochs"][:epoch] for training in trainings]
        best = [max(epochs, key=lambda row: row["score"]) for epochs in reached]
        now = [row | {"cpu_s": epochs[-1]["cpu_s"]} for row, epochs in zip(best, reached, strict=True)]
        rows.append(_pooled(now) | {"epoch": epoch})
    return rows


def _pooled(rows: list[Row]) -> Row:
    n = sum(row[N] for row in rows)
    figures = {name: sum(row[name] * row[N] for row in rows) / n for name in LABELS}
    return figures | {"cpu_s": sum(row["cpu_s"] for row in rows), N: n}


def curves(results: dict[str, Any]) -> list[list[Row]]:
    """The pooled curve of each seed."""
    trainings = results["trainings"]
    seeds = sorted({training["seed"] for training in trainings})
    return [pooled_curve([training for training in trainings if training["seed"] == seed]) for seed in seeds]


def section(results: dict[str, Any]) -> str:
    """The pooled curve as a table, the mean over seeds, and each group's seconds."""
    by_seed = curves(results)
    trainings = results["trainings"]
    groups = list(dict.fromkeys(training["group"] for training in trainings))
    lines = [f"| epoch | CPU (s), all groups | {' | '.join(LABELS.values())} |", "|" + "---:|" * (2 + len(LABELS))]
    for epoch in range(max(len(curve) for curve in by_seed)):
        rows = [curve[min(epoch, len(curve) - 1)] for curve in by_seed]
        cells = [f"{100 * _mean(rows, name):.2f}" for name in LABELS]
        name = "null" if epoch == 0 else str(epoch)
        lines.append(f"| {name} | {_mean(rows, 'cpu_s'):.0f} | {' | '.join(cells)} |")
    head = (
        "group",
        "n set aside",
        "preparation (s)",
        "to the best epoch (s)",
        "in all (s)",
        "steps",
        "placed (%)",
        "null (%)",
    )
    lines += ["", f"| {' | '.join(head)} |", "|" + "---:|" * len(head)]
    lines += [_group_line([t for t in trainings if t["group"] == number]) for number in groups]
    first = by_seed[0][0]
    return (
        f"`python benchmarks/training_curve.py`, dataset {results['dataset']}, {len(groups)} space groups, "
        f"{len(by_seed)} seeds, {first[N]:,.0f} crystals set aside. CPU seconds of one thread, summed over the groups, "
        "with all preparation (cells, donors, composition sampler), without Ray. Each group counts with the best epoch "
        "so far. *Placed*: as in the ablation; the error of the logarithm of the volume per atom is the mean of the "
        "groups' medians, weighted by crystals. The crystals that choose the epoch are those that judge it, so all "
        "figures but the null's are a little flattered. *Null*: after one step.\n\n"
    ) + "\n".join(lines)


def _group_line(trainings: list[Row]) -> str:
    best = [max(training["epochs"], key=lambda row: row["score"]) for training in trainings]
    last = [training["epochs"][-1] for training in trainings]
    preparation = _mean([training["preparation"] for training in trainings], "cpu_s")
    cells = [str(trainings[0]["group"]), f"{best[0][N]:,.0f}", f"{preparation:.1f}"]
    cells += [f"{_mean(best, 'cpu_s'):.1f}", f"{_mean(last, 'cpu_s'):.1f}", f"{_mean(last, 'generator_steps'):.0f}"]
    cells += [f"{100 * _mean(rows, PLACED):.1f}" for rows in (best, [training["null"] for training in trainings])]
    return f"| {' | '.join(cells)} |"


def _mean(rows: list[Row], name: str) -> float:
    return float(sum(row[name] for row in rows) / len(rows))


def plots(results: dict[str, Any], folder: Path) -> list[str]:
    """Draw the pooled curve of each seed; returns the file's name."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    with mpl.rc_context(SVG_SETTINGS):
        figure, all_axes = pyplot.subplots(1, len(LABELS), figsize=(9.6, 3.0), layout="constrained")
        for axes, (name, label) in zip(all_axes, LABELS.items(), strict=True):
            for seed, curve in enumerate(curves(results)):
                seconds, values = [row["cpu_s"] for row in curve], [100 * row[name] for row in curve]
                axes.plot(seconds, values, f"C{seed}", marker=".", label=f"seed {seed}")
                axes.plot(seconds[0], values[0], f"C{seed}o", markerfacecolor="none")
            axes.set(xlabel="CPU seconds, all groups", ylabel=label)
            axes.set_xlim(left=0)
        all_axes[-1].plot([], [], "ko", markerfacecolor="none", label="null")
        all_axes[-1].legend(frameon=False)
        figure.savefig(folder / CURVE, metadata=SVG_METADATA)
        pyplot.close(figure)
    return [CURVE]


def main() -> None:
    """Measure and print."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
