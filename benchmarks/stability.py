"""How many raw samples are stable, unique and novel by a potential: two models beside random input: docs/stability.md.

`python benchmarks/stability.py --home HOME --make --forge ID --paper ID --reference HULL --elements ELEMENTS` does what
is missing in a home that has the dataset and both generations, by the platform's own commands: relaxes real crystals,
which fit the scale between potential and reference, then raw samples at random of forge, paper and two nulls, and
writes the page. It continues where it was stopped. `--judge` relaxes no more and judges what is there, so that a part
can be told with its n. Without either it only writes the page.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness import run_as_script
from model_comparison import trainings
from stability_text import page

TITLE = "Stable, unique and novel"
PAGE = Path("docs/stability.md")
NULLS = ("noise", "random_triples")
SWEPT_BEFORE = 60
"""Real crystals on which the ridge's weight was chosen: `--seed 1` drew them. The scale is fitted to others."""
FRESH = (
    "energy_above_hull <= 0.1 AND formation_energy_per_atom IS NOT NULL AND material_id NOT IN "
    "(SELECT material_id FROM materials ORDER BY md5(material_id || '1'), material_id LIMIT {n})"
)
RIDGES = (0.02, 0.1, 0.5, 1.0, 2.0, 10.0)
CORRECTION = "PBE with the corrections of MP2020"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--home", type=Path, required=True, help="home folder with dataset and generations")
    parser.add_argument("--make", action="store_true", help="relax and judge what is missing")
    parser.add_argument("--judge", action="store_true", help="judge what is relaxed, finished or not")
    parser.add_argument("--forge", help="generation of forge; the nulls are those of its space groups")
    parser.add_argument("--paper", help="generation of paper")
    parser.add_argument("--reference", type=Path, help="Parquet file of formation energies")
    parser.add_argument("--elements", type=Path, help="Parquet file of elemental energies of its source")
    parser.add_argument("--correction", default=CORRECTION, help="of the reference (%(default)s)")
    parser.add_argument("--potential", default="chgnet", help="(%(default)s)")
    parser.add_argument("--limit", type=int, default=1000, help="raw samples of each (%(default)s)")
    parser.add_argument("--real", type=int, default=450, help="real crystals for the scale (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the random draw of samples (%(default)s)")
    parser.add_argument("--max-seconds", type=float, default=600.0, help="of one crystal (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes (%(default)s)")
    parser.add_argument("--page", type=Path, default=PAGE, help="page to write (%(default)s)")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Make or judge what is asked for, read the figures, write the page."""
    from crystalforge.home import Home
    from crystalforge.screening.reference import read_reference

    home = Home.locate(options.home)
    if options.make:
        for choice in _choices(options):
            _platform(options, ["--source", *choice, *_how(options)])
    reference = read_reference(options.reference, options.correction)
    plans = _plans(home, options)
    if options.judge:
        for screening_id in plans.values():
            _platform(options, ["--resume", screening_id, "--judge-only"])
    generations = {"forge": options.forge, "paper": options.paper}
    results = {
        "trainings": {name: trainings(options.home, [each])[each] for name, each in generations.items() if each},
        "potential": options.potential,
        "reference": reference.name,
        "correction": reference.correction,
        "limit": options.limit,
        "scale": _scale(home, plans["materials"], reference, options),
        "funnels": _funnels(home, plans, reference.name),
        "dataset": _dataset(home),
        "costs": _costs(home, plans),
        "commands": [" ".join(["platform screen --source", *map(_quoted, choice)]) for choice in _choices(options)],
    }
    options.page.write_text(page(results))
    return results


def _choices(options: argparse.Namespace) -> list[list[str]]:
    """What is screened, in this order: source and what chooses from it."""
    same = ["--limit", str(options.limit), "--seed", str(options.seed)]
    noise, triples = ((null, options.forge) for null in NULLS)
    sources = [("samples", options.forge), noise, ("samples", options.paper), triples]
    fresh = FRESH.format(n=SWEPT_BEFORE)
    real = ["materials", "--where", fresh, "--limit", str(options.real), "--seed", str(options.seed + 1)]
    return [real, *([source, "--generation", generation, *same] for source, generation in sources if generation)]


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word else word


def _how(options: argparse.Namespace) -> list[str]:
    return ["--potential", options.potential, "--max-seconds", f"{options.max_seconds:g}"]


def _platform(options: argparse.Namespace, choice: list[str]) -> None:
    """Run `platform screen` in a process of its own, which gives its memory back."""
    words = ["screen", "--home", str(options.home), *choice, "--workers", str(options.workers)]
    words += ["--reference", str(options.reference), "--correction", options.correction]
    words += ["--elements", str(options.elements)] if options.elements else []
    subprocess.run([sys.executable, "-c", "from crystalforge.cli import main; main()", *words], check=True)


def _plans(home: Any, options: argparse.Namespace) -> dict[str, str]:
    """What each screening is → its identifier; of several the one of most crystals, then the newest."""
    from crystalforge.files import read_json

    names = {("materials", None): "materials", ("samples", options.forge): "forge", ("samples", options.paper): "paper"}
    names |= {(null, options.forge): null for null in NULLS}
    records = [read_json(path) for path in home.screenings.glob("*/screening.json")]
    found: dict[str, str] = {}
    for record in sorted(records, key=lambda record: (record["count"], record["created_at"])):
        name = names.get((record["source"], record.get("generation_id")))
        if name and record["potential"] == options.potential:
            found[name] = record["screening_id"]
    if "materials" not in found:
        raise SystemExit(f"No screening of real crystals in {options.home}: run with --make first.")
    return found


def _scale(home: Any, screening_id: str, reference: Any, options: argparse.Namespace) -> dict[str, Any]:
    """The fit, the sweep over the ridge's weight on these crystals, and the error of the energy above hull."""
    import numpy as np

    from crystalforge.jobs.screen import read_relaxations
    from crystalforge.screening.energy_scale import RIDGE, fit_scale, given_scale
    from crystalforge.screening.judging import read_elements
    from crystalforge.screening.stabilities import scale_crystals

    relaxations = read_relaxations(home, screening_id)
    crystals = scale_crystals(relaxations, reference)
    elements = read_elements(options.elements) if options.elements else None
    names = dict.fromkeys(("potential", "potential_version", "reference", "correction"), "")
    sweep = {}
    for ridge in RIDGES:
        fitted = fit_scale(crystals, prior=elements, ridge=ridge, **names)
        sweep[f"{ridge:g}"] = [fitted.mean_absolute_error, fitted.median_absolute_error, fitted.mean_error]
    given = None
    if elements:
        scale = given_scale(elements, **names)
        computed = [scale.formation_energy_per_atom(each.formula, each.energy_per_atom) for each in crystals]
        pairs = zip(computed, crystals, strict=True)
        errors = np.array([value - each.formation_energy_per_atom for value, each in pairs if value is not None])
        given = [np.abs(errors).mean(), np.median(np.abs(errors)), errors.mean()]
    return {
        "screening_id": screening_id,
        "n_relaxed": relaxations.num_rows,
        "n_fitted": len(crystals),
        "ridge": RIDGE,
        "sweep": sweep,
        "given": given,
        "hull_errors": _hull_errors(home, screening_id, reference.name),
    }


