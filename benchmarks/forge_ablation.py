"""What each part of method forge is worth: `python benchmarks/forge_ablation.py --dataset mp [--home HOME]`.

Trains the recipe with one part changed, in this process without Ray, and asks for the crystals set aside, which no
part of the training has seen: the share whose sites are well placed, the median error of these sites, of log volume per
atom and of the log ratios of the edges, and the share whose contacts are at least 0.75. Nulls: the starts as they are,
without any training; the nearest crystal copied, with the learned volume.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from harness import run_as_script

TITLE = "What each part of forge is worth"

UNTRAINED: dict[str, dict[str, Any]] = {"optimisation": {"generator_steps": 1, "steps_per_epoch": 1}}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "forge": {},
    "no critic in the loss": {"wasserstein": {"adversarial": 0.0}},
    "no contact loss": {"physics": {"contact": 0.0}},
    "no site loss": {"physics": {"sites": 0.0}},
    "no physics losses": {"physics": {"contact": 0.0, "volume": 0.0, "ratios": 0.0, "sites": 0.0}},
    "one mode": {"donors": {"n_modes": 1}},
    "the critic alone chooses": {"donors": {"trust": 0.0}},
    "no moving average": {"optimisation": {"average_decay": 0.0}},
    "nearest donor, trained": {"donors": {"n_donors": 1, "n_modes": 1}},
    "untrained (null)": UNTRAINED | {"donors": {"n_modes": 1}},
    "nearest donor, untrained (null)": UNTRAINED | {"donors": {"n_donors": 1, "n_modes": 1}},
}
"""What is changed in the recipe."""

GROUPS = "71,139,62,166,194,123,164,141,227"
"""In 225, 221 and 216 next to nothing is free."""
FIGURES = {
    "validation_placed_share": ("placed (%)", 100, ".1f"),
    "validation_site_error": ("sites (%)", 100, ".2f"),
    "validation_log_volume_error": ("log volume (%)", 100, ".2f"),
    "validation_log_ratio_error": ("log ratios (%)", 100, ".2f"),
    "validation_contact_share": ("contacts ≥ 0.75 (%)", 100, ".1f"),
}
"""Title, factor and format of each figure."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Dataset, groups and seeds."""
    parser.add_argument("--dataset", help="name of a dataset of the home (the newest)")
    parser.add_argument("--home")
    parser.add_argument(
        "--groups", default="71,139,62,166,194,123,164,141,227", help="space groups, by commas (%(default)s)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each (%(default)s)")
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
    from crystalforge.gan.forge.learning import asked
    from crystalforge.gan.forge.training import ForgeTrainer
    from crystalforge.gan.forge.validation import validation_figures
    from crystalforge.gan.recipe import load_recipe, recipe_from_values
    from crystalforge.gan.tensors import load_weights

    variant, number, seed, folder = task
    torch.set_num_threads(1)
    values = load_recipe("forge").model_dump()
    for part, changes in VARIANTS[variant].items():
        values[part] |= changes
    values["sampling"]["compositions"] = "marginals"  # not asked for here, and quick to fit
    recipe: Any = recipe_from_values(values, variant)
    materials = parquet.read_table(Path(folder) / "materials.parquet")
    materials = materials.filter(pc.equal(materials["space_group_number"], number))
    seen, aside = (training_table(part, number) for part in split_materials(materials, recipe.validation_share))
    start = time.process_time()
    data = ForgeTrainer.prepare(seen, recipe, seed)
    trainer = ForgeTrainer.create(number, recipe, seed)
    while not trainer.finished:
        trainer.train_epoch(data)
    load_weights(trainer.average, "generator", trainer.best)
    load_weights(trainer.critic, "critic", trainer.best)
    composition, real, starts = asked(data.knowledge, aside.crystals, recipe.donors)
    made = trainer.remade(data.knowledge, composition, starts)
    figures = validation_figures(data.knowledge, composition, made, real)
    return {"variant": variant, "group": number, "seed": seed, "cpu_s": time.process_time() - start, **figures}


def section(results: dict[str, Any]) -> str:
    """Two tables: every figure pooled by the number of crystals, and the share placed by group."""
    rows = results["rows"]
    groups = list(dict.fromkeys(row["group"] for row in rows))
    seeds = len({row["seed"] for row in rows})
    sizes = {number: int(next(row["validation_n"] for row in rows if row["group"] == number)) for number in groups}
    text = (
        f"`python benchmarks/forge_ablation.py`, dataset {results['dataset']}, {seeds} seeds, mean and, in brackets, "
        f"least and greatest of the seeds; {sum(sizes.values())} crystals that no part of the training saw, made again "
        "from composition and template. *Placed*: all sites within 0.3 · (volume per atom)^(1/3) as they stand. "
        "*Sites*: root mean square error of the sites of a placed crystal that has free ones, in percent of that "
        "length. Medians within a group, means over the crystals of the groups."
    )
    titles = [title for title, _, _ in FIGURES.values()]
    pooled = [f"| variant | {' | '.join(titles)} | CPU (s) |", "|---|" + "---:|" * (len(titles) + 1)]
    placed = [f"| variant | {' | '.join(f'{g} (n {sizes[g]})' for g in groups)} |", "|---|" + "---:|" * len(groups)]
    for variant in VARIANTS:
        of_variant = [row for row in rows if row["variant"] == variant]
        cells = [_cell(of_variant, name) for name in FIGURES]
        cpu = sum(row["cpu_s"] for row in of_variant) / seeds
        pooled.append(f"| {variant} | {' | '.join(cells)} | {cpu:.0f} |")
        shares = [f"{100 * _mean(of_variant, 'validation_placed_share', number):.1f}" for number in groups]
        placed.append(f"| {variant} | {' | '.join(shares)} |")
    return "\n\n".join([text, "\n".join(pooled), "Placed, by space group, in percent:", "\n".join(placed)])


def _cell(rows: list[dict[str, Any]], name: str) -> str:
    _, factor, form = FIGURES[name]
    seeds = sorted({row["seed"] for row in rows})
    values = [factor * _pooled([row for row in rows if row["seed"] == seed], name) for seed in seeds]
    return f"{sum(values) / len(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def _mean(rows: list[dict[str, Any]], name: str, group: int) -> float:
    values = [row[name] for row in rows if row["group"] == group]
    return sum(values) / len(values)


def _pooled(rows: list[dict[str, Any]], name: str) -> float:
    return float(sum(row[name] * row["validation_n"] for row in rows) / sum(row["validation_n"] for row in rows))


def main() -> None:
    """Measure and print."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
