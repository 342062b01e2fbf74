"""Verdicts on relaxed crystals, worked out by hand: what left its group, what is the same, what did not end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from small_alloys import DATASET_ID, GAP, GENERATION_ID, KNOWN, NEW, REFERENCE, heuslers
from small_catalog import plain_row

from crystalforge.crystals.elements import symbols
from crystalforge.crystals.primitive import primitive_cells
from crystalforge.crystals.rows import batch_to_columns
from crystalforge.schemas import MATERIALS
from crystalforge.schemas.relaxations import RELAXATIONS, STABILITIES
from crystalforge.screening.discoveries import discoveries
from crystalforge.screening.funnel import Counting, Step, interval, share_of


def relaxed(name: str, elements: tuple[str, str, str], length: float, **values: Any) -> dict[str, Any]:
    """A row of ``relaxations`` whose final crystal is a Heusler without symmetry: its atoms are a little off."""
    _, cell = next(primitive_cells(heuslers((elements, length))))
    off = np.random.default_rng(0).normal(scale=0.005, size=cell.frac_coords.shape)
    crystal = {
        "lattice": cell.lattice.reshape(-1).tolist(),
        "species": symbols(cell.atomic_numbers).tolist(),
        "frac_coords": (cell.frac_coords + off).reshape(-1).tolist(),
    }
    same = {"relaxation_id": name, "status": "converged", "formula": f"{elements[2]}2{elements[0]}{elements[1]}"}
    return plain_row(RELAXATIONS, **crystal | same | {"space_group_after_loose": 225} | values)


@pytest.fixture(scope="module")
def materials() -> pa.Table:
    """A dataset of one crystal."""
    row = pa.table(batch_to_columns(heuslers((KNOWN, 6.2)))).to_pylist()[0]
    values = {"material_id": "mp-1", "dataset_id": DATASET_ID}
    return pa.Table.from_pylist([plain_row(MATERIALS, **row | values)], schema=MATERIALS)


def verdicts(rows: list[dict[str, Any]], materials: pa.Table, judged: list[dict[str, Any]]) -> dict[str, Any]:
    """Relaxation → its row of ``discoveries``."""
    stabilities = pa.Table.from_pylist([plain_row(STABILITIES, **row) for row in judged], schema=STABILITIES)
    relaxations = pa.Table.from_pylist(rows, schema=RELAXATIONS)
    table = discoveries(relaxations, stabilities, materials, REFERENCE, GENERATION_ID)
    return {row["relaxation_id"]: row for row in table.to_pylist()}


def test_a_sample_that_fell_into_a_known_crystal_is_not_new_whatever_group_was_asked_for(materials: pa.Table) -> None:
    found = verdicts([relaxed("r", KNOWN, 5.9, space_group_number=71)], materials, [])["r"]
    assert (found["is_novel"], found["known_as"], found["is_new_formula"]) == (False, "mp-1", False)
    assert found["is_unique"]


def test_of_two_that_relax_to_one_the_first_is_unique(materials: pa.Table) -> None:
    found = verdicts([relaxed("a", NEW, 6.0), relaxed("b", GAP, 6.0), relaxed("c", NEW, 6.3)], materials, [])
    assert {name: row["is_unique"] for name, row in found.items()} == {"a": True, "b": True, "c": False}
    assert found["c"]["equal_to"] == "a"
    assert all(row["is_novel"] and row["is_new_formula"] for row in found.values())


def test_p1_and_no_group_at_all_are_not_symmetric(materials: pa.Table) -> None:
    groups = {"p1": 1, "none": None, "cubic": 225}
    rows = [relaxed(name, NEW, 6.0, space_group_after_loose=group) for name, group in groups.items()]
    found = verdicts(rows, materials, [])
    assert {name for name, row in found.items() if row["is_symmetric"]} == {"cubic"}


def test_what_did_not_converge_is_nothing(materials: pa.Table) -> None:
    ended = relaxed("r", NEW, 6.0, status="step_limit")
    found = verdicts([ended, relaxed("s", NEW, 6.0)], materials, [])
    assert {name for name, value in found["r"].items() if value is True} == {"is_accepted"}
    assert found["r"]["rmsd"] is None
    assert found["s"]["is_unique"], "what did not converge is the first of no kind"


def test_only_what_was_judged_is_stable_and_only_without_gaps_covered(materials: pa.Table) -> None:
    energies = {"energy_above_hull": 0.05, "is_stable": False, "is_nearly_stable": True}
    judged = [
        energies | {"relaxation_id": "covered", "systems_without_reference": None},
        energies | {"relaxation_id": "gap", "systems_without_reference": "Au-Pt"},
        dict.fromkeys(energies) | {"relaxation_id": "unknown", "systems_without_reference": None},
    ]
    names = ("covered", "gap", "unknown", "unjudged")
    found = verdicts([relaxed(name, NEW, 6.0) for name in names], materials, judged)
    shown = {name: (row["is_judged"], row["is_covered"], row["is_nearly_stable"]) for name, row in found.items()}
    assert shown == {
        "covered": (True, True, True),
        "gap": (True, False, True),
        "unknown": (False, False, False),
        "unjudged": (False, False, False),
    }


def test_each_way_of_counting() -> None:
    row = {"n_drawn": 100, "n_converged": 60, "n_covered": 20, "n_msun": 30, "n_msun_covered": 6}
    found = {way: share_of(Step("", "n_msun", way), row) for way in Counting}
    assert [(found[way].k, found[way].n) for way in Counting] == [(6, 100), (6, 60), (30, 100)]


def test_the_interval_is_wilsons() -> None:
    assert interval(0, 10) == (pytest.approx(0.0), pytest.approx(0.2775, abs=1e-4))
    assert interval(5, 7) == (pytest.approx(0.3589, abs=1e-4), pytest.approx(0.9178, abs=1e-4))
    assert interval(0, 0) == (None, None)
