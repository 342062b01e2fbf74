"""A generation in few files: the same rows, and every reader finds them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from small_generation import add_small_generation
from typer.testing import CliRunner

from crystalforge.catalog.bundles import SHARDS, digest_of_shards, is_bundle, shard_lines
from crystalforge.catalog.compaction import CompactionSummary, compact_generation
from crystalforge.catalog.compaction_plan import DEFAULT_ROWS, plan_compaction
from crystalforge.catalog.query import open_catalog
from crystalforge.catalog.shards import ShardManifest, ShardRecord, read_shard
from crystalforge.cli import compact as compact_command
from crystalforge.cli.app import app
from crystalforge.errors import BusyError, DamagedFileError, UsageError
from crystalforge.evaluation.generations import read_generation
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home
from crystalforge.integrity import Kind, verify_home
from crystalforge.jobs.generate import draw_here, generate
from crystalforge.jobs.repair import repair_home
from crystalforge.locks import exclusive
from crystalforge.schemas import SAMPLES
from crystalforge.table_files import same_rows, write_row_groups

ALL_ROWS = 'SELECT * FROM samples ORDER BY space_group_number, "index"'


@pytest.fixture
def plan(drawn: tuple[Home, GenerationPlan]) -> GenerationPlan:
    """80 samples of two space groups in four shards."""
    return drawn[1]


@pytest.fixture
def folder(drawn_home: Home, plan: GenerationPlan) -> Path:
    return drawn_home.generations / plan.generation_id


def rows_of(home: Home) -> pa.Table:
    with open_catalog(home) as catalog:
        return catalog.query(ALL_ROWS)


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")}


def test_the_rows_stay_and_the_files_become_few(drawn_home: Home, folder: Path) -> None:
    before, drawn = rows_of(drawn_home), ShardManifest(folder).records()
    summary = compact_generation(folder)
    assert (summary.rows, summary.files_before, summary.files_after, summary.files_removed) == (80, 4, 2, 4)
    assert rows_of(drawn_home).equals(before)
    lines = ShardManifest(folder).records()
    assert all(is_bundle(line) for line in lines)
    assert files_of(folder) == {line["file"] for line in lines}, "nothing else is left"
    assert not list(folder.glob(".replaced*"))
    assert summary.digest == digest_of_shards(drawn) == digest_of_shards(lines)
    noted = shard_lines(lines)
    assert {name: noted[name]["sha256"] for name in noted} == {line["file"]: line["sha256"] for line in drawn}
    assert sum(line["accepted"] for line in lines) == sum(line["accepted"] for line in drawn)


def test_a_file_holds_its_rows_in_the_order_of_their_index(folder: Path) -> None:
    compact_generation(folder)
    for line in ShardManifest(folder).records():
        assert read_shard(folder, ShardRecord.from_line(line), SAMPLES)["index"].to_pylist() == list(range(40))


def test_a_second_compaction_does_nothing(folder: Path) -> None:
    compact_generation(folder)
    manifest = (folder / "manifest.jsonl").read_bytes()
    summary = compact_generation(folder)
    assert (summary.bundles_written, summary.files_removed, summary.files_before) == (0, 0, 2)
    assert (folder / "manifest.jsonl").read_bytes() == manifest


def test_a_shard_that_came_later_lies_where_it_belongs(drawn_home: Home, tmp_path: Path) -> None:
    """In bytes and name the bundle is the one that a single compaction makes."""
    plan = add_small_generation(drawn_home, shard_size=10)
    folder = drawn_home.generations / plan.generation_id
    undisturbed = Path(shutil.copytree(folder, tmp_path / "undisturbed"))
    compact_generation(undisturbed)
    manifest = ShardManifest(folder)
    late = next(line for line in manifest.records() if (line["space_group_number"], line["shard"]) == (225, 2))
    manifest.rewrite(line for line in manifest.records() if line != late)
    compact_generation(folder)
    manifest.append(late)
    assert compact_generation(folder).bundles_written == 1
    assert by_file(manifest) == by_file(ShardManifest(undisturbed))
    assert files_of(folder) == files_of(undisturbed)


def by_file(manifest: ShardManifest) -> dict[str, dict]:
    return {line["file"]: line for line in manifest.records()}


def test_no_bundle_has_more_rows_than_asked(folder: Path) -> None:
    lines = ShardManifest(folder).records()
    assert plan_compaction(lines, 39).bundles == (), "two shards of 20 are too many"
    assert [bundle.rows for bundle in plan_compaction(lines, 40).bundles] == [40, 40]
    with pytest.raises(UsageError, match="--rows"):
        plan_compaction(lines, 0)


def test_larger_bundles_are_made_of_smaller_ones() -> None:
    lines = [
        {"file": f"{n}", "rows": 10, "bytes": 1, "space_group_number": 225, "shard": n, "accepted": 1, "sha256": ""}
        for n in range(10)
    ]
    assert [bundle.rows for bundle in plan_compaction(lines, 35).bundles] == [30, 30, 30]
    made = [
        {"file": f"b{n}", "rows": 30, "bytes": 1, "space_group_number": 225, SHARDS: [[3 * n, 10, 1, ""]] * 3}
        for n in range(3)
    ]
    left = [*made, lines[9]]
    assert plan_compaction(left, 35).bundles == ()
    assert [bundle.rows for bundle in plan_compaction(left, 60).bundles] == [60, 40]


def test_a_damaged_shard_is_refused_and_nothing_changes(drawn_home: Home, folder: Path) -> None:
    manifest = ShardManifest(folder)
    lines, name = manifest.records(), manifest.records()[0]["file"]
    content = bytearray((folder / name).read_bytes())
    content[100] ^= 1
    (folder / name).write_bytes(content)
    before = files_of(folder)
    with pytest.raises(DamagedFileError, match=r"damaged: sha256 .*platform generate --resume"):
        compact_generation(folder)
    left = {line["space_group_number"] for line in manifest.records() if not is_bundle(line)}
    assert lines[0]["space_group_number"] in left
    assert {file for file in before if lines[0]["file"].split("/")[0] in file} <= files_of(folder)


def test_a_wrong_number_of_rows_is_refused(folder: Path) -> None:
    manifest = ShardManifest(folder)
    line = manifest.records()[0]
    manifest.append(line | {"rows": line["rows"] + 1})
    with pytest.raises(DamagedFileError, match="expected 21 rows, found 20"):
        compact_generation(folder)


def test_a_generation_that_is_being_drawn_is_refused(folder: Path) -> None:
    with exclusive(folder, "The generation"), pytest.raises(BusyError, match="in use by process"):
        compact_generation(folder)


def test_a_reader_at_work_keeps_its_files(drawn_home: Home, folder: Path) -> None:
    expected, before = rows_of(drawn_home), files_of(folder)
    with open_catalog(drawn_home) as catalog:
        summary = compact_generation(folder)
        assert (summary.files_removed, summary.files_still_read) == (0, 4)
        assert before <= files_of(folder)
        assert catalog.query(ALL_ROWS).equals(expected), "by the files that it opened"
        assert rows_of(drawn_home).equals(expected), "by the new ones"
        assert compact_generation(folder).files_still_read == 4
        notes = verify_home(drawn_home, remake=0).findings
        assert {finding.kind for finding in notes} == {Kind.UNUSED}
        assert len(notes) == 4
    assert compact_generation(folder).files_removed == 4
    assert not before & files_of(folder)
    assert verify_home(drawn_home, remake=0).findings == []


def test_what_an_unfinished_compaction_left_is_removed(folder: Path) -> None:
    left = folder / "space_group_number=225" / "bundle-00000-00007-0123abcd.parquet"
    left.write_bytes(b"of a process that was killed before its commit")
    assert compact_generation(folder).files_removed == 5
    assert not left.exists()


def test_a_verification_looks_at_every_shard_of_a_bundle(drawn_home: Home, folder: Path) -> None:
    compact_generation(folder)
    report = verify_home(drawn_home, remake=4)
    assert report.findings == []
    assert (report.counts["shards"], report.counts["bundles"], report.counts["remade"]) == (4, 2, 4)


def rewrite_bundle(folder: Path, change: object) -> str:
    """Change rows of a bundle and commit it again: every checksum is right."""
    manifest = ShardManifest(folder)
    line = manifest.records()[0]
    table = change(read_shard(folder, ShardRecord.from_line(line), SAMPLES))  # type: ignore[operator]
    file = write_row_groups(folder / line["file"], SAMPLES, [table])
    manifest.append({**line, **vars(file)})
    return str(line["file"])


def test_rows_that_were_changed_in_a_bundle_are_found(drawn_home: Home, folder: Path) -> None:
    compact_generation(folder)

    def other_density(table: pa.Table) -> pa.Table:
        place = table.column_names.index("density")
        return table.set_column(place, SAMPLES.field("density"), pa.array([1.0] * table.num_rows))

    name = rewrite_bundle(folder, other_density)
    assert verify_home(drawn_home, remake=0).findings == []
    found = verify_home(drawn_home, remake=4).problems
    assert {(finding.kind, finding.shard) for finding in found} == {(Kind.OTHER_BYTES, name)}

    rewrite_bundle(folder, lambda table: table.take([1, 0, *range(2, table.num_rows)]))
    (finding,) = verify_home(drawn_home, remake=0).problems
    assert (finding.kind, finding.shard) == (Kind.ROWS, name)
    assert "shard-00000.parquet: index: expected 0 to 19" in finding.message


@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_a_damaged_bundle_is_made_again_from_the_seeds_of_its_shards(
    drawn_home: Home, folder: Path, damage: str
) -> None:
    expected = rows_of(drawn_home)
    compact_generation(folder)
    manifest = ShardManifest(folder)
    lines = {line["file"]: line for line in manifest.records()}
    name = min(lines)
    if damage == "gone":
        (folder / name).unlink()
    else:
        content = bytearray((folder / name).read_bytes())
        content[200] ^= 1
        (folder / name).write_bytes(content)
    report = verify_home(drawn_home, remake=0)
    (finding,) = report.problems
    assert finding.kind is (Kind.MISSING if damage == "gone" else Kind.DAMAGED)
    with pytest.raises(DamagedFileError, match="bundle-"):
        open_catalog(drawn_home)
    assert repair_home(drawn_home, report, draw=draw_here).shards == 2
    assert verify_home(drawn_home, remake=4).findings == []
    assert rows_of(drawn_home).equals(expected)
    again = compact_generation(folder)
    assert again.bundles_written == 1
    found = {line["file"]: line for line in manifest.records()}
    assert {file: line["sha256"] for file, line in found.items()} == {
        file: line["sha256"] for file, line in lines.items()
    }


def test_a_generation_goes_on_where_bundles_end(drawn_home: Home, folder: Path, plan: GenerationPlan) -> None:
    expected = rows_of(drawn_home)
    compact_generation(folder)
    assert generate(drawn_home, plan, draw=draw_here).shards_written == 0
    (bundle, _) = sorted(files_of(folder))
    (folder / bundle).write_bytes(b"damaged")
    summary = generate(drawn_home, plan, draw=draw_here)
    assert (summary.rows, summary.shards_written, summary.shards_kept) == (80, 2, 2)
    assert not (folder / bundle).exists()
    assert rows_of(drawn_home).equals(expected)


def test_a_shard_that_is_named_twice_is_found_and_taken_out(drawn_home: Home, folder: Path) -> None:
    manifest = ShardManifest(folder)
    alone = manifest.records()
    with open_catalog(drawn_home):  # keeps the shards on disk
        compact_generation(folder)
    manifest.append(alone[0])
    report = verify_home(drawn_home, remake=0)
    assert [finding.kind for finding in report.problems] == [Kind.UNPLANNED]
    repair_home(drawn_home, report, draw=draw_here)
    assert sum(line["rows"] for line in manifest.records()) < 80, "the bundle is out, so is its other shard"
    (finding,) = verify_home(drawn_home, remake=0).problems
    assert "platform generate --resume" in finding.message or finding.kind is Kind.UNCOMMITTED


@pytest.mark.parametrize(
    "wrong",
    [
        {SHARDS: 3},
        {SHARDS: []},
        {SHARDS: [[0, 20, 1, "0"], [0, 20, 1, "0"]]},
        {SHARDS: [[0, 20, 1, "0"], [1, 21, 1, "0"]]},
        {SHARDS: [[0, 20, 1], [1, 20, 1]]},
        {SHARDS: [[0, True, 1, "0"], [1, 39, 1, "0"]]},
        {"space_group_number": None},
    ],
)
def test_a_damaged_line_of_a_bundle_is_named(folder: Path, wrong: dict) -> None:
    compact_generation(folder)
    manifest = ShardManifest(folder)
    manifest.append(manifest.records()[0] | wrong)
    with pytest.raises(DamagedFileError, match=r"manifest.jsonl line 3 is damaged: expected space_group_number"):
        manifest.records()
    assert len(manifest.sound_records()[1]) == 1


def test_an_evaluation_reads_bundles(drawn_home: Home, folder: Path) -> None:
    before = read_generation(drawn_home).samples
    compact_generation(folder)
    after = read_generation(drawn_home).samples
    assert np.array_equal(before.reject_reason, after.reject_reason)
    assert np.array_equal(before.crystals.frac_coords, after.crystals.frac_coords)


def test_the_command_tells_what_it_would_do_then_does_it(drawn_home: Home, folder: Path) -> None:
    words = ["compact", folder.name, "--home", str(drawn_home.path)]
    before = files_of(folder)
    planned = CliRunner().invoke(app, [*words, "--dry-run", "--json"])
    found = json.loads(planned.stdout)
    assert found["dry_run"]
    assert (found["plan"]["files_now"], found["plan"]["files_then"], found["shards"]) == (4, 2, 2)
    assert files_of(folder) == before
    done = CliRunner().invoke(app, [*words, "--json"])
    summary = CompactionSummary(**json.loads(done.stdout))
    assert (summary.files_after, summary.rows) == (2, 80)
    assert "nothing to merge; 80 rows in 2 files" in CliRunner().invoke(app, words).stdout
    assert CliRunner().invoke(app, ["compact", "absent", "--home", str(drawn_home.path)]).exit_code == 1
    with exclusive(folder, "The generation"):
        assert CliRunner().invoke(app, words).exit_code == 75


def test_the_command_offers_the_rows_that_compaction_takes() -> None:
    assert compact_command.DEFAULT_ROWS == DEFAULT_ROWS


def test_rows_are_compared_to_the_bit() -> None:
    table = pa.table({"x": [1.0, np.nan], "sites": [[[0.1]], None], "label": pa.array(["a", "b"]).dictionary_encode()})
    other_way = pa.concat_tables([table.slice(1), table.slice(0, 1)]).unify_dictionaries().take([1, 0])
    assert same_rows(table, other_way)
    assert not same_rows(table, table.take([1, 0]))
    assert not same_rows(table, table.set_column(0, "x", pa.array([1.0, 0.0])))
    assert not same_rows(table, table.set_column(1, "sites", pa.array([[[0.1]], [[]]])))
    assert not same_rows(pa.table({"x": [0.0]}), pa.table({"x": [-0.0]}))
