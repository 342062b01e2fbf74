"""What a verification finds in a real small screening, each wrong in one way, and what a repair makes of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from small_catalog import digest

from crystalforge.catalog.shards import ShardManifest, ShardRecord, read_shard, write_shard
from crystalforge.files import read_json, write_json
from crystalforge.home import Home
from crystalforge.integrity import Finding, Kind, verify_home
from crystalforge.jobs.repair import repair_home
from crystalforge.jobs.screen import read_relaxations, relax_here, screen
from crystalforge.jobs.screening_plans import load_screening, plan_screening
from crystalforge.locks import exclusive
from crystalforge.screening.choosing import choose_inputs
from crystalforge.screening.energy_scale import given_scale
from crystalforge.screening.hull import ReferenceHull
from crystalforge.screening.plan import ScreeningPlan
from crystalforge.screening.potentials import load_potential
from crystalforge.screening.reference import Reference, ReferenceCrystal
from crystalforge.screening.relaxation import RelaxationLimits
from crystalforge.screening.stabilities import stabilities

KNOWN_TO_EMT = "len(list_filter(elements, lambda e: e NOT IN ('Al', 'Cu', 'Pt', 'Ni', 'H', 'O'))) = 0"
REFERENCE = Reference("small-1", "none", (ReferenceCrystal("AlCu", "AlCu", -1.0),))
JUDGED = "stabilities-small-1.parquet"


def judge_all(home: Home, plan: ScreeningPlan) -> None:
    names = {"potential": plan.potential, "potential_version": plan.potential_version, "reference": "small-1"}
    scale = given_scale({"Al": 0.0, "Cu": 0.0}, **names, correction="none")
    table = stabilities(read_relaxations(home, plan.screening_id), scale, ReferenceHull(REFERENCE))
    assert table.num_rows, "some converged"
    folder = home.screenings / plan.screening_id
    ShardManifest(folder).append(vars(write_shard(folder, JUDGED, table)))


@pytest.fixture(scope="module")
def screened(bundled_home: Home, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, ScreeningPlan]:
    """Four real crystals in two shards, relaxed and judged."""
    home = Home.locate(tmp_path_factory.mktemp("screened") / "home")
    (home.path).mkdir()
    inputs = choose_inputs(bundled_home, source="materials", where=KNOWN_TO_EMT, order_by="n_atoms_primitive", limit=4)
    limits = RelaxationLimits(max_steps=30)
    plan = plan_screening(home, inputs, load_potential("emt"), source="materials", limits=limits, shard_size=2)
    screen(home, plan, relax=relax_here)
    judge_all(home, plan)
    return home, plan


@pytest.fixture
def home(screened: tuple[Home, ScreeningPlan], tmp_path: Path) -> Home:
    return Home.locate(shutil.copytree(screened[0].path, tmp_path / "home"))


@pytest.fixture
def folder(home: Home, screened: tuple[Home, ScreeningPlan]) -> Path:
    return home.screenings / screened[1].screening_id


def only_finding(home: Home) -> Finding:
    (finding,) = verify_home(home).findings
    return finding


def rewrite(folder: Path, file: str, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Change rows and commit them again, as a faulty writer would: every checksum is right."""
    manifest = ShardManifest(folder)
    (line,) = [line for line in manifest.records() if line["file"] == file]
    table = read_shard(folder, ShardRecord.from_line(line))
    rows = change(table.to_pylist())
    manifest.append({**line, **vars(write_shard(folder, file, pa.Table.from_pylist(rows, schema=table.schema)))})


def with_value(name: str, value: Any) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda rows: [rows[0] | {name: value}, *rows[1:]]


