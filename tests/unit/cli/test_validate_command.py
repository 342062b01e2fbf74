from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from small_queue import work_off
from small_screening import CELL, add_screening
from typer.testing import CliRunner

from crystalforge.catalog.query import open_catalog
from crystalforge.cli.app import app
from crystalforge.home import Home
from crystalforge.validation.choosing import choose_crystals
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.states import Structure


@pytest.fixture
def home(catalog_home: Home) -> Home:
    return catalog_home


@pytest.fixture
def validate(home: Home):
    def run(command: str, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["validate", command, *arguments, "--home", str(home.path)])

    return run


def _sql(home: Home, statement: str) -> list[dict[str, Any]]:
    with open_catalog(home) as catalog:
        rows: list[dict[str, Any]] = catalog.query(statement).to_pylist()
    return rows


def test_enqueuing_chooses_by_sql_and_sql_sees_the_queue(home: Home, validate) -> None:
    arguments = ("--recipe", "stand-in", "--where", "space_group_number = 225", "--order-by", "density DESC")
    first = validate("enqueue", *arguments, "--limit", "2", "--json")
    assert (first.exit_code, json.loads(first.stdout)["added"]) == (0, 2), first.stderr
    again = json.loads(validate("enqueue", *arguments, "--limit", "3", "--json").stdout)
    assert (again["added"], again["known"]) == (1, 2)
    queued = _sql(home, "SELECT v.crystal_id, state, engine FROM validations v JOIN candidates c USING (crystal_id)")
    best = _sql(home, "SELECT crystal_id FROM candidates WHERE space_group_number = 225 ORDER BY density DESC LIMIT 3")
    assert {row["crystal_id"] for row in queued} == {row["crystal_id"] for row in best}
    assert {(row["state"], row["engine"]) for row in queued} == {("ready", "stand-in")}


def test_what_is_done_is_shown_by_status_show_and_sql(home: Home, validate) -> None:
    assert validate("enqueue", "--recipe", "stand-in", "--from", "materials", "--limit", "2").exit_code == 0
    with Ledger(home.validations) as ledger:
        assert len(work_off(ledger)) == 2
    status = json.loads(validate("status", "--json").stdout)
    assert (status["dispatcher"], status["calculations"][0]["state"]) == (None, "validated")
    shown = json.loads(validate("show", "1", "--json").stdout)
    energies = _sql(home, "SELECT energy, state FROM attempts ORDER BY calculation_id")
    assert shown["attempts"][0]["energy_ev"] == energies[0]["energy"]
    assert energies[0]["state"] == "accepted"
    assert "stand-in" in validate("show", "1").stdout
    assert "validated" in validate("status").stdout


def test_requests_change_what_they_may(validate) -> None:
    assert validate("enqueue", "--recipe", "stand-in", "--from", "materials").exit_code == 0
    assert validate("pause", "1").stderr == "pause: 1 changed, 0 left as they are.\n"
    assert validate("cancel", "--state", "ready").stderr == "cancel: 2 changed, 0 left as they are.\n"
    assert "No calculation 5" in validate("show", "5").stderr
    assert validate("retry", "1", "2").stderr == "retry: 2 changed, 0 left as they are.\n"
    counts = {
        row["state"]: row["calculations"] for row in json.loads(validate("status", "--json").stdout)["calculations"]
    }
    assert counts == {"cancelled": 1, "ready": 2}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("enqueue", "--recipe", "no-such"), "No recipe 'no-such'"),
        (("enqueue", "--recipe", "stand-in", "--where", "no_column > 1"), "no_column"),
        (("enqueue", "--recipe", "stand-in", "--where", "true) UNION SELECT (1"), "Error"),
        (("enqueue", "--recipe", "stand-in", "--from", "attempts"), "expected one of candidates, materials"),
        (("enqueue", "--recipe", "stand-in", "--limit", "0"), "--limit 0"),
        (("cancel",), "--state with one of ready"),
        (("cancel", "--state", "gone"), "--state 'gone'"),
        (("retry", "5"), "has no queue yet"),
        (("run",), "has no queue yet"),
        (("show", "5"), "has no queue yet"),
    ],
)
def test_faults_are_one_message(validate, command: tuple[str, ...], message: str) -> None:
    result = validate(*command)
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_chosen_crystal_is_the_primitive_cell_of_its_row(bundled_home: Home) -> None:
    chosen = choose_crystals(bundled_home, table="materials", limit=40)
    rows = {row["crystal_id"]: row for row in _sql(bundled_home, "SELECT * FROM materials")}
    assert len(chosen) == 40
    for crystal in chosen:
        row = rows[crystal.crystal_id]
        assert crystal.n_atoms == row["n_atoms_primitive"]
        assert crystal.origin == {"material_id": row["material_id"]}
        volume = crystal.to_atoms().get_volume()
        assert volume / crystal.n_atoms == pytest.approx(row["volume_per_atom"])
        back = Crystal.from_json(json.loads(json.dumps(crystal.to_json())))
        assert (back.lattice == crystal.lattice).all()
        assert (back.frac_coords == crystal.frac_coords).all()


