"""How fast forge reaches its targets: `python benchmarks/training_curve.py [--groups 62,164] [--plots docs/training]`.

Trains groups and seeds in this program without Ray, and notes after every epoch the seconds since the start,
preparation included, and how well the validation part is made again, which no part of a training looks at. The epoch
is chosen as a training chooses it: by the judged crystals, a tenth of the training part. The curve pools all groups:
their seconds summed, their figures weighted by the validation crystals. The null is the untrained networks: what the
nearest crystals agree on, with suggested cells.
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
JUDGED = "judged"

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
    """One training: a row for the untrained networks after the preparation, and one for each epoch."""
    import torch

    from crystalforge.gan.forge.training import ForgeTrainer
    from crystalforge.gan.recipe import load_recipe, recipe_from_values

    number, seed, folder, changes = task
    torch.set_num_threads(1)
    values = load_recipe("forge").model_dump()
    values["optimisation"] |= changes
    recipe = recipe_from_values(values, "curve")
    training, validation = _tables(Path(folder), number, recipe.validation_share)
    clock = Clock()
    data = clock.run(lambda: ForgeTrainer.prepare(training, recipe, seed))
    trainer = clock.run(lambda: ForgeTrainer.create(number, recipe, seed))
    look = _look(data, validation, recipe)
    rows = [clock.spent | {"generator_steps": 0} | look(trainer)]
    while not trainer.finished:
        clock.run(lambda: trainer.train_epoch(data))
        rows.append(clock.spent | {"generator_steps": trainer.generator_steps} | look(trainer))
    return {"group": number, "seed": seed, "epochs": rows}


def _tables(folder: Path, number: int, validation_share: float) -> tuple[Any, Any]:
    """Training part of a group, and its validation part or None."""
    import pyarrow.compute as pc
    from pyarrow import parquet

    from crystalforge.dataset import split_materials, training_table

    materials = parquet.read_table(folder / "materials.parquet")
    parts = split_materials(materials.filter(pc.equal(materials["space_group_number"], number)), validation_share)
    training, validation = (training_table(part, number) if part.num_rows else None for part in parts)
    return training, validation


class Clock:
    """Seconds spent in what is run by it: looking at the figures of an epoch costs the training nothing."""

    def __init__(self) -> None:
        self.spent = {"cpu_s": 0.0, "wall_s": 0.0}

    def run(self, call: Callable[[], Any]) -> Any:
        """What the call returns."""
        import time

        cpu, wall = time.process_time(), time.perf_counter()
        result = call()
        spent = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
        self.spent = {name: self.spent[name] + seconds for name, seconds in spent.items()}
        return result


def _look(data: Any, validation: Any, recipe: Any) -> Callable[[Any], Row]:
    """Gives the figures of the validation part, and of the judged crystals how many there are and their score."""
    from crystalforge.gan.forge.learning import asked
    from crystalforge.gan.forge.validation import validation_figures, validation_score

    parts = {JUDGED: data.judged}
    parts["validation"] = None if validation is None else asked(data.knowledge, validation.crystals, recipe.donors)

    def look(trainer: Any) -> Row:
        figures = dict.fromkeys((JUDGED, "validation"), dict.fromkeys((*LABELS, N), 0.0))
        for name, part in parts.items():
            if part is not None and len(part[0]):
                composition, real, starts = part
                made = trainer.remade(data.knowledge, composition, starts)
                figures[name] = validation_figures(data.knowledge, composition, made, real)
        judged = figures[JUDGED]
        # Without judged crystals a training keeps its last epoch.
        score = validation_score(judged) if judged[N] else float(trainer.epoch)
        kept = {name: figures["validation"][name] for name in (*LABELS, N)}
        return kept | {"score": score, JUDGED: judged[N]}

    return look


def pooled_curve(trainings: list[Row]) -> list[Row]:
    """The untrained networks at the seconds of the preparation, then a row for each epoch of one seed's trainings.

    Each group counts with the best of its epochs so far, which is the one that a model keeps. One that has ended stays
    as it was.
    """
    rows = []
    for epoch in range(max(len(training["epochs"]) for training in trainings)):
        reached = [training["epochs"][: epoch + 1] for training in trainings]
        now = [_best(epochs) | {"cpu_s": epochs[-1]["cpu_s"]} for epochs in reached]
        rows.append(_pooled(now) | {"epoch": epoch})
    return rows


def _best(epochs: list[Row]) -> Row:
    return max(epochs, key=lambda row: row["score"])


def _pooled(rows: list[Row]) -> Row:
    n = sum(row[N] for row in rows)
    figures = {name: sum(row[name] * row[N] for row in rows) / max(n, 1) for name in LABELS}
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
    head = ("group", "n validation", "n judged", "preparation (s)", "to the kept epoch (s)", "in all (s)", "steps")
    head += ("placed (%)", "null (%)")
    lines += ["", f"| {' | '.join(head)} |", "|" + "---:|" * len(head)]
    lines += [_group_line([t for t in trainings if t["group"] == number]) for number in groups]
    first = by_seed[0][0]
    return (
        f"`python benchmarks/training_curve.py`, dataset {results['dataset']}, {len(groups)} space groups, "
        f"{len(by_seed)} seed{'s' if len(by_seed) > 1 else ''}, {first[N]:,.0f} validation crystals, which no part of "
        "a training looks at. CPU seconds of one thread, summed over the groups, with all preparation (cells, starts, "
        "composition sampler), without Ray. Each group counts with the best epoch so far by its judged crystals, a "
        "part of the training crystals that the networks do not learn from. *Placed*: as in the ablation; the error "
        "of the logarithm of the volume per atom is the mean of the groups' medians, weighted by crystals. *Null*: "
        "the untrained networks, which leave the starts as they are.\n\n"
    ) + "\n".join(lines)


def _group_line(trainings: list[Row]) -> str:
    null, last = ([training["epochs"][i] for training in trainings] for i in (0, -1))
    best = [_best(training["epochs"]) for training in trainings]
    cells = [f"{trainings[0]['group']}", f"{best[0][N]:,.0f}", f"{best[0][JUDGED]:,.0f}"]
    cells += [f"{_mean(rows, 'cpu_s'):.1f}" for rows in (null, best, last)]
    cells += [f"{_mean(last, 'generator_steps'):.0f}"]
    cells += [f"{100 * _mean(rows, PLACED):.1f}" for rows in (best, null)]
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
            low, high = axes.get_ylim()
            # A crystal or two of a thousand must not look like a cliff.
            axes.set_ylim(*((0, 1.5 * high) if name == VOLUME else (min(90, low), 100.5)))
        all_axes[-1].plot([], [], "ko", markerfacecolor="none", label="untrained")
        all_axes[-1].legend(frameon=False)
        figure.suptitle("Validation part, all groups; the epoch chosen by judged crystals of the training part")
        figure.savefig(folder / CURVE, metadata=SVG_METADATA)
        pyplot.close(figure)
    return [CURVE]


def main() -> None:
    """Measure and print."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
