from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crystalforge.catalog.shards import ShardManifest, ShardRecord, read_shard, write_shard
from crystalforge.errors import DamagedFileError, StorageError
from crystalforge.files import PathsWithin
from crystalforge.schemas import SAMPLES

TABLE = pa.table({"x": [1, 2, 3], "label": pa.array(["a", "b", "a"]).dictionary_encode()})
NAME = "space_group_number=225/shard-00000.parquet"


def test_a_shard_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = write_shard(tmp_path, NAME, TABLE)
    assert (record.file, record.rows, record.bytes) == (NAME, 3, (tmp_path / NAME).stat().st_size)
    assert read_shard(tmp_path, record).equals(TABLE)
    assert [path.name for path in (tmp_path / NAME).parent.iterdir()] == ["shard-00000.parquet"]


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    assert write_shard(tmp_path, "a.parquet", TABLE).sha256 == write_shard(tmp_path, "b.parquet", TABLE).sha256


def test_only_what_repeats_gets_a_dictionary(tmp_path: Path) -> None:
    sites = pa.FixedSizeListArray.from_arrays(pa.FixedSizeListArray.from_arrays(pa.array([0.1] * 27), 3), 3)
    letters = pa.FixedSizeListArray.from_arrays(pa.array(["a"] * 9), 3)
    columns = {"sample_id": ["g-0", "g-1", "g-2"], "a": [1.0, 2.0, 3.0], "sites": sites, "letters": letters}
    write_shard(tmp_path, NAME, pa.table({"x": TABLE["x"], "label": TABLE["label"], **columns}))
    group = pq.read_metadata(tmp_path / NAME).row_group(0)
    chunks = [group.column(i) for i in range(group.num_columns)]
    coded = {chunk.path_in_schema.split(".")[0] for chunk in chunks if "RLE_DICTIONARY" in chunk.encodings}
    assert coded == {"x", "label", "letters"}


@pytest.mark.parametrize("place", [0, 4, 40, -1, -20])
def test_one_flipped_bit_is_found(tmp_path: Path, place: int) -> None:
    record = write_shard(tmp_path, NAME, TABLE)
    content = bytearray((tmp_path / NAME).read_bytes())
    content[place] ^= 1
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"damaged: sha256 \w+… in the manifest, \w+… on disk. Repair so."):
        read_shard(tmp_path, record, repair="Repair so.")


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    record = write_shard(tmp_path, NAME, TABLE)
    (tmp_path / NAME).unlink()
    with pytest.raises(DamagedFileError, match=r"shard-00000.parquet is missing"):
        read_shard(tmp_path, record)


@pytest.mark.parametrize("name", ["../outside.parquet", "/etc/outside.parquet", "a/../../outside.parquet"])
def test_names_that_climb_are_refused_before_any_write(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "generation"
    with pytest.raises(DamagedFileError, match="expected a plain file inside"):
        write_shard(folder, name, TABLE)
    with pytest.raises(DamagedFileError, match="expected a plain file inside"):
        read_shard(folder, ShardRecord(name, 3, "0" * 64, 1))
    assert list(tmp_path.iterdir()) == []


def test_links_are_refused(tmp_path: Path) -> None:
    folder, outside = tmp_path / "generation", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "space_group_number=225").symlink_to(outside)
    with pytest.raises(DamagedFileError, match="expected a plain file inside"):
        write_shard(folder, NAME, TABLE)
    assert list(outside.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "generation").write_text("a file where a folder should be")
    with pytest.raises(StorageError):
        write_shard(tmp_path / "generation", NAME, TABLE)


def test_manifest_keeps_order_and_the_later_line_holds(tmp_path: Path) -> None:
    manifest = ShardManifest(tmp_path)
    assert manifest.records() == []
    for name, rows in (("a.parquet", 1), ("b.parquet", 2), ("a.parquet", 3)):
        manifest.append({"file": name, "rows": rows, "sha256": "0" * 64, "bytes": 9, "shard": 4})
    assert [(line["file"], line["rows"], line["shard"]) for line in manifest.records()] == [
        ("a.parquet", 3, 4),
        ("b.parquet", 2, 4),
    ]
    assert ShardRecord.from_line(manifest.records()[1]) == ShardRecord("b.parquet", 2, "0" * 64, 9)


def test_a_line_cut_by_a_crash_was_never_committed(tmp_path: Path) -> None:
    manifest = ShardManifest(tmp_path)
    manifest.append({"file": "a.parquet", "rows": 1, "sha256": "0" * 64, "bytes": 9})
    with manifest.path.open("a") as stream:
        stream.write('{"file": "b.par')
    assert [line["file"] for line in manifest.records()] == ["a.parquet"]


@pytest.mark.parametrize("line", ['{"file": "a', '{"file": "a.parquet", "rows": 1}', "[1]", '"text"'])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    manifest = ShardManifest(tmp_path)
    manifest.path.write_text(f"{line}\n")
    with pytest.raises(DamagedFileError, match=r"manifest.jsonl line 1 is damaged"):
        manifest.records()


def test_a_line_must_be_whole_to_be_appended(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sha256, bytes missing"):
        ShardManifest(tmp_path).append({"file": "a.parquet", "rows": 1})


def test_a_shard_with_rejected_rows_is_read_by_pyarrow_too(tmp_path: Path) -> None:
    """pyarrow 25 cannot read nulls among lists of a fixed size, which it writes without a word."""
    table = pa.table({"multiplicities": pa.array([[1, 2, 3], None, [4, 4, 8]])}).cast(
        pa.schema([SAMPLES.field("multiplicities")])
    )
    record = write_shard(tmp_path, "shard.parquet", table)
    assert read_shard(tmp_path, record)["multiplicities"].to_pylist() == [[1, 2, 3], None, [4, 4, 8]]


def test_names_that_no_file_can_have_are_refused(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    within = PathsWithin(tmp_path, tmp_path)
    for name in ("circle", "circle/shard.parquet", "x" * 300, "a\0b", "group/../../x"):
        with pytest.raises(DamagedFileError, match="expected a plain file inside"):
            within(name)
    assert within("group/shard.parquet") == tmp_path / "group" / "shard.parquet"
    (tmp_path / "group").mkdir()
    (tmp_path / "group" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DamagedFileError, match="expected a plain file inside"):
        within("group/link")
