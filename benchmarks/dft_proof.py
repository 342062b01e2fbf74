"""What real DFT said, read from a home by SQL: `python benchmarks/dft_proof.py --home HOME`.

It computes nothing: `platform screen`, `platform validate enqueue` and `platform validate run` did
(docs/validation.md has the commands). It shows candidates with their formation energies and energies above hull, real
crystals against the Materials Project, what the elements cost, and the calibration of the screening.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from harness import run_as_script

from crystalforge.catalog.query import Catalog, open_catalog
from crystalforge.home import Home

TITLE = "Candidates and real crystals by DFT"

COSTS_SQL = """
SELECT recipe, CASE WHEN element IS NULL THEN 'crystals' ELSE 'elements' END AS what, state, count(*) AS n,
  sum(cpu_s) AS cpu_s, sum(wall_s) AS wall_s, max(cpu_s) AS longest_cpu_s
FROM validations WHERE engine <> 'stand-in' GROUP BY ALL ORDER BY ALL
"""
CANDIDATES_SQL = """
SELECT v.recipe, v.space_group_number, v.formula, v.n_atoms, v.state, v.formation_energy_per_atom, v.energy_above_hull,
  p.screened_energy_above_hull, v.systems_without_reference, v.cpu_s, v.hull_reference
FROM validations v LEFT JOIN calibration_pairs p USING (calculation_id)
WHERE v.structure = 'relaxed' AND v.energy_per_atom IS NOT NULL AND v.crystal_id IN (SELECT crystal_id FROM candidates)
ORDER BY v.recipe, v.space_group_number, v.energy_above_hull
"""
REAL_SQL = """
SELECT v.recipe, m.material_id, v.space_group_number, v.formula, v.n_atoms, v.formation_energy_per_atom,
  m.formation_energy_per_atom AS tabulated, p.screened_formation_energy_per_atom AS screened, v.energy_above_hull,
  m.energy_above_hull AS tabulated_above_hull, v.cpu_s
FROM validations v JOIN materials m USING (crystal_id)
LEFT JOIN calibration_pairs p ON p.calculation_id = v.calculation_id AND p.source = 'materials'
WHERE v.structure = 'generated' AND v.formation_energy_per_atom IS NOT NULL
ORDER BY v.recipe, v.formula
"""
CALIBRATIONS_SQL = "SELECT * FROM calibrations ORDER BY recipe, source, space_group_number NULLS FIRST"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--home", type=Path, help="home whose queue was worked off (./crystalforge-home)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Read the tables."""
    with open_catalog(Home.locate(arguments.home)) as catalog:
        real = _rows(catalog, REAL_SQL)
        return {
            "costs": _rows(catalog, COSTS_SQL),
            "candidates": _rows(catalog, CANDIDATES_SQL),
            "real": real,
            "real_errors": {recipe: _errors(rows) for recipe, rows in _by_recipe(real).items()},
            "calibrations": _rows(catalog, CALIBRATIONS_SQL),
        }


def _rows(catalog: Catalog, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = catalog.query(sql).to_pylist()
    return rows


def _by_recipe(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    return {name: [row for row in rows if row["recipe"] == name] for name in sorted({row["recipe"] for row in rows})}


def _errors(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Of formation energies against the tabulated ones; the null says the tabulated median of all of them."""
    tabulated = np.array([row["tabulated"] for row in rows])
    error = np.array([row["formation_energy_per_atom"] for row in rows]) - tabulated
    return {
        "n": len(rows),
        "mean_absolute": float(np.abs(error).mean()),
        "mean": float(error.mean()),
        "largest": float(np.abs(error).max()),
        "null": float(np.abs(tabulated - np.median(tabulated)).mean()),
    }


def section(results: dict[str, Any]) -> str:
    """The tables as Markdown."""
    parts = [
        _table("What it cost", results["costs"]),
        _table("Candidates", results["candidates"]),
        _table("Real crystals", results["real"]),
        _table("Errors of their formation energies (eV/atom)", _named(results["real_errors"])),
        _table("Calibration of the screening", results["calibrations"]),
    ]
    return "\n\n".join(parts)


def _named(errors: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    return [{"recipe": recipe} | values for recipe, values in errors.items()]


def _table(title: str, rows: list[dict[str, Any]]) -> str:
    if not rows:
        return f"### {title}\n\nNone."
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    lines += ["| " + " | ".join(_cell(value) for value in row.values()) + " |" for row in rows]
    return f"### {title}\n\n" + "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Run as a script."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
