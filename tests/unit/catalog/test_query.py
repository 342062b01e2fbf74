from __future__ import annotations

from pathlib import Path

import pytest

from crystalforge.catalog.query import open_catalog
from crystalforge.catalog.tables import TABLES, columns
from crystalforge.errors import DamagedFileError, UsageError
from crystalforge.files import append_line, read_json, write_json
from crystalforge.home import Home

SHARD = "space_group_number=225/shard-00001.parquet"


def counts(home: Home) -> dict[str, int]:
    with open_catalog(home) as catalog:
        return {name: catalog.query(f"SELECT count(*) AS n FROM {name}")["n"][0].as_py() for name in TABLES}


def test_every_committed_row_is_seen(catalog_home: Home) -> None:
    expected = {"samples": 40, "candidates": 10, "rejections": 8, "materials": 3, "generations": 2, "crystals": 13}
    assert counts(catalog_home) == dict.fromkeys(TABLES, 0) | expected


def test_candidates_are_the_first_of_equal_crystals(catalog_home: Home) -> None:
    query = 'SELECT generation_id, space_group_number, "index", crystal_id FROM candidates ORDER BY ALL'
    with open_catalog(catalog_home) as catalog:
        rows = catalog.query(query).to_pylist()
    assert len({row["crystal_id"] for row in rows}) == len(rows) == 10
    assert {row["generation_id"] for row in rows} == {"older"}, "by time of creation, not by name"
    assert sorted(row["index"] for row in rows if row["space_group_number"] == 62) == [0, 1, 2, 3, 5]


def test_candidates_are_found_once_for_all_queries(catalog_home: Home) -> None:
    """The first query that names them finds them; what follows, in whatever order, sees the same rows."""
    rows = 'SELECT sample_id, crystal_id, density FROM "Candidates" ORDER BY ALL'
    kind = "SELECT table_type FROM information_schema.tables WHERE table_name = 'first_samples'"
    with open_catalog(catalog_home) as catalog:
        assert catalog.query(kind)["table_type"].to_pylist() == ["VIEW"]
        first = catalog.query(rows)
        assert catalog.query(kind)["table_type"].to_pylist() == ["BASE TABLE"]
        assert catalog.query(rows) == first
        assert catalog.query("DESCRIBE candidates").num_rows == 32
        catalog.close()
        assert catalog.query(rows) == first, "a process that took the place of another one"
        overlooked = "SELECT * FROM query_table('can' || 'didates')"
        catalog.close()
        assert catalog.query(overlooked).num_rows == first.num_rows


def test_an_empty_home_has_all_tables(tmp_path: Path) -> None:
    assert counts(Home.locate(tmp_path / "absent")) == dict.fromkeys(TABLES, 0)
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("empty", [True, False])
def test_columns_are_those_of_the_schema(catalog_home: Home, tmp_path: Path, name: str, empty: bool) -> None:
    home = Home.locate(tmp_path / "absent") if empty else catalog_home
    with open_catalog(home) as catalog:
        rows = catalog.query(f"DESCRIBE {name}").to_pylist()
    assert [(row["column_name"], row["column_type"]) for row in rows] == [
        (column.name, column.sql_type) for column in columns(TABLES[name])
    ]


def test_one_generation_alone(catalog_home: Home) -> None:
    with open_catalog(catalog_home, generations=["later"]) as catalog:
        ids = catalog.query("SELECT DISTINCT generation_id FROM samples")["generation_id"].to_pylist()
        assert ids == ["later"]
        assert catalog.query("SELECT * FROM candidates").num_rows == 10
    with pytest.raises(UsageError, match=r"No generation 'nosuch' in this home. There is: older, later"):
        open_catalog(catalog_home, generations=["nosuch"])


def test_values_come_from_the_file_not_from_the_folder(catalog_home: Home) -> None:
    folder = catalog_home.generations / "older"
    (folder / "space_group_number=225").rename(folder / "space_group_number=1")
    text = (folder / "manifest.jsonl").read_text().replace("space_group_number=225/", "space_group_number=1/")
    (folder / "manifest.jsonl").write_text(text)
    with open_catalog(catalog_home) as catalog:
        assert catalog.query("SELECT * FROM samples WHERE space_group_number = 225").num_rows == 20


def test_a_shard_that_is_not_in_the_manifest_is_not_seen(catalog_home: Home) -> None:
    shard = catalog_home.generations / "older" / SHARD
    shard.with_name("shard-00002.parquet").write_bytes(shard.read_bytes())
    shard.with_name(".shard-00003.parquet.1.partial").write_bytes(b"half")
    assert counts(catalog_home)["samples"] == 40


@pytest.mark.parametrize("place", [10, 1000, -100])
def test_a_damaged_shard_is_never_read(catalog_home: Home, place: int) -> None:
    shard = catalog_home.generations / "older" / SHARD
    content = bytearray(shard.read_bytes())
    content[place] ^= 4
    shard.write_bytes(content)
    message = (
        r"Shard 1 of space group 225 of generation older is damaged: sha256 \w{12}… in the manifest, \w{12}… on disk "
        r".*Run `platform generate --resume older`"
    )
    with pytest.raises(DamagedFileError, match=message):
        open_catalog(catalog_home)
    with open_catalog(catalog_home, generations=["later"]) as catalog:
        assert catalog.query("SELECT * FROM samples").num_rows == 20


def test_several_missing_shards_are_counted(catalog_home: Home) -> None:
    for shard in (catalog_home.generations / "older" / "space_group_number=225").iterdir():
        shard.unlink()
    with pytest.raises(DamagedFileError, match=r"Shard 0 .* is missing: .*\(1 more are damaged or missing.\)"):
        open_catalog(catalog_home)


def test_damaged_materials_name_their_repair(catalog_home: Home) -> None:
    (catalog_home.datasets / "d1" / "materials.parquet").write_bytes(b"")
    with pytest.raises(DamagedFileError, match=r"Dataset d1 is damaged.*platform dataset build"):
        open_catalog(catalog_home)


@pytest.mark.parametrize("name", ["/etc/passwd", "../later/" + SHARD])
def test_a_manifest_that_names_files_elsewhere_is_refused(catalog_home: Home, name: str) -> None:
    line = {"file": name, "rows": 1, "sha256": "0" * 64, "bytes": 1}
    append_line(catalog_home.generations / "older" / "manifest.jsonl", line)
    with pytest.raises(DamagedFileError, match="expected a plain file inside"):
        open_catalog(catalog_home)


def test_a_plan_must_be_of_its_folder(catalog_home: Home) -> None:
    plan = catalog_home.generations / "older" / "generation.json"
    write_json(plan, read_json(plan) | {"generation_id": "other"})
    with pytest.raises(DamagedFileError, match="is of generation 'other': expected 'older'"):
        open_catalog(catalog_home)
    plan.unlink()
    with pytest.raises(DamagedFileError, match=r"generation.json is missing"):
        open_catalog(catalog_home)


def test_a_home_with_a_quote_in_its_name(catalog_home: Home, tmp_path: Path) -> None:
    moved = tmp_path / "it's a 'home' [x] * ? {a,b}"
    catalog_home.path.rename(moved)
    assert counts(Home.locate(moved))["samples"] == 40


def test_rows_are_seen_while_a_generation_is_writing(catalog_home: Home) -> None:
    manifest = catalog_home.generations / "later" / "manifest.jsonl"
    with manifest.open("a") as stream:
        stream.write('{"file": "space_group_number=62/shard-00')
    assert counts(catalog_home)["samples"] == 40
