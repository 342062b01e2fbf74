"""Formation energies within one recipe, and what a hull makes of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_queue import crystals, stand_in_recipe, work_off

from crystalforge.screening.hull import ReferenceHull
from crystalforge.screening.reference import Reference, ReferenceCrystal
from crystalforge.validation.claims import claim, record
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.ledger import LEDGER_FILE, Ledger
from crystalforge.validation.ledger_tables import LEDGER_VERSION
from crystalforge.validation.recipe import CalculationRecipe, recipe_from_values
from crystalforge.validation.requests import enqueue
from crystalforge.validation.stability import judge

ENERGIES = {"Cu": -3.5, "Au": -3.0, "CuAu": -3.45, "Ag": -2.5, "AgAu": -2.6}
"""eV/atom; CuAu lies 0.2 eV/atom below its elements, AgAu 0.15 above."""
NUMBERS = {"Cu": 29, "Ag": 47, "Au": 79}


def alloy(first: str, second: str) -> Crystal:
    cell = 3.9 * np.diag([0.7071, 0.7071, 1.0])
    sites = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
    numbers = np.array([NUMBERS[first], NUMBERS[second]])
    return Crystal(f"id-{first}{second}", first + second, cell, sites, numbers, 123)


def recipe(force_tolerance: float = 0.05) -> CalculationRecipe:
    """EMT: a real engine; another tolerance is another recipe."""
    values = {
        "engine": "potential",
        "name": "emt",
        "physics": {"task": "static", "functional": "EMT", "force_tolerance": force_tolerance},
        "options": {"potential": "emt"},
        "resources": {"memory_mb": 2000, "walltime_s": 120},
    }
    return recipe_from_values(values, "emt")


def settle(ledger: Ledger, energies: Mapping[str, float], *, only: str | None = None) -> None:
    """Record results of chosen energies (eV/atom) for what is ready, or fail it where there is none."""
    for order in claim(ledger, 100):
        formula = order.crystal["formula"]
        number = len(order.crystal["atomic_numbers"])
        known = formula in energies and only in (None, order.recipe["name"])
        result = {"energy_ev": energies[formula] * number, "atomic_numbers": [0] * number} if known else None
        error = None if known else "unsuitable_input"
        record(ledger, order.attempt_id, {"error_class": error, "error_text": error, "result": result})


def rows(ledger: Ledger) -> dict[str, dict[str, Any]]:
    return {row["formula"]: dict(row) for row in ledger.rows("SELECT * FROM calculations")}


def hull(energy: float, formula: str = "CuAu", correction: str = "none") -> ReferenceHull:
    return ReferenceHull(Reference("reference", correction, (ReferenceCrystal("known", formula, energy),)))


def test_a_crystal_brings_its_elements_once_for_all_crystals(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        first = enqueue(ledger, [alloy("Cu", "Au")], recipe())
        second = enqueue(ledger, [alloy("Ag", "Au"), alloy("Cu", "Au")], recipe())
        other = enqueue(ledger, [alloy("Cu", "Au")], recipe(0.01))
        assert [(done.added, done.elements) for done in (first, second, other)] == [(1, 2), (1, 1), (1, 2)]
        elements = ledger.rows("SELECT element, structure FROM calculations WHERE element IS NOT NULL")
        assert sorted(row["element"] for row in elements) == ["Ag", "Au", "Au", "Cu", "Cu"]
        assert {row["structure"] for row in elements} == {"reference"}
        assert [order.crystal["formula"] for order in claim(ledger, 3)] == ["Au", "Cu", "CuAu"], "elements come first"


def test_the_stand_in_brings_no_elements_and_is_never_judged(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        assert enqueue(ledger, crystals(1), stand_in_recipe()).elements == 0
        work_off(ledger)
        assert judge(ledger, hull(-0.1)) == 0


def test_formation_energies_wait_for_their_elements_and_name_them(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        enqueue(ledger, [alloy("Cu", "Au"), alloy("Ag", "Au")], recipe())
        settle(ledger, {name: ENERGIES[name] for name in ("Cu", "Au", "CuAu", "AgAu")})
        assert judge(ledger, None) == 2
        found = rows(ledger)
        assert found["CuAu"]["formation_energy_per_atom"] == pytest.approx(-0.2)
        assert found["CuAu"]["energy_above_hull"] is None
        assert (found["AgAu"]["formation_energy_per_atom"], found["AgAu"]["missing_elements"]) == (None, "Ag")
        assert judge(ledger, None) == 0, "nothing new is known"
        ledger.connection.execute("UPDATE calculations SET state = 'ready' WHERE formula = 'Ag'")
        settle(ledger, ENERGIES)
        assert judge(ledger, None) == 1
        assert rows(ledger)["AgAu"]["formation_energy_per_atom"] == pytest.approx(0.15)
        assert rows(ledger)["AgAu"]["missing_elements"] is None


def test_energies_of_different_recipes_never_meet(tmp_path: Path) -> None:
    """The second recipe has a crystal and no elements, the first has them: it helps nothing."""
    first, second = recipe(), recipe(0.01)
    with Ledger(tmp_path) as ledger:
        enqueue(ledger, [alloy("Cu", "Au")], first)
        settle(ledger, ENERGIES)
        enqueue(ledger, [alloy("Cu", "Au")], second)
        settle(ledger, {"CuAu": -13.45})
        judge(ledger, None)
        found = {row["recipe_hash"]: row for row in ledger.rows("SELECT * FROM calculations WHERE formula = 'CuAu'")}
        assert found[first.recipe_hash]["formation_energy_per_atom"] == pytest.approx(-0.2)
        assert found[second.recipe_hash]["formation_energy_per_atom"] is None
        assert found[second.recipe_hash]["missing_elements"] == "Au, Cu"
        ledger.connection.execute("UPDATE calculations SET state = 'ready' WHERE state = 'failed'")
        settle(ledger, {"Cu": -13.5, "Au": -13.0})
        judge(ledger, None)
        found = {row["recipe_hash"]: row for row in ledger.rows("SELECT * FROM calculations WHERE formula = 'CuAu'")}
        energies = [found[each.recipe_hash]["formation_energy_per_atom"] for each in (first, second)]
        assert energies == pytest.approx([-0.2, -0.2])


def test_the_hull_decides_between_validated_and_unstable_and_may_change(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        enqueue(ledger, [alloy("Cu", "Au"), alloy("Ag", "Au")], recipe())
        settle(ledger, ENERGIES)
        assert judge(ledger, hull(-0.25)) == 2
        found = rows(ledger)
        assert found["CuAu"]["energy_above_hull"] == pytest.approx(0.05)
        assert (found["CuAu"]["state"], found["CuAu"]["hull_reference"]) == ("validated", "reference (none)")
        assert (found["AgAu"]["state"], found["AgAu"]["missing_elements"]) == ("validated", "Ag"), "no hull for it"
        assert judge(ledger, hull(-0.4, correction="deeper")) == 1, "only the one that stands on no hull"
        assert judge(ledger, hull(-0.4, correction="deeper"), again=True) == 1
        assert rows(ledger)["CuAu"]["energy_above_hull"] == pytest.approx(0.2)
        assert rows(ledger)["CuAu"]["state"] == "unstable"
        assert judge(ledger, hull(-0.25), again=True) == 2
        assert rows(ledger)["CuAu"]["state"] == "validated"


def test_systems_that_the_reference_does_not_know_are_named(tmp_path: Path) -> None:
    reference = Reference("r", "c", tuple(ReferenceCrystal(name, name, -0.1) for name in ("AgCu", "AuCu2")))
    with Ledger(tmp_path) as ledger:
        enqueue(ledger, [alloy("Ag", "Au")], recipe())
        settle(ledger, ENERGIES)
        judge(ledger, ReferenceHull(reference))
        found = rows(ledger)["AgAu"]
        assert found["systems_without_reference"] == "Ag-Au"
        assert (found["energy_above_hull"], found["state"]) == (pytest.approx(0.15), "unstable")


def test_a_real_engine_gives_formation_energies(tmp_path: Path) -> None:
    """EMT: CuAu in the cell of L1₀ is within 0.1 eV/atom of its elements, as alloys of these two are."""
    with Ledger(tmp_path) as ledger:
        enqueue(ledger, [alloy("Cu", "Au")], recipe())
        assert {state for _, state in work_off(ledger)} == {"accepted"}
        assert judge(ledger, None) == 1
        found = rows(ledger)["CuAu"]["formation_energy_per_atom"]
        energies = {
            row["formula"]: row["energy_ev"] / row["n_atoms"]
            for row in ledger.rows(
                "SELECT formula, energy_ev, a.n_atoms FROM attempts a JOIN calculations USING (calculation_id)"
            )
        }
        assert found == pytest.approx(energies["CuAu"] - (energies["Cu"] + energies["Au"]) / 2)
        assert abs(found) < 0.1


def test_a_ledger_of_the_first_version_goes_on_with_its_rows(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        enqueue(ledger, crystals(2), stand_in_recipe())
    with sqlite3.connect(tmp_path / LEDGER_FILE) as old:
        for column in ("structure", "element", "missing_elements", "systems_without_reference"):
            old.execute(f"ALTER TABLE calculations DROP COLUMN {column}")
        old.execute("PRAGMA user_version = 1")
    with Ledger(tmp_path) as ledger:
        assert ledger.rows("PRAGMA user_version")[0][0] == LEDGER_VERSION
        assert {row["structure"] for row in ledger.rows("SELECT structure FROM calculations")} == {"generated"}
        assert enqueue(ledger, crystals(3), stand_in_recipe()).added == 1
        assert len(work_off(ledger)) == 3
