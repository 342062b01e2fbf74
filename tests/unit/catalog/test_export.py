from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from small_catalog import digest

from crystalforge.catalog.export import export_catalog
from crystalforge.catalog.query import open_catalog
from crystalforge.catalog.tables import TABLES, columns
from crystalforge.errors import BusyError, DamagedFileError, UsageError
from crystalforge.home import Home


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "exported" / "catalog.duckdb"


def test_the_file_answers_as_the_catalog_does(catalog_home: Home, file: Path, home_digest: dict[str, str]) -> None:
    summary = export_catalog(catalog_home, file)
    assert summary.rows["samples"] == 40
    assert [path.name for path in file.parent.iterdir()] == ["catalog.duckdb"]
    with open_catalog(catalog_home) as catalog, duckdb.connect(file, read_only=True) as client:
        for name in TABLES:
            query = f"SELECT * FROM {name} ORDER BY ALL"
            expected = [tuple(row.values()) for row in catalog.query(query).to_pylist()]
            assert client.execute(query).fetchall() == expected, name
            assert len(expected) == summary.rows[name]
    assert digest(catalog_home.path) == home_digest


def test_every_column_has_its_comment(catalog_home: Home, file: Path) -> None:
    export_catalog(catalog_home, file)
    with duckdb.connect(file, read_only=True) as client:
        rows = client.execute("SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal")
        found = {(table, name): comment for table, name, comment in rows.fetchall()}
    below = {key: found.pop(key) for key in list(found) if key[0] not in TABLES}
    assert found == {
        (table.name, column.name): column.comment for table in TABLES.values() for column in columns(table)
    }
    assert below.keys() == {("first_samples", "first_sample")}
    assert all(below.values())
    assert found["samples", "a"] == "Conventional cell length a (Å)"


def test_the_file_reads_nothing_of_the_home(catalog_home: Home, file: Path) -> None:
    export_catalog(catalog_home, file)
    catalog_home.path.rename(catalog_home.path.with_name("gone"))
    with duckdb.connect(file, read_only=True, config={"enable_external_access": False}) as client:
        assert client.execute("SELECT count(*) FROM candidates").fetchone() != (0,)


def test_an_older_export_is_replaced_under_a_client_that_reads_it(catalog_home: Home, file: Path) -> None:
    export_catalog(Home.locate(catalog_home.path.with_name("empty")), file)
    with duckdb.connect(file, read_only=True) as client:
        assert export_catalog(catalog_home, file).rows["samples"] == 40
        assert client.execute("SELECT count(*) FROM samples").fetchone() == (0,), "a client keeps what it opened"


def test_other_files_are_not_replaced(catalog_home: Home, file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    file.write_text("thesis")
    with pytest.raises(UsageError, match="is no DuckDB file"):
        export_catalog(catalog_home, file)
    assert file.read_text() == "thesis"
    with pytest.raises(UsageError, match=r"expected a name that ends in \.duckdb"):
        export_catalog(catalog_home, tmp_path / "catalog.parquet")
    with pytest.raises(UsageError, match="the home is only for runs"):
        export_catalog(catalog_home, catalog_home.path / "catalog.duckdb")
    link = tmp_path / "link.duckdb"
    link.symlink_to(file)
    with pytest.raises(UsageError, match="is no DuckDB file"):
        export_catalog(catalog_home, link)


def test_a_file_that_a_client_writes_is_left_alone(catalog_home: Home, file: Path) -> None:
    export_catalog(catalog_home, file)
    file.with_name("catalog.duckdb.wal").write_bytes(b"")
    with pytest.raises(BusyError, match="Close it, then export again"):
        export_catalog(catalog_home, file)


def test_a_damaged_shard_stops_the_export_and_leaves_nothing(catalog_home: Home, file: Path) -> None:
    shard = next(catalog_home.generations.rglob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(DamagedFileError, match="is damaged"):
        export_catalog(catalog_home, file)
    assert not file.parent.exists()


def test_an_export_that_fails_midway_leaves_the_older_one(catalog_home: Home, file: Path) -> None:
    export_catalog(catalog_home, file)
    before = digest(file.parent)
    with pytest.raises(Exception, match="memory"):
        export_catalog(catalog_home, file, memory_limit="1MB")
    assert digest(file.parent) == before
