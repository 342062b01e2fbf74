"""The screening against the calculations, as SQL and the command line give it; ranks are checked against SciPy's."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr
from small_catalog import add_dataset
from small_screening import add_screening
from typer.testing import CliRunner

from crystalforge.catalog.query import open_catalog
from crystalforge.cli.app import app
from crystalforge.home import Home
from crystalforge.screening.hull import ReferenceHull
from crystalforge.screening.reference import Reference, ReferenceCrystal
from crystalforge.validation.claims import claim, record
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.export import export_ledger
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.recipe import load_recipe
from crystalforge.validation.requests import enqueue
from crystalforge.validation.stability import judge

SCREENED = {62: [0.05, 0.02, 0.2, 0.05], 225: [0.0, 0.3]}
COMPUTED = {62: [0.15, 0.01, 0.4, 0.08], 225: [0.2, 0.25]}
"""Energies above hull (eV/atom) by space group; two of the screening's are equal, and two groups are of other sizes."""


@pytest.fixture
def home(tmp_path: Any) -> Home:
    """Six alloys, screened once by one potential and computed, each on the hull that the elements are."""
    place = Home.locate(tmp_path / "home")
    add_dataset(place)
    screened = [
        {"source_id": f"s{g}-{i}", "crystal_id": f"c{g}-{i}", "space_group_number": g, "energy_above_hull": energy}
        for g, energies in SCREENED.items()
        for i, energy in enumerate(energies)
    ]
    add_screening(place, "first", screened)
    add_screening(place, "other-hull", screened, reference="another hull")
    cell, sites, numbers = 4 * np.eye(3), np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), np.array([29, 79])
    crystals = [
        Crystal(f"c{g}-{i}", "CuAu", cell, sites, numbers, g) for g in COMPUTED for i in range(len(COMPUTED[g]))
    ]
    energies = {f"c{g}-{i}": energy for g in COMPUTED for i, energy in enumerate(COMPUTED[g])}
    hull = ReferenceHull(Reference("hull", "none", (ReferenceCrystal("high", "CuAu", 1.0),)))
    with Ledger(place.validations) as ledger:
        enqueue(ledger, crystals, load_recipe("chgnet"))
        for order in claim(ledger, 100):
            numbers_of = order.crystal["atomic_numbers"]
            energy = energies.get(order.crystal["crystal_id"], 0.0) * len(numbers_of)
            result = {"energy_ev": energy, "atomic_numbers": numbers_of}
            record(ledger, order.attempt_id, {"error_class": None, "error_text": None, "result": result})
        judge(ledger, hull)
        export_ledger(ledger)
    return place


def _sql(home: Home, statement: str) -> list[dict[str, Any]]:
    with open_catalog(home) as catalog:
        rows: list[dict[str, Any]] = catalog.query(statement).to_pylist()
    return rows


def test_each_computed_crystal_stands_beside_its_screening_against_the_same_hull(home: Home) -> None:
    pairs = _sql(home, "SELECT * FROM calibration_pairs")
    assert {row["hull_reference"] for row in pairs} == {"hull (none)"}
    found = sorted((row["screened_energy_above_hull"], round(row["energy_above_hull"], 9)) for row in pairs)
    assert found == sorted((x, y) for g in SCREENED for x, y in zip(SCREENED[g], COMPUTED[g], strict=True))


@pytest.mark.parametrize("group", [None, 62, 225])
def test_errors_ranks_and_flattery_are_those_of_numpy_and_scipy(home: Home, group: int | None) -> None:
    groups = [group] if group else list(SCREENED)
    screened = np.concatenate([SCREENED[each] for each in groups])
    computed = np.concatenate([COMPUTED[each] for each in groups])
    where = f"space_group_number = {group}" if group else "space_group_number IS NULL"
    (row,) = _sql(home, f"SELECT * FROM calibrations WHERE {where}")
    assert row["n"] == len(screened)
    assert row["mean_error"] == pytest.approx((screened - computed).mean())
    assert row["mean_absolute_error"] == pytest.approx(np.abs(screened - computed).mean())
    assert row["mean_absolute_error_of_median"] == pytest.approx(np.abs(computed - np.median(computed)).mean())
    if len(screened) < 3:
        assert row["rank_correlation"] is None
    else:
        assert row["rank_correlation"] == pytest.approx(spearmanr(screened, computed).statistic)
    within = int((screened <= 0.1).sum()), int((computed <= 0.1).sum())
    assert (row["n_nearly_stable_screened"], row["n_nearly_stable_computed"]) == within
    assert row["flattery"] == (within[0] / within[1] if within[1] else None)


def test_the_command_shows_the_same_rows(home: Home) -> None:
    result = CliRunner().invoke(app, ["validate", "calibrate", "--home", str(home.path), "--json"])
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)
    assert [(row["space_group_number"], row["n"]) for row in rows] == [(None, 6), (62, 4), (225, 2)]
    shown = CliRunner().invoke(app, ["validate", "calibrate", "--home", str(home.path)])
    assert "rank_correlation" in shown.stdout


def test_a_home_without_both_says_what_is_missing(tmp_path: Any) -> None:
    result = CliRunner().invoke(app, ["validate", "calibrate", "--home", str(tmp_path)])
    assert result.exit_code == 0
    assert "No crystal was both screened and computed" in result.stderr
