"""Raw samples and their nulls, relaxed by EMT in this process: what was rejected counts, what is new is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_alloys import DRAWN, ELEMENTS, GENERATION_ID, REFERENCE, REJECTED, SYSTEMS, add_alloys
from typer.testing import CliRunner

from crystalforge.catalog.query import open_catalog
from crystalforge.cli.app import app
from crystalforge.errors import UsageError
from crystalforge.home import Home
from crystalforge.jobs.screen import read_relaxations, relax_here, screen, summarise
from crystalforge.jobs.screening_plans import load_screening, plan_screening
from crystalforge.schemas.relaxations import RELAXATIONS
from crystalforge.screening.choosing import choose_inputs
from crystalforge.screening.judging import judge
from crystalforge.screening.plan import ScreeningPlan
from crystalforge.screening.potentials import load_potential
from crystalforge.screening.relaxation import RelaxationLimits

LIMITS = RelaxationLimits(max_steps=200)
N_DRAWN = len(DRAWN) + len(REJECTED)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with the alloys."""
    home = Home.locate(tmp_path)
    add_alloys(home)
    return home


def plan_of(home: Home, source: str = "samples", limit: int = N_DRAWN, shard_size: int = 4) -> ScreeningPlan:
    """A screening of the alloys, or of a null of theirs."""
    inputs = choose_inputs(home, source=source, generations=[GENERATION_ID], limit=limit, seed=3)
    return plan_screening(home, inputs, load_potential("emt"), source=source, limits=LIMITS, shard_size=shard_size)


def sql(home: Home, text: str) -> list[dict[str, Any]]:
    """Rows of a query."""
    with open_catalog(home) as catalog:
        rows: list[dict[str, Any]] = catalog.query(text).to_pylist()
    return rows


def test_a_rejected_sample_is_a_row_that_says_why_and_is_not_relaxed(home: Home) -> None:
    plan = plan_of(home)
    summary = screen(home, plan, relax=relax_here)
    assert summary.by_status == {"converged": len(DRAWN), "rejected": len(REJECTED)}
    assert read_relaxations(home, plan.screening_id).schema.equals(RELAXATIONS)
    rows = {row["source_id"]: row for row in sql(home, "SELECT * FROM relaxations")}
    for place, (reason, is_merged) in enumerate(REJECTED, start=len(DRAWN)):
        row = rows[f"{GENERATION_ID}-225-{place}"]
        assert (row["status"], row["reason"], row["energy_per_atom"], row["lattice"]) == (
            "rejected",
            reason,
            None,
            None,
        )
        assert (row["formula"] is not None) == is_merged
    assert {row["generation_id"] for row in rows.values()} == {GENERATION_ID}


def test_a_screening_remembers_its_generation(home: Home) -> None:
    plan = plan_of(home)
    assert load_screening(home, plan.screening_id).generation_id == GENERATION_ID
    assert ScreeningPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_plan_without_a_generation_is_the_one_it_was_before_generations_were_noted(home: Home) -> None:
    """Screenings of real crystals that were begun by an older version go on under their name."""
    inputs = choose_inputs(home, source="materials", limit=1)
    plan = plan_screening(home, inputs, load_potential("emt"), source="materials")
    older = {name: value for name, value in plan.to_json().items() if name != "generation_id"}
    assert ScreeningPlan.from_json(older).screening_id == plan.screening_id


def test_the_draw_is_random_and_the_same_for_the_same_seed(home: Home) -> None:
    def names(seed: int) -> list[str]:
        inputs = choose_inputs(home, source="samples", generations=[GENERATION_ID], limit=N_DRAWN, seed=seed)
        found: list[str] = inputs["source_id"].to_pylist()
        return found

    first, second = names(3), names(4)
    assert names(3) == first
    assert sorted(first) == sorted(second)
    assert first != second


