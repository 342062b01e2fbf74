"""What crystals of new Wyckoff templates cost, and whether they are right.

`python benchmarks/new_templates.py --home HOME`, after `platform train-all`.

*Price*: samples of templates that no training crystal has, beside ordinary samples of the same models and beside the
same templates and elements with random parameters. *Held-out templates*: all crystals of some templates are taken out
of the training; then these templates are asked for with the true elements, and StructureMatcher (ltol 0.2, stol 0.3,
angle_tol 5, volumes scaled) says which structures are found. Only templates with something free are asked for.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness import run_as_script

TITLE = "New Wyckoff templates"

SEARCHES: dict[str, dict[str, Any]] = {
    "search": {},
    "no critic": {"by_critic": False},
    "no descent": {"n_steps": 0},
    "random parameters (null)": {"n_starts": 1, "n_kept": 1, "n_steps": 0, "by_critic": False},
}
"""What is changed in ``gan.forge.new_templates.Search``."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Trainings, size, seed."""
    parser.add_argument("--home", help="home folder with a training of recipe forge (CRYSTALFORGE_HOME)")
    parser.add_argument("--samples", type=int, default=200, help="of each group, for the price (%(default)s)")
    parser.add_argument("--most", type=int, default=60, help="crystals of held-out templates in a group (%(default)s)")
    parser.add_argument("--steps", type=int, help="generator steps without the held-out templates (the recipe's)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both parts, every group in a process of its own."""
    from crystalforge.dataset import find_dataset
    from crystalforge.home import Home
    from crystalforge.jobs.trained_models import find_models

    home = Home.locate(arguments.home)
    models = find_models(home, recipe="forge")
    dataset = find_dataset(home, models.dataset_id)
    checkpoints = {number: str(models.checkpoint_folder(number)) for number in sorted(models.records)}
    return {"training": models.training_id} | measure_all(checkpoints, str(dataset.path), arguments)


def measure_all(checkpoints: dict[int, str], dataset: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Rows of both parts, given where models and crystals are."""
    tasks = [(number, folder, dataset, arguments) for number, folder in checkpoints.items()]
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        price, held_out = pool.map(price_of, tasks), pool.map(held_out_of, tasks)
        return {"price": [r for rows in price for r in rows], "held_out": [r for rows in held_out for r in rows]}


def price_of(task: tuple[int, str, str, argparse.Namespace]) -> list[dict[str, Any]]:
    """Counts of one group by source."""
    import time

    import numpy as np
    import torch

    from crystalforge.gan.checkpoint import load_model
    from crystalforge.gan.compositions.new_templates import with_new_templates
    from crystalforge.gan.forge.new_templates import Search
    from crystalforge.gan.stretch import Stretch

    number, folder, _, arguments = task
    torch.set_num_threads(1)
    model: Any = load_model(Path(folder))
    n = arguments.samples
    start = time.process_time()
    ordinary = model.draw(n, np.random.SeedSequence(arguments.seed), Stretch(0, 0.5, n))
    rows = [_judged("ordinary samples", model, ordinary, time.process_time() - start)]
    sampler = with_new_templates(model.compositions)
    drawn = sampler.draw(n, np.random.default_rng(arguments.seed), temperature=model.recipe.sampling.temperature)
    for name, changes in SEARCHES.items():
        start = time.process_time()
        random = np.random.default_rng(arguments.seed + 1)
        raw = model.new_structures_for(drawn.letters, drawn.atomic_numbers, random, Search(**changes))
        rows.append(_judged(name, model, raw, time.process_time() - start))
    return [row | {"group": number, "templates_possible": len(sampler.space.letters)} for row in rows]


def _judged(name: str, model: Any, raw: Any, seconds: float) -> dict[str, Any]:
    import numpy as np

    from crystalforge.crystals.symmetry_search import find_space_groups
    from crystalforge.generation.checking import judge
    from crystalforge.generation.sampling import floors_of

    number = model.space_group_number
    verdicts = judge(number, raw, floors_of(model))
    crystals = verdicts.crystals.select(verdicts.accepted[verdicts.has_crystal])
    known = {tuple(row) for row in model.compositions.space.letters.tolist()}
    templates = [tuple(sorted(row)) for row in crystals.wyckoff_letter.tolist()]
    new = [template for template in templates if template not in known]
    return {
        "source": name,
        "n": len(raw.atomic_numbers),
        "accepted": int(verdicts.accepted.sum()),
        "contact": int((verdicts.contacts.min_contact_ratio >= 0.75).sum()),
        "new": len(new),
        "templates": len(set(new)),
        "same_group": int(np.sum(find_space_groups(crystals) == number)),
        "cpu_s": seconds,
    }


def held_out_of(task: tuple[int, str, str, argparse.Namespace]) -> list[dict[str, Any]]:
    """Matches of one group by search; nothing where no template can be held out."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import torch
    from pyarrow import parquet

    from crystalforge.crystals.composition import volumes_per_atom
    from crystalforge.dataset import training_table
    from crystalforge.gan.checkpoint import load_model, save_checkpoint
    from crystalforge.gan.forge.new_templates import Search
    from crystalforge.gan.forge.training import ForgeTrainer
    from crystalforge.gan.model import training_statistics
    from crystalforge.gan.recipe import load_recipe, recipe_from_values

    number, _, folder, arguments = task
    torch.set_num_threads(1)
    materials = parquet.read_table(Path(folder) / "materials.parquet")
    rows = materials.filter(pc.equal(materials["space_group_number"], number))
    whole = training_table(rows, number)
    out = _held_out_rows(whole.crystals, arguments.most, arguments.seed)
    if not out.any():
        return []
    seen = training_table(rows.filter(pa.array(~out)), number)
    values = load_recipe("forge").model_dump()
    values["sampling"]["compositions"] = "marginals"  # not asked for here, and quick to fit
    recipe: Any = recipe_from_values(values, "held-out templates").with_steps(arguments.steps)
    trainer = ForgeTrainer.create(number, recipe, arguments.seed)
    data = ForgeTrainer.prepare(seen, recipe, arguments.seed)
    while not trainer.finished:
        trainer.train_epoch(data)
    statistics = training_statistics(seen.crystals.atomic_numbers, volumes_per_atom(seen.crystals))
    with TemporaryDirectory() as checkpoint:
        save_checkpoint(Path(checkpoint), trainer, statistics, {})
        model: Any = load_model(Path(checkpoint))
    real = whole.crystals.select(np.flatnonzero(out))
    return [
        {"group": number, "source": name} | _matches(model, real, Search(**changes), arguments.seed)
        for name, changes in SEARCHES.items()
    ]


def _held_out_rows(crystals: Any, most: int, seed: int) -> Any:
    """Which crystals are of the templates held out: drawn in random order while they are few, letters kept."""
    import numpy as np

    from crystalforge.symmetry import space_group

    positions = space_group(int(crystals.space_group_number[0])).wyckoff_positions
    freedom = {position.letter: position.degrees_of_freedom for position in positions}
    letters = np.sort(crystals.wyckoff_letter, axis=1)
    templates, of_crystal = np.unique(letters, axis=0, return_inverse=True)
    of_crystal, out = of_crystal.reshape(-1), np.zeros(len(letters), dtype=bool)
    for template in np.random.default_rng(seed).permutation(len(templates)):
        trial = out | (of_crystal == template)
        has_freedom = any(freedom[letter] for letter in templates[template])
        letters_stay = set(letters[~trial].ravel().tolist()) == set(letters.ravel().tolist())
        if has_freedom and letters_stay and trial.sum() <= most:
            out = trial
    return out


def _matches(model: Any, real: Any, search: Any, seed: int) -> dict[str, Any]:
    import warnings

    import numpy as np
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core import Lattice, Structure

    from crystalforge.crystals.composition import volumes_per_atom
    from crystalforge.crystals.primitive import primitive_cells
    from crystalforge.generation.checking import merge_samples

    raw = model.new_structures_for(real.wyckoff_letter, real.atomic_numbers, np.random.default_rng(seed), search)
    made, percolates = merge_samples(model.space_group_number, raw, model.recipe.sampling)
    places = np.flatnonzero(~percolates)
    truth, copies = (
        {i: Structure(Lattice(c.lattice), c.atomic_numbers, c.frac_coords) for i, c in primitive_cells(batch)}
        for batch in (real, made)
    )
    matcher = StructureMatcher(ltol=0.2, stol=0.3, angle_tol=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [bool(matcher.fit(truth[place], copies[i])) for i, place in enumerate(places)]
    errors = np.abs(np.log(volumes_per_atom(made) / volumes_per_atom(real)[places]))
    templates = {tuple(sorted(row)) for row in real.wyckoff_letter.tolist()}
    return {
        "n": len(real),
        "templates": len(templates),
        "matches": int(sum(found)),
        "volume_error": float(np.median(errors)),
    }


def section(results: dict[str, Any]) -> str:
    """Two tables, pooled over the groups, and the held-out part by group."""
    price, held_out = results["price"], results["held_out"]
    lines = [
        "| source | n | accepted | contact ≥ 0.75 | group found | new templates per 1,000 | CPU (ms per sample) |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for source in ("ordinary samples", *SEARCHES):
        total = {name: sum(r[name] for r in price if r["source"] == source) for name in price[0] if name not in TEXTS}
        n = total["n"]
        shares = [f"{100 * total[name] / n:.1f} %" for name in ("accepted", "contact")]
        shares.append(f"{100 * total['same_group'] / max(total['accepted'], 1):.1f} %")
        lines.append(
            f"| {source} | {n} | {' | '.join(shares)} | {1000 * total['templates'] / n:.0f} | "
            f"{1000 * total['cpu_s'] / n:.1f} |"
        )
    groups = sorted({row["group"] for row in held_out})
    by = {(row["group"], row["source"]): row for row in held_out}
    table = [f"| space group | templates | n | {' | '.join(SEARCHES)} |", "|---|---:|---:|" + "---:|" * len(SEARCHES)]
    for group in groups:
        first = by[group, "search"]
        cells = [f"{by[group, source]['matches'] / first['n']:.2f}" for source in SEARCHES]
        table.append(f"| {group} | {first['templates']} | {first['n']} | {' | '.join(cells)} |")
    n = sum(by[group, "search"]["n"] for group in groups)
    matches = [sum(by[group, source]["matches"] for group in groups) for source in SEARCHES]
    templates = sum(by[group, "search"]["templates"] for group in groups)
    table.append(f"| all | {templates} | {n} | {' | '.join(f'{m / n:.2f} ({m})' for m in matches)} |")
    return (
        f"Price, {len({row['group'] for row in price})} groups with equal shares:\n\n"
        + "\n".join(lines)
        + "\n\nTemplates held out from the training, structures matched given the true elements:\n\n"
        + "\n".join(table)
    )


TEXTS = ("source", "group")


if __name__ == "__main__":
    run_as_script(globals())
