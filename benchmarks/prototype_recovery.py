"""Are real crystals found again after their sites were moved? `python benchmarks/prototype_recovery.py`.

Real crystals of the 12 space groups; every fractional coordinate of their three representative sites is moved by
uniform noise, then the sites are expanded and merged, here and in the order of steps of the published chain. Also: the
curves that choose the merge's cut-off. `--dataset bundled` needs nothing but the package; the default takes the shared
crystals where they lie (../shared/data, or CRYSTALFORGE_SHARED), for bundled has only 18 of space group 71.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
from harness import run_as_script
from numpy.typing import NDArray
from published_chain import Outcome, published_outcomes
from recovery_cutoffs import (
    FACTORS,
    FLOOR,
    FLOORS,
    RATIOS,
    Cutoff,
    Judge,
    by_crystal,
    by_noise,
    by_ratio,
    compared_rules,
    cutoffs_of_recipes,
)
from recovery_matching import STOL, asked, certain_matches, in_processes, matches
from recovery_plots import plots
from recovery_report import TITLE, section
from recovery_trials import (
    AUTO,
    Trials,
    choose_crystals,
    draw_random_sites,
    draw_trials,
    load_crystals,
    merge_trials,
    null_recovered,
    recovered,
    templates,
)

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.composition import volumes_per_atom

__all__ = ["TITLE", "add_arguments", "main", "measure", "plots", "section"]

CHECKED = 60
"""Certain matches of each noise that are put before the matcher all the same."""
TRIALS_AT_ONCE = 24
MOST_SHORT = 6
"""Elements in the list of those that stay unmerged."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes and sources."""
    parser.add_argument("--dataset", default=AUTO, help="bundled, a path, a dataset's name, or auto (%(default)s)")
    parser.add_argument("--per-group", type=int, default=20, help="crystals of each space group (%(default)s)")
    parser.add_argument("--draws", type=int, default=20, help="draws of each crystal (%(default)s)")
    parser.add_argument("--published-draws", type=int, default=3, help="of them, through the published chain")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.005, 0.01, 0.02, 0.05], help="fractional")
    parser.add_argument("--recipe", default="quick", help="whose cut-off is the default (%(default)s)")
    parser.add_argument("--seed", type=int, default=20, help="of crystals and noise (%(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="for matcher and published chain (%(default)s)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Recovery by noise, the null, the published chain, and the curves of the cut-off."""
    random = np.random.default_rng(arguments.seed)
    dataset, real = load_crystals(arguments.dataset)
    chosen = real.select(choose_crystals(real, arguments.per_group, random))
    recipes = cutoffs_of_recipes()
    default = recipes.pop(arguments.recipe)
    recipes = {arguments.recipe: default, **recipes}
    trials = {noise: draw_trials(chosen, noise, arguments.draws, random) for noise in arguments.noise}
    null = draw_random_sites(chosen, arguments.draws, random)
    return {
        "dataset": dataset,
        "n_real": len(real),
        "n_crystals": len(chosen),
        "draws": arguments.draws,
        "noises": arguments.noise,
        "seed": arguments.seed,
        "recipes": {name: {**asdict(cutoff), "formula": cutoff.formula} for name, cutoff in recipes.items()},
        "groups": _groups(chosen),
        "any_crystals_strict": _any_crystals(real, default, arguments, random),
        "matcher_allows_angstrom": float(np.median(STOL * np.cbrt(volumes_per_atom(chosen)))),
        "ours": {str(noise): _ours(trials[noise], default, arguments.processes, random) for noise in trials},
        "null": _null(null, trials, default, arguments.processes),
        "published": {str(noise): _published(trials[noise], default, arguments) for noise in trials},
        "cutoffs": _cutoffs(Judge(trials, real, null), default, max(trials)),
    }


def _groups(chosen: CrystalBatch) -> dict[str, Any]:
    words = templates(chosen)
    return {
        str(number): {"n_crystals": len(rows), "n_templates": len(np.unique(words[rows]))}
        for number, rows in chosen.by_space_group()
    }


def _ours(trials: Trials, default: Cutoff, processes: int, random: np.random.Generator) -> dict[str, Any]:
    merged = merge_trials(trials, default.of(trials.originals.atomic_numbers))
    matched, strict = matches(trials, merged, processes), recovered(trials, merged)
    certain = np.flatnonzero(certain_matches(trials, merged))
    checked = random.permutation(certain)[:CHECKED]
    before, after = trials.originals.multiplicity, merged.multiplicity
    return {
        "n": len(trials),
        "matched": _share(matched, trials),
        "strict": _share(strict, trials),
        "percolates": float((after == 0).any(axis=1).mean()),
        "too_few_atoms": float(((after < before) & (after > 0)).any(axis=1).mean()),
        "too_many_atoms": float((after > before).any(axis=1).mean()),
        "by_group": {
            str(number): {"matched": float(matched[rows].mean()), "strict": float(strict[rows].mean())}
            for number, rows in trials.originals.by_space_group()
        },
        "median_rms_displacement_angstrom": float(np.median(trials.rms_displacement)),
        "n_checked": len(checked),
        "n_checked_and_refused": int((~asked(trials, merged, checked, processes)).sum()),
    }


def _any_crystals(
    real: CrystalBatch, default: Cutoff, arguments: argparse.Namespace, random: np.random.Generator
) -> dict[str, Any]:
    """The strict share on other crystals, chosen without preference for rare templates."""
    chosen = real.select(choose_crystals(real, arguments.per_group, random, many_templates=False))
    shares = {}
    for noise in arguments.noise:
        trials = draw_trials(chosen, noise, arguments.draws, random)
        merged = merge_trials(trials, default.of(trials.originals.atomic_numbers))
        shares[str(noise)] = _share(recovered(trials, merged), trials)
    return shares


def _share(values: NDArray[np.bool_], trials: Trials) -> dict[str, float]:
    mean, error = by_crystal(values.astype(float), trials.crystal)
    return {"share": mean, "se": error}


def _null(null: Trials, trials: dict[float, Trials], default: Cutoff, processes: int) -> dict[str, Any]:
    merged = merge_trials(null, default.of(null.originals.atomic_numbers))
    return {
        "n": len(null),
        "matched": _share(matches(null, merged, processes), null),
        "percolates": float((merged.multiplicity == 0).any(axis=1).mean()),
        "strict": {str(noise): _share(null_recovered(null, merged, trials[noise].reach), null) for noise in trials},
    }


def _published(trials: Trials, default: Cutoff, arguments: argparse.Namespace) -> dict[str, Any]:
    """The published chain on the first draws of each crystal, and ours on the same draws, as given and rounded."""
    draw = np.arange(len(trials)) % arguments.draws
    part = trials.select(draw < arguments.published_draws)
    rows = [np.arange(start, min(start + TRIALS_AT_ONCE, len(part))) for start in range(0, len(part), TRIALS_AT_ONCE)]
    chunks = [(part.originals.select(chunk), part.frac_coords[chunk]) for chunk in rows]
    outcomes = np.array(in_processes(published_outcomes, chunks, arguments.processes))
    counts = Counter(outcomes.tolist())
    cutoff = default.of(part.originals.atomic_numbers)
    rounded = merge_trials(part, cutoff, np.round(part.frac_coords, 2))
    return {
        "n": len(part),
        "matched": _share(outcomes == Outcome.MATCHED, part),
        "outcomes": {str(outcome): counts[outcome] / len(part) for outcome in Outcome},
        "by_group": {
            str(number): float((outcomes[members] == Outcome.MATCHED).mean())
            for number, members in part.originals.by_space_group()
        },
        "ours_matched": _share(matches(part, merge_trials(part, cutoff), arguments.processes), part),
        "ours_rounded_matched": _share(matches(part, rounded, arguments.processes), part),
    }


def _cutoffs(judge: Judge, default: Cutoff, greatest: float) -> dict[str, Any]:
    return {
        "ratio": judge.curve(by_ratio, RATIOS),
        "ratio_floored": judge.curve(lambda ratio: by_ratio(ratio, FLOOR), RATIOS),
        "floor": judge.curve(lambda floor: by_ratio(0.5, floor), FLOORS),
        "noise_factor": judge.curve(by_noise, FACTORS),
        "rules": judge.table(compared_rules(default), greatest),
        "short_merges": judge.short_merges(default, greatest, MOST_SHORT),
        "least_own_distance_angstrom": judge.least_own_distance,
        "n_destroyed_by_merging": judge.destroyed_by_merging(default),
    }


def main() -> None:
    """Measure, write the figures, print the section."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
