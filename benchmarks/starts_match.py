"""Which structure a composition has: the nearest donor, the start by support and kriging, the best of the donors.

`python benchmarks/starts_match.py --dataset mp [--home HOME]` asks for training crystals of method forge, each made
from the others alone (leave one out; crystals of the very same elements do not count), and compares with
StructureMatcher (ltol 0.2, stol 0.3, angle_tol 5, volumes scaled). Ten times as many crystals as are set aside, so that
differences of one in a hundred show. *Any donor* is the ceiling of every choice among the donors. Null: random free
parameters, and ratios of the edges of another crystal, at the suggested volume.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from harness import run_as_script

TITLE = "Starts and donors"
SOURCES = ("null", "nearest donor", "start", "any donor")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Dataset, groups, how many."""
    parser.add_argument("--dataset", help="name of a dataset of the home (the newest)")
    parser.add_argument("--home")
    parser.add_argument("--groups", default="71,139,62,166,194,123,164,141,227", help="by commas (%(default)s)")
    parser.add_argument("--most", type=int, default=400, help="crystals of each group at most (%(default)s)")
    parser.add_argument("--donors", type=int, default=8, help="donors tried for the ceiling (%(default)s)")
    parser.add_argument("--processes", type=int, default=2)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Matches of every source in every group."""
    from crystalforge.dataset import find_dataset
    from crystalforge.home import Home

    dataset = find_dataset(Home.locate(arguments.home), arguments.dataset)
    tasks = [
        (number, str(dataset.path), arguments.most, arguments.donors)
        for number in map(int, arguments.groups.split(","))
    ]
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        rows = list(pool.map(_matches, tasks))
    return {"dataset": dataset.dataset_id, "donors": arguments.donors, "rows": rows}


def _matches(task: tuple[int, str, int, int]) -> dict[str, Any]:
    import warnings

    import numpy as np
    import pyarrow.compute as pc
    import torch
    from pyarrow import parquet

    from crystalforge.dataset import split_materials, training_table
    from crystalforge.evaluation.matching import Comparison
    from crystalforge.gan.forge.crystals import find_donors
    from crystalforge.gan.forge.knowledge import Structures
    from crystalforge.gan.forge.learning import learn, structures_of
    from crystalforge.gan.forge.starts import find_starts
    from crystalforge.gan.recipe import load_recipe

    number, folder, most, n_donors = task
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    recipe: Any = load_recipe("forge")
    materials = parquet.read_table(Path(folder) / "materials.parquet")
    seen, _ = split_materials(
        materials.filter(pc.equal(materials["space_group_number"], number)), recipe.validation_share
    )
    crystals = training_table(seen, number).crystals
    knowledge = learn(crystals, recipe.networks.nearest_contacts)
    known, random = knowledge.known, np.random.default_rng(number)
    rows = torch.as_tensor(np.sort(random.permutation(len(crystals))[:most]))  # each crystal once: they come first
    donors = find_donors(
        known, known.code[rows], known.atomic_numbers[rows], recipe.donors.n_donors, leave_out_same=True
    )
    rows, donors = rows[donors.exists[:, 0]], donors.take(donors.exists[:, 0].nonzero()[:, 0])
    composition, n = knowledge.suggested.take(rows), len(rows)
    starts = find_starts(knowledge, composition, donors, 1)
    others = torch.as_tensor(random.integers(len(known), size=n))
    made = {
        "null": (torch.as_tensor(random.random((n, 3, 3), dtype=np.float32)), known.log_ratios[others]),
        "start": (starts.parameters[:, 0], starts.log_ratios[:, 0]),
    }
    for place in range(min(n_donors, donors.index.shape[1])):
        made[f"donor {place}"] = (known.parameters[donors.index[:, place]], known.log_ratios[donors.index[:, place]])
    real = _batch(knowledge, composition, structures_of(known).take(rows))
    found = {}
    for name, (parameters, ratios) in made.items():
        copies = _batch(knowledge, composition, Structures(parameters, composition.log_volume, ratios))
        comparison = Comparison(real, copies)
        found[name] = np.array([comparison.first_match(i, np.array([i])) is not None for i in range(n)])
    by_donor = [
        found[name] & donors.exists[:, int(name.split()[1])].numpy() for name in found if name.startswith("donor")
    ]
    shares = {"nearest donor": by_donor[0], "any donor": np.any(by_donor, axis=0)} | found
    return {"group": number, "n": n, **{name: float(shares[name].mean()) for name in SOURCES}}


def _batch(knowledge: Any, composition: Any, structures: Any) -> Any:
    """The structures as a batch of crystals."""
    import numpy as np

    from crystalforge.crystals.batch import CrystalBatch

    letters = np.array([[chr(code) for code in row] for row in composition.code.tolist()])
    edges = knowledge.edges(composition.code, structures).double().numpy()
    angles = np.tile([90.0, 90.0, 120.0 if knowledge.hexagonal else 90.0], (len(edges), 1))
    return CrystalBatch(
        np.full(len(edges), knowledge.space_group_number),
        np.concatenate([edges, angles], axis=1),
        composition.atomic_numbers.numpy(),
        knowledge.exact_sites(letters, structures.parameters),
        knowledge.multiplicities(letters),
        letters,
    )


def section(results: dict[str, Any]) -> str:
    """One table, by space group and pooled, in percent."""
    rows = results["rows"]
    total = sum(row["n"] for row in rows)
    head = ["space group", "n", *SOURCES[:-1], f"any of {results['donors']} donors"]
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    pooled = {name: sum(row[name] * row["n"] for row in rows) / total for name in SOURCES}
    for row in [*rows, {"group": "all of these", "n": total, **pooled}]:
        shares = (f"{100 * row[name]:.1f}" for name in SOURCES)
        lines.append(f"| {row['group']} | {row['n']} | {' | '.join(shares)} |")
    text = (
        f"`python benchmarks/starts_match.py`, dataset {results['dataset']}: training crystals made from composition "
        "and template by the others alone, percent that match. No network has part in it."
    )
    return text + "\n\n" + "\n".join(lines)


def main() -> None:
    """Measure and print."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
