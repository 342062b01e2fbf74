"""What a verification finds in a real small home, each wrong in one way."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from small_catalog import digest
from small_generation import TRAINING_ID

from crystalforge.catalog.shards import ShardManifest, ShardRecord, read_shard, write_shard
from crystalforge.files import read_json, write_json
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import EVALUATION_FILE, Home
from crystalforge.integrity import Finding, Kind, verify_home
from crystalforge.locks import exclusive
from crystalforge.schemas import SAMPLES
from crystalforge.schemas.states import SAMPLE_STATES


@pytest.fixture
def folder(drawn_home: Home, drawn: tuple[Home, GenerationPlan]) -> Path:
    return drawn_home.generations / drawn[1].generation_id


def only_finding(home: Home, *, remake: int = 0) -> Finding:
    (finding,) = verify_home(home, remake=remake).findings
    return finding


def rewrite_shard(folder: Path, change: Callable[[pa.Table], pa.Table]) -> str:
    """Change a shard and commit it again, as a faulty writer would: every checksum is right."""
    manifest = ShardManifest(folder)
    line = manifest.records()[0]
    table = change(read_shard(folder, ShardRecord.from_line(line), SAMPLES))
    manifest.append({**line, **vars(write_shard(folder, line["file"], table))})
    return str(line["file"])


def replaced(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    place = table.column_names.index(name)
    return table.set_column(place, SAMPLES.field(name), pa.array(values, SAMPLES.field(name).type))


def test_a_sound_home_is_sound_and_stays_as_it_was(drawn_home: Home, drawn: tuple[Home, GenerationPlan]) -> None:
    before = digest(drawn_home.path)
    report = verify_home(drawn_home, remake=2)
    assert report.findings == []
    counts = {key: report.counts[key] for key in ("datasets", "trainings", "models", "generations", "shards", "remade")}
    assert counts == {"datasets": 1, "trainings": 1, "models": 2, "generations": 1, "shards": 4, "remade": 2}
    assert digest(drawn_home.path) == before


def test_an_absent_home_is_sound(tmp_path: Path) -> None:
    assert verify_home(Home.locate(tmp_path / "absent")).findings == []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("index", lambda values: [values[1], *values[1:]]),
        ("index", lambda values: values[::-1]),
        ("sample_id", lambda values: [values[1], *values[1:]]),
        ("seed", lambda values: [*values[:-1], 12]),
        ("model_checksum", lambda values: ["0" * 64, *values[1:]]),
        ("space_group_number", lambda values: [*values[:-1], 227]),
    ],
)
def test_rows_of_another_origin_are_found(
    drawn_home: Home, folder: Path, name: str, change: Callable[[list[Any]], list[Any]]
) -> None:
    file = rewrite_shard(folder, lambda table: replaced(table, name, change(table[name].to_pylist())))
    finding = only_finding(drawn_home)
    assert (finding.kind, finding.shard) == (Kind.ROWS, file)
    assert finding.message.startswith(f"{name}: expected")


def test_rows_that_are_missing_or_doubled_are_found(drawn_home: Home, folder: Path) -> None:
    rewrite_shard(folder, lambda table: table.slice(1))
    assert "expected 20 rows, found 19" in only_finding(drawn_home).message
    rewrite_shard(folder, lambda table: pa.concat_tables([table, table.slice(0, 2)]))
    assert "expected 20 rows, found 21" in only_finding(drawn_home).message


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"status": "dreamt"}, "status 'dreamt'.*no such state"),
        ({"reject_reason": "boredom"}, "reject_reason 'boredom'.*no such state"),
        ({"status": "accepted", "reject_reason": "percolates"}, "status 'accepted', reject_reason 'percolates'"),
        ({"status": "rejected", "reject_reason": None}, "status 'rejected', reject_reason None.*no such state"),
        (
            {"status": "rejected", "reject_reason": "atoms_too_close", "crystal_id": None},
            "expected a value in crystal_id",
        ),
        ({"status": "accepted", "reject_reason": None, "formula": None}, "expected a value in .*formula"),
        ({"status": "rejected", "reject_reason": "percolates", "crystal_id": "x"}, "expected null in crystal_id"),
    ],
)
def test_states_that_no_sample_may_be_in_are_found(drawn: tuple[Home, GenerationPlan], values: dict, text: str) -> None:
    folder = drawn[0].generations / drawn[1].generation_id
    line = ShardManifest(folder).records()[0]
    table = read_shard(folder, ShardRecord.from_line(line), SAMPLES)
    assert SAMPLE_STATES.violations(table) == []
    for name, value in values.items():
        table = replaced(table, name, [value, *table[name].to_pylist()[1:]])
    assert re.search(text, "; ".join(SAMPLE_STATES.violations(table)))


def test_a_state_that_is_not_allowed_is_a_problem(drawn_home: Home, folder: Path) -> None:
    rewrite_shard(folder, lambda table: replaced(table, "reject_reason", ["boredom"] * table.num_rows))
    assert Kind.STATE in {finding.kind for finding in verify_home(drawn_home, remake=0).problems}


def test_lines_that_do_not_fit_the_plan_are_found(drawn_home: Home, folder: Path) -> None:
    manifest = ShardManifest(folder)
    line = manifest.records()[0]
    manifest.append(line | {"accepted": line["accepted"] + 1})
    assert only_finding(drawn_home).message.startswith("manifest, accepted: expected")
    manifest.append(line | {"rows": 21})
    assert "rows: expected 21, found 20" in only_finding(drawn_home).message
    manifest.append(line)
    manifest.append(line | {"file": "space_group_number=225/shard-00099.parquet"})
    assert only_finding(drawn_home).kind is Kind.UNPLANNED


def test_shards_without_line_and_without_file_are_told_apart(drawn_home: Home, folder: Path) -> None:
    manifest = ShardManifest(folder)
    lines = manifest.records()
    (folder / lines[1]["file"]).unlink()
    manifest.rewrite(lines[2:])
    found = {finding.kind: finding for finding in verify_home(drawn_home, remake=0).findings}
    assert found[Kind.UNCOMMITTED].shard == lines[0]["file"]
    assert "20 of 80 samples were not drawn yet, in 1 shards" in found[Kind.UNFINISHED].message
    write_json(folder / "quarantine.json", {lines[1]["file"]: "it took longer than 5 s"})
    found = {finding.kind: finding for finding in verify_home(drawn_home, remake=0).findings}
    assert "1 were set aside, the first: it took longer than 5 s" in found[Kind.UNFINISHED].message
    with exclusive(folder, "The generation"):
        assert only_finding(drawn_home).kind is Kind.IN_PROGRESS
        assert str(os.getpid()) in only_finding(drawn_home).message


def test_what_nobody_reads_is_no_problem(drawn_home: Home, folder: Path) -> None:
    (folder / ".shard-00000.parquet.17.partial").write_bytes(b"half")
    (folder / "mine.parquet").write_bytes(b"mine")
    (folder / EVALUATION_FILE).write_bytes(b"what `platform evaluate` keeps beside the shards")
    report = verify_home(drawn_home, remake=0)
    assert [finding.kind for finding in report.findings] == [Kind.UNUSED, Kind.UNUSED]
    assert report.problems == []


def test_a_changed_plan_is_found(drawn_home: Home, folder: Path) -> None:
    record = read_json(folder / "generation.json")
    for changed in (record | {"seed": 12}, record | {"counts": {"225": "many"}}, {}, []):
        write_json(folder / "generation.json", changed)
        assert only_finding(drawn_home).kind is Kind.RECORD
    (folder / "generation.json").unlink()
    assert only_finding(drawn_home).kind is Kind.RECORD


def test_a_changed_dataset_is_found(drawn_home: Home) -> None:
    (record,) = drawn_home.datasets.glob("*/manifest.json")
    manifest = read_json(record)
    write_json(record, manifest | {"n_materials": 5})
    assert "rows: expected 5" in only_finding(drawn_home).message
    write_json(record, manifest | {"counts": manifest["counts"] | {"225": 1}})
    assert "Crystals per space group" in only_finding(drawn_home).message
    write_json(record, manifest)
    record.with_name("exclusions.parquet").unlink()
    assert only_finding(drawn_home).kind is Kind.MISSING


def test_a_shard_that_is_not_what_its_seed_gives_is_found(drawn_home: Home, folder: Path) -> None:
    """Every checksum is right and every row is of the plan; only drawing it again shows the change."""
    rewrite_shard(folder, lambda table: replaced(table, "density", [1.0] * table.num_rows))
    assert verify_home(drawn_home, remake=0).findings == []
    assert only_finding(drawn_home, remake=4).kind is Kind.OTHER_BYTES
    record = read_json(folder / "generation.json")
    write_json(folder / "generation.json", record | {"versions": record["versions"] | {"torch": "1.0"}})
    finding = only_finding(drawn_home, remake=4)
    assert (finding.kind, finding.is_problem) == (Kind.NOT_REMADE, False)
    assert "torch 1.0, now" in finding.message


def test_a_shard_whose_model_is_gone_cannot_be_made_again(drawn_home: Home) -> None:
    shutil.rmtree(drawn_home.trainings / TRAINING_ID)
    report = verify_home(drawn_home, remake=1)
    assert [finding.kind for finding in report.findings] == [Kind.NOT_REMADE]
    assert report.problems == []
