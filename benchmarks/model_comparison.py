"""`forge` beside `paper`, `quick`, the baselines, real crystals and nulls, for several seeds: docs/comparison.md.

`python benchmarks/model_comparison.py --home HOME --make --seeds 0,1,2` does all that is missing in a home that has the
dataset: trains forge with each seed, draws by share and with equal shares, draws the baselines, judges all of them at
once, and writes the page. Run again, it continues. Trainings of `paper` and `quick` are used where the home has them.
Without --make it only writes the page from the figures that are there.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import comparison_runs as runs
import numpy as np
import pyarrow.parquet as pq
from comparison_figures import Figures, chance, read_figures, shares_of
from comparison_plots import plots
from comparison_text import page
from harness import run_as_script

TITLE = "Models compared"
PAGE = Path("docs/comparison.md")
PLOTS = Path("docs/benchmarks")
HULL = 0.08
"""eV/atom; below it a crystal counts as near the hull."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--home", type=Path, required=True, help="home folder with the dataset")
    parser.add_argument("--make", action="store_true", help="train, draw and judge what is missing")
    parser.add_argument("--seeds", default="0,1,2", help="of forge, by commas (%(default)s)")
    parser.add_argument("--count", type=int, default=50_000, help="samples of each generation (%(default)s)")
    parser.add_argument("--others", default="paper,quick", help="recipes used where they are trained (%(default)s)")
    parser.add_argument("--space-groups", help="these alone, by commas; all by default")
    parser.add_argument("--page", type=Path, default=PAGE, help="page to write (%(default)s)")
    parser.add_argument("--plots", type=Path, default=PLOTS, help="folder of its plots (%(default)s)")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Make what is missing, read all figures, write page and plots."""
    if options.make:
        seeds = [int(seed) for seed in options.seeds.split(",")]
        compared = runs.make(
            options.home, seeds, options.count, [*filter(None, options.others.split(","))], options.space_groups
        )
    else:
        compared = runs.Compared.read(options.home)
    if not compared.by_share:
        raise SystemExit(f"Nothing to compare in {options.home}: run with --make first.")
    by_share, equal = (
        read_figures(runs.figures_file(options.home, next(iter(names))), names, compared.seeds)
        for names in (compared.by_share, compared.equal)
    )
    path = runs.figures_file(options.home, next(iter(compared.by_share)))
    occurrences = pq.read_table(path.with_name("occurrences.parquet")).to_pylist()
    results = {
        "count": compared.count,
        "commands": compared.commands,
        "seconds": compared.seconds,
        "seeds": sorted({compared.seeds[name] for name in compared.by_share}),
        "generations": compared.by_share,
        "equal": compared.equal,
        "trainings": trainings(options.home, [*compared.by_share]),
        "collapse": _collapse(by_share, occurrences),
        "neutral": _neutral(options.home, compared.charge_balanced),
        "data": _data(options.home, next(iter(compared.by_share))),
        "templates": _templates(occurrences),
    }
    text = page(results, by_share, equal, plots(occurrences, by_share.groups, options.plots))
    options.page.write_text(text)
    return results


def trainings(home: Path, generations: list[str]) -> dict[str, dict[str, Any]]:
    """Recipe and generator steps of the training of each generation, as its record has them."""
    from crystalforge.evaluation.generations import find_generation
    from crystalforge.files import read_json
    from crystalforge.home import MODEL_RECORD, TRAINING_RECORD, Home

    where = Home.locate(home)
    found = {}
    for name in generations:
        training = str(find_generation(where, name).plan["training_id"])
        record = read_json(where.trainings / training / TRAINING_RECORD)
        models = [read_json(path) for path in sorted((where.trainings / training).glob(f"*/{MODEL_RECORD}"))]
        found[name] = {
            "training_id": training,
            "recipe": record["recipe"],
            "generator_steps": sorted({model["generator_steps"] for model in models}),
            "seconds": sum(model["seconds"]["loop"] for model in models),
        }
    return found


def _collapse(figures: Figures, occurrences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each space group: how far templates and elements are from those of training, and what chance gives."""
    rows = []
    for group in figures.groups:
        n = figures.n("template_distance", "forge", group) or 0
        templates = [*shares_of(occurrences, "template", "training", group).values()]
        elements = [*shares_of(occurrences, "element", "training", group).values()]
        of_templates, of_elements = chance(templates, n), chance(elements, 3 * n)
        rows.append(
            {
                "group": group,
                "n": n,
                "templates": len(templates),
                "template_distance": figures.mean("template_distance", "forge", group),
                "template_chance": of_templates.distance,
                "template_one": of_templates.distance_of_one,
                "coverage": figures.mean("template_coverage", "forge", group),
                "coverage_chance": of_templates.coverage,
                "coverage_one": of_templates.coverage_of_one,
                "element_distance": figures.mean("element_distance", "forge", group),
                "element_chance": of_elements.distance,
                "element_real": figures.mean("element_distance", "validation", group),
            }
        )
    return rows


def _neutral(home: Path, generation: str | None) -> dict[str, Any] | None:
    """SMACT of the charge-balanced channel."""
    if generation is None:
        return None
    from crystalforge.evaluation.compositional_validity import smact_validity
    from crystalforge.evaluation.generations import read_generation
    from crystalforge.evaluation.workers import workers
    from crystalforge.home import Home

    samples = read_generation(Home.locate(home), generation).samples
    with workers(1) as here:
        with_alloys, without = smact_validity(samples.formulas, here)
    return {"n": len(without), "smact": with_alloys.mean(), "smact_without_alloys": without.mean()}


def _data(home: Path, generation: str) -> dict[str, Any]:
    """What the crystals of the dataset are: numbers, and the share near the hull, by space group."""
    from crystalforge.dataset import find_dataset
    from crystalforge.evaluation.generations import find_generation
    from crystalforge.home import Home

    where = Home.locate(home)
    dataset = find_dataset(where, str(find_generation(where, generation).plan["dataset_id"]))
    crystals = dataset.materials()
    groups = crystals["space_group_number"].to_numpy()
    hull = np.array(crystals["energy_above_hull"].to_pylist(), dtype=np.float64)
    return {
        str(group): {
            "n": int((groups == group).sum()),
            "near_hull": float((hull[(groups == group) & np.isfinite(hull)] <= HULL).mean()),
            "median_hull": float(np.nanmedian(hull[groups == group])),
        }
        for group in np.unique(groups).tolist()
        if np.isfinite(hull[groups == group]).any()
    }


def _templates(occurrences: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Space group → source → template → share."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in occurrences:
        if row["kind"] == "template":
            of_group = found.setdefault(str(row["space_group_number"]), {})
            of_group.setdefault(row["source"], {})[row["name"]] = row["share"]
    return found


def section(results: dict[str, Any]) -> str:
    """Where the page is, and what the parts took."""
    lines = [f"- `{command}`: {seconds:.0f} s" for command, seconds in results["seconds"].items()]
    return "Wall time of each command:\n\n" + "\n".join(lines)


if __name__ == "__main__":
    run_as_script(globals())