def test_stable_unique_and_novel_are_told_of_all_that_were_drawn(home: Home) -> None:
    plan = plan_of(home)
    screen(home, plan, relax=relax_here)
    judge(home, plan, read_relaxations(home, plan.screening_id), REFERENCE, ELEMENTS)
    pooled = sql(home, "SELECT * FROM funnel WHERE space_group_number IS NULL")
    assert len(pooled) == 1
    counts = {name: value for name, value in pooled[0].items() if name.startswith("n_")}
    assert counts == {
        "n_drawn": N_DRAWN,
        "n_accepted": len(DRAWN),
        "n_converged": len(DRAWN),
        "n_judged": 4,
        "n_covered": 3,
        "n_unique": 4,  # the third sample relaxes to the second
        "n_novel": 4,  # the first is the dataset's
        "n_new_formula": 4,  # the first's is the dataset's; the reference has other formulas
        "n_symmetric": len(DRAWN),
        "n_stable": 4,
        "n_nearly_stable": 4,
        "n_sun": 2,
        "n_msun": 2,
        "n_ssun": 2,
        "n_mssun": 2,
        "n_stable_covered": 3,
        "n_nearly_stable_covered": 3,
        "n_sun_covered": 1,
        "n_msun_covered": 1,
        "n_ssun_covered": 1,
        "n_mssun_covered": 1,
        "n_msun_new_formula": 2,
    }
    of_group = sql(home, "SELECT * EXCLUDE space_group_number FROM funnel WHERE space_group_number = 225")
    assert of_group == [{name: value for name, value in pooled[0].items() if name != "space_group_number"}]
    verdicts = {row["source_id"][-1]: row for row in sql(home, "SELECT * FROM discoveries")}
    assert verdicts["0"]["known_as"] == "mp-1"
    same = [row for row in verdicts.values() if row["equal_to"]]
    assert [row["source_id"][-1] in "12" for row in same] == [True]
    assert not verdicts["3"]["is_covered"]
    assert not verdicts["4"]["is_judged"]
    assert not any(verdicts["5"][name] for name in verdicts["5"] if name.startswith("is_"))


def test_less_than_all_is_told_with_the_samples_that_are_done(home: Home) -> None:
    """What was interrupted is judged over the samples that it came to, not over those that were planned."""
    plan = plan_of(home, shard_size=1)

    def stop(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        screen(home, plan, relax=relax_here, progress=stop)
    assert (summarise(home, plan).rows, summarise(home, plan).shards_kept) == (3, 3)
    judge(home, plan, read_relaxations(home, plan.screening_id), REFERENCE, ELEMENTS)
    assert sql(home, "SELECT n_drawn FROM funnel WHERE space_group_number IS NULL") == [{"n_drawn": 3}]


@pytest.mark.parametrize("null", ["noise", "random_triples"])
def test_a_null_goes_the_same_way(home: Home, null: str) -> None:
    plan = plan_of(home, null)
    assert plan_of(home, null) == plan
    summary = screen(home, plan, relax=relax_here)
    rows = sql(home, "SELECT * FROM relaxations")
    assert summary.rows == len(rows) == N_DRAWN
    assert {row["space_group_number"] for row in rows} == {225}
    assert {(row["source"], row["generation_id"]) for row in rows} == {(null, GENERATION_ID)}
    assert all((row["reason"] is None) == (row["status"] == "converged") for row in rows)
    judge(home, plan, read_relaxations(home, plan.screening_id), REFERENCE, ELEMENTS)
    assert sql(home, "SELECT n_drawn FROM funnel WHERE space_group_number IS NULL") == [{"n_drawn": N_DRAWN}]


def test_choosing_among_raw_samples_is_refused(home: Home) -> None:
    with pytest.raises(UsageError, match="name it by --generation"):
        choose_inputs(home, source="samples", limit=1)
    with pytest.raises(UsageError, match="--source candidates to choose"):
        choose_inputs(home, source="noise", generations=[GENERATION_ID], where="true", limit=1)


def test_from_the_command_to_shares_and_their_intervals(home: Home, tmp_path: Path) -> None:
    reference, elements = tmp_path / "alloys.parquet", tmp_path / "elements.parquet"
    pq.write_table(pa.table({"formula": SYSTEMS, "formation_energy_per_atom": [0.0] * len(SYSTEMS)}), reference)
    pq.write_table(pa.table({"element": list(ELEMENTS), "energy_per_atom": list(ELEMENTS.values())}), elements)
    where = ["--home", str(home.path)]
    empty = CliRunner().invoke(app, ["stability", *where])
    assert empty.exit_code == 2
    assert "No raw samples were judged" in empty.stderr
    command = ["screen", *where, "--source", "samples", "--generation", GENERATION_ID, "--potential", "emt"]
    command += ["--workers", "1", "--reference", str(reference), "--elements", str(elements)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "5 converged, 2 rejected" in done.stdout
    shown = CliRunner().invoke(app, ["stability", "--by-group", *where])
    assert shown.exit_code == 0, shown.output
    assert "71.4% (35.9% to 91.8%) 5/7" in shown.stdout
    found = json.loads(CliRunner().invoke(app, ["stability", "--json", *where]).stdout)
    assert [row["space_group_number"] for row in found] == [None, 225]
    msun = [share for share in found[0]["shares"] if share["step"].startswith("M.S.U.N. (")]
    # One alloy lies where the reference has a gap, one could not be judged: not stable; left out; as judged.
    assert [(share["k"], share["n"]) for share in msun] == [(1, 7), (1, 5), (2, 7)]


def test_judging_only_needs_a_screening(home: Home) -> None:
    result = CliRunner().invoke(app, ["screen", "--judge-only", "--home", str(home.path)])
    assert result.exit_code == 2
    assert "name it by --resume" in result.stderr