def test_the_default_leaves_known_crystals_out(home: Home) -> None:
    everything = choose_crystals(home, where="true", limit=100)
    new = choose_crystals(home, limit=100)
    known = _sql(
        home,
        "SELECT crystal_id FROM candidates WHERE (reduced_formula, space_group_number) IN "
        "(SELECT (reduced_formula, space_group_number) FROM materials)",
    )
    assert {c.crystal_id for c in everything} - {c.crystal_id for c in new} == {row["crystal_id"] for row in known}
    assert len(everything) == len(_sql(home, "SELECT 1 FROM candidates"))


def test_a_candidate_that_was_screened_as_a_raw_sample_counts_as_screened(home: Home) -> None:
    rows = _sql(home, "SELECT sample_id AS source_id, crystal_id FROM candidates ORDER BY sample_id DESC LIMIT 1")
    add_screening(home, "raw", [rows[0] | {"energy_above_hull": 0.1}], source="samples")
    first, second = choose_crystals(home, where="true", limit=2, structure=Structure.RELAXED)
    assert first.origin["sample_id"] == rows[0]["source_id"], "the only one with an energy above hull comes first"
    assert (first.structure, second.structure) == (Structure.RELAXED, Structure.GENERATED)


def test_the_relaxed_cell_is_taken_where_a_screening_has_one_and_said(home: Home, validate) -> None:
    """Of two relaxations of a crystal, the one nearer to the hull; one that did not converge is none."""
    rows = _sql(home, "SELECT sample_id AS source_id, crystal_id FROM candidates ORDER BY sample_id LIMIT 3")
    low, high = {"energy_above_hull": 0.1}, {"energy_above_hull": 0.2}
    wide = {"lattice": [5.0, 0, 0, 0, 5.0, 0, 0, 0, 5.0]}
    add_screening(home, "a", [rows[0] | high | wide, rows[1] | low | {"status": "step_limit"}])
    add_screening(home, "b", [rows[0] | low])
    chosen = choose_crystals(home, where="true", limit=100, structure=Structure.RELAXED)
    found = {crystal.origin["sample_id"]: crystal for crystal in chosen}
    relaxed = found.pop(rows[0]["source_id"])
    assert relaxed.structure is Structure.RELAXED
    assert relaxed.origin["relaxation_id"] == "b-0"
    assert relaxed.lattice.ravel().tolist() == CELL["lattice"]
    assert relaxed.to_atoms().get_chemical_symbols() == CELL["species"]
    assert {crystal.structure for crystal in found.values()} == {Structure.GENERATED}
    assert validate("enqueue", "--recipe", "stand-in", "--where", "true").exit_code == 0
    states = _sql(home, "SELECT structure, count(*) AS n FROM validations GROUP BY ALL ORDER BY ALL")
    assert {row["structure"]: row["n"] for row in states} == {"generated": len(found), "relaxed": 1}
    as_drawn = choose_crystals(home, where="true", limit=100)
    assert {crystal.structure for crystal in as_drawn} == {Structure.GENERATED}


def test_judge_puts_computed_crystals_on_the_hull_of_a_reference(home: Home, validate) -> None:
    assert validate("enqueue", "--recipe", "stand-in", "--from", "materials").exit_code == 0
    with Ledger(home.validations) as ledger:
        work_off(ledger)
    reference = home.path / "reference.parquet"
    pq.write_table(pa.table({"formula": ["LiAl"], "formation_energy_per_atom": [-0.2]}), reference)
    judged = json.loads(validate("judge", "--json", "--reference", str(reference)).stdout)
    assert judged["changed"] == 0, "the stand-in's energies are never judged"
    assert judged["reference"].startswith("reference-")
    assert {row["formation_energy_per_atom"] for row in judged["calculations"]} == {None}
    assert "expected a Parquet file of formation energies" in validate("judge", "--reference", "none.parquet").stderr
