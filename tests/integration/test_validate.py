"""The queue on a real Ray with a real engine: crystals, their elements, the hull, and what SQL sees of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crystalforge.catalog.query import open_catalog
from crystalforge.home import Home
from crystalforge.jobs.validate import run_queue
from crystalforge.screening.hull import ReferenceHull
from crystalforge.screening.reference import Reference, ReferenceCrystal
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.recipe import recipe_from_values
from crystalforge.validation.requests import enqueue

EMT = {
    "name": "emt",
    "engine": "potential",
    "physics": {"task": "relax", "functional": "EMT"},
    "options": {"potential": "emt"},
    "resources": {"cores": 0.5, "memory_mb": 1000, "walltime_s": 120},
}


@pytest.mark.ray
def test_crystals_get_their_formation_energies_and_stand_on_the_hull(tmp_path: Path, ray_session: None) -> None:
    """CuAu and Cu₃Au by EMT, which relaxes both; the reference has one crystal 0.3 eV/atom below the elements."""
    home = Home.locate(tmp_path / "home")
    half = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
    corners = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    crystals = [
        Crystal("a", "CuAu", np.diag([2.8, 2.8, 3.8]), half, np.array([29, 79]), 123),
        Crystal("b", "Cu3Au", 3.8 * np.eye(3), corners, np.array([79, 29, 29, 29]), 221),
    ]
    with Ledger(home.validations) as ledger:
        done = enqueue(ledger, crystals, recipe_from_values(EMT, "emt"))
    assert (done.added, done.elements) == (2, 2)
    hull = ReferenceHull(Reference("deep", "none", (ReferenceCrystal("deep", "CuAu", -0.3),)))
    summary = run_queue(home, concurrency=2, hull=hull)
    assert summary.ended == {"accepted": 4}
    with open_catalog(home) as catalog:
        rows = {row["formula"]: row for row in catalog.query("SELECT * FROM validations").to_pylist()}
    for formula, share in (("CuAu", 0.5), ("Cu3Au", 0.75)):
        row = rows[formula]
        elements = share * rows["Cu"]["energy_per_atom"] + (1 - share) * rows["Au"]["energy_per_atom"]
        assert row["formation_energy_per_atom"] == pytest.approx(row["energy_per_atom"] - elements)
        assert -0.15 < row["formation_energy_per_atom"] < 0.0, "these alloys order, by little"
        assert row["energy_above_hull"] == pytest.approx(row["formation_energy_per_atom"] + 0.6 * (1 - share))
    assert (rows["CuAu"]["state"], rows["CuAu"]["hull_reference"]) == ("unstable", "deep (none)")
    assert {rows["Cu"]["element"], rows["Au"]["element"]} == {"Cu", "Au"}
    assert rows["Cu"]["structure"] == "reference"