def _hull_errors(home: Any, screening_id: str, reference: str) -> dict[str, Any]:
    """Computed less tabulated energy above hull of the real crystals (eV/atom), and how many are within 0.1 by each."""
    from crystalforge.catalog.query import open_catalog

    sql = """
    WITH pairs AS (
      SELECT s.energy_above_hull AS computed, m.energy_above_hull AS tabulated
      FROM stabilities s JOIN materials m ON s.source_id = m.material_id
      WHERE s.screening_id = $screening AND s.reference = $reference AND s.energy_above_hull IS NOT NULL
    )
    SELECT count(*) AS n, avg(abs(computed - tabulated)) AS mean_absolute, median(abs(computed - tabulated)) AS median,
      avg(computed - tabulated) AS mean, count_if(computed <= 0.1) AS n_computed_near,
      count_if(computed <= 0) AS n_computed_stable, count_if(tabulated <= 0) AS n_tabulated_stable,
      count_if(computed <= 0 AND tabulated <= 0) AS n_both_stable
    FROM pairs
    """
    with open_catalog(home) as catalog:
        row: dict[str, Any] = catalog.query(sql, {"screening": screening_id, "reference": reference}).to_pylist()[0]
    return row


def _funnels(home: Any, plans: dict[str, str], reference: str) -> dict[str, list[dict[str, Any]]]:
    """What was screened → its rows of the view, the pooled one first, each with its shares."""
    from dataclasses import asdict

    from crystalforge.screening.funnel import read_funnel, shares

    rows = read_funnel(home, reference=reference)
    found = {}
    for name in ("forge", "paper", *NULLS):
        of_plan = [row for row in rows if row["screening_id"] == plans.get(name)]
        if of_plan:  # others are not judged yet
            found[name] = [row | {"shares": [asdict(share) for share in shares(row)]} for row in of_plan]
    return found


def _dataset(home: Any) -> list[dict[str, Any]]:
    """What is tabulated of the real crystals of each space group, and (null) of all: the models learned from these."""
    from crystalforge.catalog.query import open_catalog

    sql = """
    SELECT space_group_number, count(energy_above_hull) AS n, count_if(energy_above_hull <= 0.1) AS n_near,
      count_if(energy_above_hull <= 0) AS n_stable
    FROM materials GROUP BY GROUPING SETS ((space_group_number), ()) ORDER BY space_group_number NULLS FIRST
    """
    with open_catalog(home) as catalog:
        rows: list[dict[str, Any]] = catalog.query(sql).to_pylist()
    return rows


def _costs(home: Any, plans: dict[str, str]) -> dict[str, dict[str, float]]:
    """Relaxations of each screening: how many ended how, their CPU seconds."""
    from crystalforge.catalog.query import open_catalog

    sql = """
    SELECT count(*) AS n, avg(cpu_seconds) AS mean_cpu, avg(n_atoms) AS mean_atoms,
      count_if(status = 'converged') AS converged, count_if(status = 'step_limit') AS step_limit,
      count_if(status = 'time_limit') AS time_limit, count_if(status = 'exploded') AS exploded,
      count_if(status = 'failed') AS failed, count_if(symmetry_broken) AS symmetry_broken
    FROM relaxations WHERE screening_id = $screening AND status <> 'rejected'
    """
    with open_catalog(home) as catalog:
        return {name: catalog.query(sql, {"screening": plan}).to_pylist()[0] for name, plan in plans.items()}


def section(results: dict[str, Any]) -> str:
    """What was judged."""
    drawn = {name: rows[0]["n_drawn"] for name, rows in results["funnels"].items()}
    return ", ".join(f"{name}: {n} samples" for name, n in drawn.items()) + ". The page: docs/stability.md."


if __name__ == "__main__":
    run_as_script(globals())
