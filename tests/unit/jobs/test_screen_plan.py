"""Screenings of bundled crystals by EMT in this process: resumption, damage, judging, SQL."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from crystalforge.catalog.query import open_catalog
from crystalforge.errors import DamagedFileError, MissingDependencyError, ScreeningError, UsageError
from crystalforge.home import Home
from crystalforge.jobs.screen import read_relaxations, relax_here, screen
from crystalforge.jobs.screening_plans import load_screening, plan_screening
from crystalforge.schemas.relaxations import RELAXATIONS, STABILITIES
from crystalforge.screening.choosing import choose_inputs
from crystalforge.screening.judging import find_scale, judge
from crystalforge.screening.plan import ScreeningPlan, ScreeningShard
from crystalforge.screening.potentials import load_potential
from crystalforge.screening.reference import Reference, ReferenceCrystal, reference_from_materials
from crystalforge.screening.relaxation import RelaxationLimits

QUICK = RelaxationLimits(max_steps=60)
SMALL = "space_group_number IN (225, 221) AND n_atoms_primitive <= 5"


@pytest.fixture
def home(bundled_home: Home, tmp_path: Path) -> Home:
    """A home with the bundled crystals that a test may change."""
    return Home.locate(shutil.copytree(bundled_home.path, tmp_path / "home"))


def plan_of(home: Home, n: int = 6, shard_size: int = 2) -> ScreeningPlan:
    """A screening of real crystals by a Lennard-Jones-like quick potential that covers few of them."""
    inputs = choose_inputs(home, source="materials", where=SMALL, limit=n)
    return plan_screening(home, inputs, load_potential("emt"), source="materials", limits=QUICK, shard_size=shard_size)


def test_every_crystal_is_a_row_and_a_second_run_does_nothing(home: Home) -> None:
    plan = plan_of(home)
    first = screen(home, plan, relax=relax_here)
    again = screen(home, plan, relax=relax_here)
    rows = read_relaxations(home, plan.screening_id)
    assert (first.shards_written, first.shards_kept) == (3, 0)
    assert (again.shards_written, again.shards_kept) == (0, 3)
    assert rows.num_rows == first.rows == 6
    assert rows.schema.equals(RELAXATIONS)
    assert rows["relaxation_id"].to_pylist() == [f"{plan.screening_id}-{index}" for index in range(6)]
    for row in rows.to_pylist():
        assert (row["status"] == "converged") == (row["reason"] is None) == (row["energy_per_atom"] is not None)
        assert len(row["species"]) == row["n_atoms"] == len(row["frac_coords"]) / 3


def test_the_same_choice_is_the_same_screening(home: Home) -> None:
    plan = plan_of(home)
    assert plan_of(home).screening_id == plan.screening_id
    assert plan_of(home, shard_size=3).screening_id != plan.screening_id
    assert load_screening(home, plan.screening_id) == plan
    assert ScreeningPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_an_interrupted_screening_goes_on_where_it_was(home: Home) -> None:
    plan = plan_of(home)

    def stop(done: int, _: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        screen(home, plan, relax=relax_here, progress=stop)
    (home.screenings / plan.screening_id / ".shard-00002.parquet.1.partial").write_bytes(b"half")
    rest = screen(home, plan, relax=relax_here)
    assert (rest.shards_kept, rest.shards_written, rest.rows) == (2, 1, 6)
    assert not list(home.screenings.rglob("*.partial"))


def test_a_damaged_shard_is_said_and_relaxed_again(home: Home) -> None:
    plan = plan_of(home)
    screen(home, plan, relax=relax_here)
    shard = home.screenings / plan.screening_id / ScreeningShard(1, 2, 2).file
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(DamagedFileError, match=f"--resume {plan.screening_id}"):
        read_relaxations(home, plan.screening_id)
    assert screen(home, plan, relax=relax_here).shards_written == 1


def test_a_shard_that_fails_is_named_and_the_others_are_kept(home: Home) -> None:
    plan = plan_of(home)

    def one_fails(folder: Path, plan: ScreeningPlan, missing: list[ScreeningShard]) -> Iterator[dict[str, Any]]:
        yield from relax_here(folder, plan, missing[:1])
        (folder / missing[1].file).mkdir()  # where the file should come to lie
        yield from relax_here(folder, plan, missing[1:])

    with pytest.raises(ScreeningError, match=r"1 shards .* shard-00001\.parquet"):
        screen(home, plan, relax=one_fails)
    (home.screenings / plan.screening_id / "shard-00001.parquet").rmdir()
    assert screen(home, plan, relax=relax_here).shards_kept == 2


def test_another_version_of_the_potential_is_refused(home: Home) -> None:
    plan = replace(plan_of(home), potential_version="ase 1.0")
    with pytest.raises(ScreeningError, match=r"begun with emt ase 1\.0, installed is"):
        screen(home, plan, relax=relax_here)


def test_an_absent_potential_is_one_message(home: Home) -> None:
    plan = replace(plan_of(home), potential="mattersim")
    with pytest.raises(MissingDependencyError, match="pip install mattersim"):
        screen(home, plan, relax=relax_here)


def test_choices_that_fit_nothing_are_refused(home: Home) -> None:
    with pytest.raises(UsageError, match="expected one of candidates, samples, materials"):
        choose_inputs(home, source="nothing", limit=1)
    with pytest.raises(UsageError, match="No crystal in materials WHERE 1 = 0"):
        choose_inputs(home, source="materials", where="1 = 0", limit=1)
    with pytest.raises(ScreeningError, match="No screening 'nothing'"):
        load_screening(home, "nothing")


def converged_rows(plan: ScreeningPlan, formulas: dict[str, float]) -> pa.Table:
    """Rows as a screening leaves them: formula → energy of the potential (eV/atom)."""
    values: dict[str, Any] = dict.fromkeys(RELAXATIONS.names, 0.0)
    values |= {"lattice": [], "species": [], "frac_coords": []}
    values |= {"status": "converged", "reason": None, "symmetry_broken": False, "source": plan.source}
    values |= dict.fromkeys(("n_atoms", "steps_symmetric", "steps_free", "space_group_number"), 1)
    values |= {name: None for name in RELAXATIONS.names if name.startswith("space_group_") and name[12:] != "number"}
    texts = {"screening_id": plan.screening_id, "potential": plan.potential, "crystal_id": "c", "chemical_system": "s"}
    values["generation_id"] = None
    values |= texts | {"potential_version": plan.potential_version}
    rows = [
        values | {"relaxation_id": f"r{i}", "source_id": formula, "formula": formula, "energy_per_atom": energy}
        for i, (formula, energy) in enumerate(formulas.items())
    ]
    return pa.Table.from_pylist(rows, schema=RELAXATIONS)


REFERENCE = Reference("small-1", "none", tuple(ReferenceCrystal(f, f, -1.0) for f in ("NaCl", "KCl", "KBr", "NaBr")))


def test_real_crystals_fit_a_scale_that_candidates_then_take(home: Home) -> None:
    real = plan_of(home)
    elements = {"Na": -1.3, "K": -1.1, "Cl": -1.8, "Br": -1.6}
    energies = dict.fromkeys(("NaCl", "KCl", "KBr", "NaBr"), -1.0 + 0.05)
    for formula in energies:
        energies[formula] += sum(elements[s] for s in elements if s in formula) / 2
    fitted = judge(home, real, converged_rows(real, energies), REFERENCE, elements)
    assert fitted.scale is not None
    assert fitted.scale.n_crystals == 4
    candidates = replace(real, source="candidates", inputs_sha256="0" * 64)
    assert find_scale(home, candidates, REFERENCE) == fitted.scale
    assert find_scale(home, replace(candidates, potential_version="2"), REFERENCE) is None
    found = judge(home, candidates, converged_rows(candidates, {"NaKCl2": -3.0, "NaXeCl": -1.0}), REFERENCE)
    assert found.scale == fitted.scale
    assert (found.n_judged, found.missing_terminals) == (1, {"Xe": 1})
    assert found.n_with_gaps == 1
    with open_catalog(home) as catalog:
        rows = catalog.query("SELECT * FROM stabilities WHERE source = 'candidates' ORDER BY formula").to_pylist()
    assert set(rows[0]) == set(STABILITIES.names)
    assert rows[0]["energy_above_hull"] == pytest.approx(-3.0 - 0.25 * (-1.3 - 1.1 - 3.6) + 1.0, abs=0.06)
    assert rows[0]["is_stable"] is True
    assert rows[0]["systems_without_reference"] == "K-Na, Cl-K-Na"
    assert rows[1]["energy_above_hull"] is None
    assert rows[1]["missing_terminals"] == "Xe"


def test_without_a_way_between_the_scales_nothing_is_judged(home: Home) -> None:
    plan = replace(plan_of(home), source="candidates")
    rows = converged_rows(plan, {"NaCl": -3.0})
    found = judge(home, plan, rows, REFERENCE)
    assert found.scale is None
    assert found.n_judged == 0
    given = judge(home, plan, rows, REFERENCE, {"Na": -1.3, "Cl": -1.8})
    assert given.scale is not None
    assert given.scale.method == "elemental energies as given"
    assert given.n_stable == 1


def test_sql_sees_relaxations(home: Home) -> None:
    plan = plan_of(home)
    with open_catalog(home) as catalog:
        assert catalog.query("SELECT * FROM relaxations").num_rows == 0
    summary = screen(home, plan, relax=relax_here)
    with open_catalog(home) as catalog:
        rows = catalog.query(
            "SELECT status, count(*) AS n FROM relaxations JOIN materials USING (crystal_id) GROUP BY 1"
        )
    assert {row["status"]: row["n"] for row in rows.to_pylist()} == asdict(summary)["by_status"]


def test_a_dataset_without_energies_is_no_reference(bundled_materials: pa.Table) -> None:
    column = bundled_materials.column_names.index("formation_energy_per_atom")
    nothing = pa.nulls(bundled_materials.num_rows, pa.float64())
    empty = bundled_materials.set_column(column, "formation_energy_per_atom", nothing)
    with pytest.raises(UsageError, match="no crystal with a formation energy"):
        reference_from_materials(empty, "bundled")