def test_a_sound_screening_is_sound_and_stays_as_it_was(home: Home) -> None:
    before = digest(home.path)
    report = verify_home(home)
    assert report.findings == []
    counts = {key: report.counts[key] for key in ("screenings", "screened shards", "judged tables")}
    assert counts == {"screenings": 1, "screened shards": 2, "judged tables": 1}
    assert digest(home.path) == before


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (lambda rows: rows[:1], Kind.ROWS, "expected 2 rows, found 1"),
        (lambda rows: rows[::-1], Kind.ROWS, "relaxation_id: expected"),
        (lambda rows: [rows[0], rows[0]], Kind.ROWS, "relaxation_id: expected"),
        (with_value("source_id", "another"), Kind.ROWS, "source_id: expected"),
        (with_value("potential_version", "another"), Kind.ROWS, "potential_version: expected"),
        (with_value("status", "dreamt"), Kind.STATE, "status 'dreamt': no such state"),
        (with_value("energy_per_atom", None), Kind.STATE, "status 'converged': expected a value in energy_per_atom"),
        (with_value("reason", "boredom"), Kind.STATE, "status 'converged': expected null in reason"),
    ],
)
def test_rows_that_were_not_planned_or_are_in_no_state_are_found(
    home: Home, folder: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], kind: Kind, text: str
) -> None:
    rewrite(folder, "shard-00000.parquet", change)
    finding = only_finding(home)
    assert (finding.kind, finding.shard) == (kind, "shard-00000.parquet")
    assert text in finding.message


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda rows: rows[1:], "1 rows are missing"),
        (lambda rows: [*rows, rows[0]], "1 rows stand for a relaxation twice"),
        (with_value("relaxation_id", "another-0"), "1 rows stand for no relaxation of this screening"),
        (with_value("formula", "Au"), "1 rows tell of another crystal"),
    ],
)
def test_judgements_of_other_relaxations_are_found(
    home: Home, folder: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], text: str
) -> None:
    rewrite(folder, JUDGED, change)
    finding = only_finding(home)
    assert (finding.kind, finding.shard) == (Kind.ROWS, JUDGED)
    assert text in finding.message


def test_a_changed_plan_or_input_is_found(home: Home, folder: Path) -> None:
    record = read_json(folder / "screening.json")
    for changed in (record | {"count": 3}, record | {"limits": "none"}, {}, []):
        write_json(folder / "screening.json", changed)
        assert only_finding(home).kind is Kind.RECORD
    write_json(folder / "screening.json", record)
    (folder / "inputs.parquet").write_bytes(b"")
    assert "inputs.parquet is damaged" in only_finding(home).message


def test_what_is_relaxed_meanwhile_is_no_problem(home: Home, folder: Path) -> None:
    manifest = ShardManifest(folder)
    manifest.rewrite(line for line in manifest.records() if line["file"] == "shard-00000.parquet")
    with exclusive(folder, "The screening"):
        finding = only_finding(home)
        assert (finding.kind, str(os.getpid()) in finding.message) == (Kind.IN_PROGRESS, True)
    found = {finding.kind for finding in verify_home(home).findings}
    assert found == {Kind.UNCOMMITTED, Kind.UNUSED}


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1000] ^= 4
    path.write_bytes(content)


def name_a_foreign_file(path: Path) -> None:
    manifest = ShardManifest(path.parent)
    manifest.append(manifest.records()[0] | {"file": "shard-00099.parquet"})
    with manifest.path.open("a") as stream:
        stream.write("{\n")


DAMAGES: dict[str, tuple[str, Callable[[Path], object], Kind]] = {
    "flipped": ("shard-00001.parquet", flip_a_bit, Kind.DAMAGED),
    "cut": ("shard-00001.parquet", lambda path: path.write_bytes(path.read_bytes()[:-9]), Kind.DAMAGED),
    "lost": ("shard-00001.parquet", Path.unlink, Kind.MISSING),
    "judged": (JUDGED, flip_a_bit, Kind.DAMAGED),
    "manifest": ("shard-00000.parquet", name_a_foreign_file, Kind.UNPLANNED),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_repair_removes_what_is_damaged_and_the_screening_makes_it_again(
    home: Home, folder: Path, damage: str
) -> None:
    name, inflict, kind = DAMAGES[damage]
    inflict(folder / name)
    report = verify_home(home)
    assert kind in {finding.kind for finding in report.problems}
    said: list[str] = []
    summary = repair_home(home, report, said.append)
    assert (list(summary.removed), summary.failed) == ([folder.name], {})
    assert f"platform screen --resume {folder.name}" in said[0]
    relaxed = screen(home, load_screening(home, folder.name), relax=relax_here)
    assert relaxed.shards_written == (1 if name == "shard-00001.parquet" else 0)
    if damage == "judged":
        judge_all(home, load_screening(home, folder.name))
    assert verify_home(home).findings == []
