"""How many crystals that were set aside do the composition samplers hit?

    python benchmarks/composition_hits.py --source ../shared/data/mp_ternary_12sg.parquet

A hit is a crystal whose formula, Wyckoff letters and elements on them are among the draws. Crystals are set aside by
the hash of their reduced formula, a tenth, so no polymorph of one of them is trained on. The draws are shared among the
space groups by their numbers of training crystals. The null is `uniform`: any elements, template by frequency.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from harness import run_as_script
from numpy.typing import NDArray

from crystalforge.crystals.elements import atomic_number
from crystalforge.dataset import build_dataset, find_dataset
from crystalforge.dataset.split import is_validation
from crystalforge.gan.compositions import KINDS, CompositionSampler, Constraints, even_places, fit
from crystalforge.home import Home

TITLE = "Compositions"
BOOTSTRAPS = 2000
WAYS = {
    "plain": {},
    "plain, T 1.25": {"temperature": 1.25},
    "even places": {"even": True},
    "even places, T 1.25": {"even": True, "temperature": 1.25},
    "novel": {"constraints": Constraints(novel=True)},
    "novel, even places": {"constraints": Constraints(novel=True), "even": True},
}
"""How the draws are made: at random, at evenly spread places, and without the training compositions."""

Arrays = dict[str, NDArray[Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--source", default="bundled", help="as of `platform dataset build` (%(default)s)")
    parser.add_argument("--draws", type=int, default=50_000, help="over all space groups (%(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (%(default)s)")
    parser.add_argument("--kinds", default=",".join(KINDS), help="samplers (%(default)s)")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Hits of every sampler and way of drawing, per space group."""
    torch.set_num_threads(1)
    crystals = _crystals(options.source)
    rows = [
        row
        for kind in options.kinds.split(",")
        for seed in range(options.seeds)
        for row in _of_sampler(crystals, kind, seed, options.draws)
    ]
    return {"draws": options.draws, "seeds": options.seeds, "rows": rows}


def _crystals(source: str) -> Arrays:
    with tempfile.TemporaryDirectory() as folder:
        home = Home.locate(folder)
        build_dataset(home, source)
        table = find_dataset(home).materials()
    return {
        "group": np.array(table["space_group_number"].to_pylist()),
        "letters": np.array(table["wyckoff_letters"].to_pylist()),
        "numbers": atomic_number(np.array(table["elements"].to_pylist())),
        "validation": is_validation(table["reduced_formula"].to_pylist()),
    }


def _of_sampler(crystals: Arrays, kind: str, seed: int, draws: int) -> Iterator[dict[str, Any]]:
    n_training = int((~crystals["validation"]).sum())
    for number in np.unique(crystals["group"]).tolist():
        here = crystals["group"] == number
        train, held = here & ~crystals["validation"], here & crystals["validation"]
        start = time.process_time()
        sampler = fit(kind, crystals["letters"][train], crystals["numbers"][train], seed, space_group_number=number)
        seconds = time.process_time() - start
        n = round(draws * int(train.sum()) / n_training)
        aside = sampler.space.encode(crystals["letters"][held], crystals["numbers"][held])
        for way, how in WAYS.items():
            yield {
                "kind": kind,
                "seed": seed,
                "way": way,
                "space_group_number": number,
                "n_training": int(train.sum()),
                "draws": n,
                "fit_s": seconds,
                **_hits(sampler, aside, n, seed, **how),
            }


def _hits(
    sampler: CompositionSampler,
    aside: NDArray[np.int64],
    n: int,
    seed: int,
    even: bool = False,
    constraints: Constraints | None = None,
    temperature: float = 1.0,
) -> dict[str, Any]:
    random = np.random.default_rng([seed, n])
    places = even_places(n, 0, random.random()) if even else None
    drawn = sampler.draw(n, random, constraints, temperature, places)
    cells = np.unique(sampler.space.encode(drawn.letters, drawn.atomic_numbers))
    return {"hits": np.isin(aside, cells).astype(int).tolist(), "distinct": len(cells)}


def section(results: dict[str, Any]) -> str:
    """Tables of the pooled share by way of drawing, and by space group."""
    rows = results["rows"]
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    pooled = "\n".join(_pooled_line(rows, kind, way) for kind in kinds for way in WAYS)
    groups = sorted({row["space_group_number"] for row in rows}, key=lambda number: -_training(rows, number))
    head = " | ".join(str(number) for number in groups)
    by_group = "\n".join(_group_line(rows, kind, way, groups) for kind in kinds for way in ("plain", "even places"))
    aside = " | ".join(str(len(_of(rows, kinds[0], "plain", number)[0]["hits"])) for number in groups)
    training = " | ".join(str(_training(rows, number)) for number in groups)
    return f"""Of the crystals set aside by formula, the share whose composition and template is among
{results["draws"]:,} draws over all space groups; {results["seeds"]} seeds, bootstrap over crystals (95 %). `uniform` is
the null. Distinct: different compositions among the draws.

| sampler | draws | hit | 95 % | n | distinct | fit, all groups (CPU s) |
|---|---|---|---|---|---|---|
{pooled}

| sampler | draws | {head} |
|---|---|{"---|" * len(groups)}
| crystals set aside | | {aside} |
| training crystals | | {training} |
{by_group}
"""


def _of(rows: list[dict[str, Any]], kind: str, way: str, number: int | None = None) -> list[dict[str, Any]]:
    return [
        row for row in rows if (row["kind"], row["way"]) == (kind, way) and number in (None, row["space_group_number"])
    ]


def _training(rows: list[dict[str, Any]], number: int) -> int:
    return int(next(row["n_training"] for row in rows if row["space_group_number"] == number))


def _mean_hits(rows: list[dict[str, Any]]) -> NDArray[np.float64]:
    """Per crystal set aside, the share of the seeds that hit it."""
    seeds = sorted({row["seed"] for row in rows})
    per_seed = [np.concatenate([row["hits"] for row in rows if row["seed"] == seed]) for seed in seeds]
    return np.asarray(np.mean(per_seed, axis=0))


def _pooled_line(rows: list[dict[str, Any]], kind: str, way: str) -> str:
    chosen = _of(rows, kind, way)
    hits = _mean_hits(chosen)
    random = np.random.default_rng(0)
    means = hits[random.integers(len(hits), size=(BOOTSTRAPS, len(hits)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    distinct = sum(row["distinct"] for row in chosen) / sum(row["draws"] for row in chosen)
    seconds = sum(row["fit_s"] for row in chosen) / len({row["seed"] for row in chosen})
    return (
        f"| {kind} | {way} | {hits.mean():.3f} | {low:.3f} to {high:.3f} | {len(hits)} | {distinct:.2f} | "
        f"{seconds:.1f} |"
    )


def _group_line(rows: list[dict[str, Any]], kind: str, way: str, groups: list[int]) -> str:
    shares = [_mean_hits(_of(rows, kind, way, number)).mean() for number in groups]
    return f"| {kind} | {way} | " + " | ".join(f"{share:.2f}" for share in shares) + " |"


if __name__ == "__main__":
    run_as_script(globals())
