"""Structure match given a composition and template that were set aside.

`python benchmarks/structure_match.py --home HOME --recipe donor --recipe swap` takes the newest training of each recipe
in the home (made by `platform train-all --recipe donor`), asks it for the structure of every validation crystal of the
training's dataset, and compares by pymatgen's StructureMatcher (ltol 0.2, stol 0.3, angle_tol 5), with volumes scaled
and as they are. Nulls: random free coordinates on the crystal's own Wyckoff positions, in its own cell; the median
volume of the group.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import asdict
from typing import Any

import numpy as np
from harness import run_as_script
from numpy.typing import NDArray

TITLE = "Structures of crystals set aside"
SOURCES_HEAD = "| space group | n |"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--home", help="home folder with the trainings (CRYSTALFORGE_HOME)")
    parser.add_argument("--recipe", action="append", help="recipe to judge; may be given again (donor, swap)")
    parser.add_argument("--seed", type=int, default=0, help="of the null")
    parser.add_argument("--share", type=float, default=0.1, help="of the formulas that are set aside (%(default)s)")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Matches and volume errors of each recipe and of the null, pooled and by space group."""
    from crystalforge.crystals.rows import batch_from_table
    from crystalforge.dataset import find_dataset, split_materials
    from crystalforge.home import Home
    from crystalforge.jobs.trained_models import find_models

    home = Home.locate(options.home)
    recipes = options.recipe or ["donor", "swap"]
    models = {recipe: find_models(home, recipe=recipe) for recipe in recipes}
    dataset_ids = {found.dataset_id for found in models.values()}
    if len(dataset_ids) != 1:
        raise SystemExit(f"The trainings are of different datasets, {sorted(dataset_ids)}: compare those of one.")
    dataset = find_dataset(home, dataset_ids.pop())
    seen, real = (batch_from_table(part) for part in split_materials(dataset.materials(), options.share))
    rows = [_null(seen, real, options.seed), *(_judge(found, real) for found in models.values())]
    names = ["null", *recipes]
    return {
        "dataset_id": dataset.dataset_id,
        "trainings": {name: found.training_id for name, found in models.items()},
        "n": len(real),
        "share": options.share,
        "figures": [figure for name, row in zip(names, rows, strict=True) for figure in _figures(name, real, row)],
    }


def _null(seen: Any, real: Any, seed: int) -> dict[str, NDArray[Any]]:
    """Random coordinates on the right Wyckoff positions in the right cell; as volume, the median of the group."""
    from dataclasses import replace

    from crystalforge.crystals.composition import volumes_per_atom
    from crystalforge.symmetry import sites_of

    random, coords = np.random.default_rng(seed), np.empty_like(real.frac_coords)
    volume_error = np.abs(np.log(volumes_per_atom(real)))
    for number, members in real.by_space_group():
        typical = np.median(volumes_per_atom(seen)[seen.space_group_number == number])
        volume_error[members] = np.abs(np.log(volumes_per_atom(real)[members] / typical))
        letters = real.wyckoff_letter[members].reshape(-1)
        coords[members] = sites_of(number, letters, random.random((len(letters), 3))).reshape(-1, 3, 3)
    row = _compare(real, replace(real, frac_coords=coords), np.arange(len(real)))
    return row | {"volume_error": volume_error}


def _judge(models: Any, real: Any) -> dict[str, NDArray[Any]]:
    from crystalforge.crystals.batch import CrystalBatch
    from crystalforge.gan.checkpoint import load_model
    from crystalforge.generation.checking import merge_samples

    parts, places = [], []
    for number, members in real.by_space_group():
        model: Any = load_model(models.checkpoint_folder(number))
        wanted = real.select(members)
        raw = model.structures_for(wanted.wyckoff_letter, wanted.atomic_numbers)
        found = np.flatnonzero(np.isfinite(raw.lattice_parameters).all(axis=1))
        kept = type(raw)(*(getattr(raw, name)[found] for name in raw.__dataclass_fields__))
        crystals, percolates = merge_samples(number, kept, model.recipe.sampling)
        parts.append(crystals)
        places.append(members[found[~percolates]])
    return _compare(real, CrystalBatch.concatenate(parts), np.concatenate(places))


def _compare(real: Any, made: Any, places: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Match with and without scaling (n,), and error of log volume per atom (n,), NaN where nothing was made."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    from crystalforge.crystals.composition import volumes_per_atom

    tolerances = {"ltol": 0.2, "stol": 0.3, "angle_tol": 5}
    matchers = {name: StructureMatcher(**tolerances, scale=name == "scaled") for name in ("scaled", "as_it_is")}
    row: dict[str, NDArray[Any]] = {name: np.zeros(len(real), dtype=bool) for name in matchers}
    row["volume_error"] = np.full(len(real), np.nan)
    row["volume_error"][places] = np.abs(np.log(volumes_per_atom(made) / volumes_per_atom(real)[places]))
    truth, copies = _primitive(real), _primitive(made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i, place in enumerate(places):
            for name, matcher in matchers.items():
                row[name][place] = bool(matcher.fit(truth[place], copies[i]))
    return row


def _primitive(batch: Any) -> dict[int, Any]:
    from pymatgen.core import Lattice, Structure

    from crystalforge.crystals.primitive import primitive_cells

    return {
        index: Structure(Lattice(cell.lattice), cell.atomic_numbers, cell.frac_coords)
        for index, cell in primitive_cells(batch)
    }


def _figures(name: str, real: Any, row: dict[str, NDArray[Any]]) -> list[dict[str, Any]]:
    from crystalforge.evaluation.intervals import median_figures, share_figures

    numbers = real.space_group_number
    figures = [f for kind in ("scaled", "as_it_is") for f in share_figures(kind, name, numbers, row[kind])]
    return [asdict(f) for f in (*figures, *median_figures("volume_error", name, numbers, row["volume_error"]))]


def section(results: dict[str, Any]) -> str:
    """Text and tables."""
    figures = {(f["metric"], f["source"], f["space_group_number"]): f for f in results["figures"]}
    sources = list(dict.fromkeys(f["source"] for f in results["figures"]))
    groups = sorted({f["space_group_number"] for f in results["figures"] if f["space_group_number"]})
    texts = {
        "scaled": ("Share that matches, volumes scaled", ".2f"),
        "as_it_is": ("Share that matches, volumes as they are", ".2f"),
        "volume_error": ("Median error of log volume per atom", ".4f"),
    }
    parts = [
        f"{results['n']} crystals, {results['share']:.0%} of the formulas, which no training saw. The structure is "
        "asked for by composition and Wyckoff template. StructureMatcher, ltol 0.2, stol 0.3, angle_tol 5. Null: "
        "random free coordinates on the right Wyckoff positions in the right cell; of the volume, the median of the "
        "space group's training crystals. In brackets the 95 % bootstrap interval."
    ]
    for metric, (title, form) in texts.items():
        lines = [f"{SOURCES_HEAD} {' | '.join(sources)} |", "|---" * (2 + len(sources)) + "|"]
        for group in [None, *groups]:
            row = [figures[metric, source, group] for source in sources]
            cells = [f"{f['value']:{form}} ({f['low']:{form}} to {f['high']:{form}})" for f in row]
            lines.append(f"| {group or 'all'} | {max(f['n'] for f in row)} | {' | '.join(cells)} |")
        parts.append(f"{title}:\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


if __name__ == "__main__":
    run_as_script(globals())
