"""What SQL may not do, tried against the installed DuckDB."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from small_catalog import Place, digest, place_to_attack

from crystalforge.catalog.query import memory_bytes, open_catalog
from crystalforge.catalog.sandbox import MOST_KEPT_FOOTERS, connect, prepare
from crystalforge.catalog.tables import TABLES
from crystalforge.errors import QueryError, UsageError
from crystalforge.files import sha256_of_file
from crystalforge.home import Home

ATTACKS = [
    "COPY (SELECT 1) TO '{out}'",
    "COPY samples TO '{out}' (FORMAT parquet)",
    "COPY (SELECT 1 AS x) TO '{shard}' (FORMAT parquet, USE_TMP_FILE false)",
    "WITH t AS (COPY (SELECT 1 AS x) TO '{shard}' (FORMAT parquet, USE_TMP_FILE false)) SELECT * FROM t",
    "WITH t AS (COPY (SELECT 1 AS x) TO '{shard}' (USE_TMP_FILE false)) SELECT 1; -- the end",
    "WITH a AS (SELECT 1), t AS (COPY (SELECT 1 AS x) TO '{out}') SELECT * FROM a",
    "WITH t AS (INSERT INTO generations SELECT * FROM generations RETURNING *) SELECT * FROM t",
    "WITH t AS (DELETE FROM generations RETURNING *) SELECT * FROM t",
    "SELECT * FROM query('COPY (SELECT 1) TO ''{out}''')",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'",
    "SELECT * FROM read_text('{secret}.csv')",
    "SELECT * FROM read_blob('{secret}.csv')",
    "SELECT * FROM read_csv('{secret}.csv')",
    "SELECT * FROM '{secret}.csv'",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM parquet_metadata('{secret}.csv')",
    "SELECT * FROM sniff_csv('{secret}.csv')",
    "FROM '{secret}.parquet'",
    "SELECT * FROM '{folder}/*.parquet'",
    "FROM read_parquet('{secret}.parquet')",
    "FROM read_parquet('{folder}/home/generations/older/../../../secret.parquet')",
    "FROM parquet_schema('{secret}.parquet')",
    "SELECT * FROM read_json_auto('/proc/self/environ')",
    "SELECT * FROM read_text('/proc/self/maps')",
    "SELECT * FROM 'https://127.0.0.1:9/x.csv'",
    "SELECT * FROM 's3://bucket/x.parquet'",
    "SELECT * FROM incoming",
    "SELECT * FROM sys",
    "FROM query_table('{secret}.csv')",
    "SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')",
    "ATTACH '{out}'",
    "ATTACH ':memory:' AS other",
    "INSTALL httpfs",
    "INSTALL spatial FROM community",
    "FORCE INSTALL json",
    "LOAD httpfs",
    "LOAD '{out}'",
    "IMPORT DATABASE '{folder}'",
    "COPY generations FROM '{secret}.csv'",
    "COPY FROM DATABASE memory TO other",
    "ATTACH 'postgres:host=127.0.0.1' AS p (TYPE postgres)",
    "CREATE FUNCTION f() AS 1",
    "CREATE MACRO samples() AS TABLE SELECT 1",
    "ALTER TABLE generations ADD COLUMN x INTEGER",
    "COMMENT ON TABLE generations IS 'x'",
    "TRUNCATE generations",
    "MERGE INTO generations USING generations g ON true WHEN MATCHED THEN DELETE",
    "EXECUTE p",
    "EXPLAIN SELECT 1",
    "SELECT 1; COPY (SELECT 1) TO '{out}'",
    "SELECT nextval('s')",
    "SET memory_limit = '100GB'",
    "SET lock_configuration = false",
    "RESET memory_limit",
    "PRAGMA threads = 8",
    "PRAGMA database_list",
    "PRAGMA temp_directory = '{folder}'",
    "SET temp_directory = '{folder}'",
    "SET enable_external_access = true",
    "SET allowed_paths = ['{secret}.csv']",
    "SET GLOBAL log_query_path = '{out}'",
    "SET VARIABLE x = 1",
    "SET home_directory = '{folder}'",
    "PRAGMA enable_profiling",
    "CALL enable_logging('QueryLog')",
    "SELECT * FROM enable_logging(storage = 'file', storage_path = '{out}')",
    "EXPORT DATABASE '{out}'",
    "CREATE TABLE t AS SELECT 1",
    "CREATE OR REPLACE VIEW samples AS SELECT 1",
    "CREATE SECRET s (TYPE s3)",
    "DROP VIEW samples",
    "DROP TABLE generations",
    "INSERT INTO generations SELECT * FROM generations",
    "DELETE FROM generations",
    "UPDATE generations SET seed = 1",
    "PREPARE p AS SELECT 1",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "USE memory",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW samples",
    "",
    " ; ",
    "-- nothing",
    "SELECT",
    "SELECT * FROM nosuch",
    "SELECT nosuch FROM samples",
    "SELECT getenv('HOME')",
    "SELECT 1) UNION ALL (SELECT 2",
    "SELECT 1 /* open",
    "PIVOT samples ON status USING count(*) GROUP BY space_group_number",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place_to_attack(tmp_path_factory.mktemp("attacked")) as found:
        yield found


@pytest.mark.parametrize("attack", ATTACKS)
def test_only_reading_the_catalog_is_allowed(place: Place, attack: str) -> None:
    shard = place.home.generations / "older" / "space_group_number=225" / "shard-00000.parquet"
    with pytest.raises(QueryError):
        place.catalog.query(
            attack.format(out=place.folder / "out", shard=shard, secret=place.folder / "secret", folder=place.folder)
        )
    counted = place.catalog.query("SELECT count(*) AS n FROM generations JOIN samples USING (generation_id)")
    assert counted["n"].to_pylist() == [20], "and the catalog is as it was"
    assert digest(place.folder) == place.before


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT 1", 1),
        ("SELECT 1;", 1),
        ("SELECT ';' ; -- ; Å", 1),
        ("/* ∅ */ SELECT 'å;' AS \"a;b\" /* ; */ ;;", 1),
        ("FROM samples", 40),
        ("WITH t AS (SELECT * FROM samples) SELECT * FROM t LIMIT 3", 3),
        ("WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT * FROM t", 5),
        ("VALUES (1), (2)", 2),
        ("DESCRIBE samples", 32),
        ("SUMMARIZE generations", 7),
        ("PIVOT samples ON status IN ('accepted') USING count(*) GROUP BY space_group_number", 2),
        ("SELECT * FROM samples a, samples b", 1600),
        ("SELECT elements[1] FROM samples WHERE false", 0),
    ],
)
def test_reading_in_all_its_forms(catalog_home: Home, sql: str, rows: int) -> None:
    with open_catalog(catalog_home) as catalog:
        assert catalog.query(sql).num_rows == rows


def test_tables_can_be_listed(catalog_home: Home) -> None:
    with open_catalog(catalog_home) as catalog:
        assert set(TABLES) <= set(catalog.query("SHOW TABLES")["name"].to_pylist())


def test_order_is_kept(catalog_home: Home) -> None:
    with open_catalog(catalog_home) as catalog:
        values = catalog.query("SELECT density FROM samples WHERE density IS NOT NULL ORDER BY density DESC")
    assert values["density"].to_pylist() == sorted(values["density"].to_pylist(), reverse=True)


def test_parameters_are_bound_never_pasted(catalog_home: Home) -> None:
    hostile = "x' OR '1'='1'; DROP VIEW samples; --"
    with open_catalog(catalog_home) as catalog:
        assert catalog.query("SELECT * FROM samples WHERE formula = $f", {"f": hostile}).num_rows == 0
        assert catalog.query("SELECT $f AS f", {"f": hostile})["f"].to_pylist() == [hostile]
        query = "SELECT * FROM samples WHERE space_group_number = $g AND list_contains($r, status)"
        assert catalog.query(query, {"g": 62, "r": ["accepted"]}).num_rows == 16
        with pytest.raises(QueryError, match="not provided for the following parameters: g"):
            catalog.query("SELECT $g")
        with pytest.raises(QueryError, match="excess parameters: h"):
            catalog.query("SELECT $g", {"g": 1, "h": 2})
        with pytest.raises(QueryError):
            catalog.query("SELECT * FROM $t", {"t": "samples"})


def test_a_long_query_is_stopped_and_the_catalog_lives_on(catalog_home: Home) -> None:
    with open_catalog(catalog_home) as catalog:
        start = time.monotonic()
        with pytest.raises(QueryError, match=r"stopped after 0.3 s.*--timeout"):
            slow = "SELECT count(*) FROM range(100000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 3"
            catalog.query(slow, time_limit_s=0.3)
        assert time.monotonic() - start < 3
        assert catalog.query("SELECT 1").num_rows == 1


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM range(1000000000) a, range(1000000000) b",
        "SELECT a.range AS x, hash(a.range) AS y FROM range(100000000) a",
        "SELECT list(range) FROM range(100000000)",
        "SELECT x FROM range(100000000) t(x) ORDER BY hash(x)",
    ],
)
def test_a_large_query_is_stopped(catalog_home: Home, sql: str) -> None:
    with open_catalog(catalog_home, memory_limit="100MB") as catalog:
        with pytest.raises(QueryError, match="--memory-limit"):
            catalog.query(sql, time_limit_s=20)
        assert catalog.query("SELECT 1").num_rows == 1


def test_messages_show_the_place_in_the_users_text(catalog_home: Home) -> None:
    with open_catalog(catalog_home) as catalog:
        with pytest.raises(QueryError, match="LINE 1: SELEC 1"):
            catalog.query("SELEC 1")
        with pytest.raises(QueryError) as caught:
            catalog.query("SELECT densty FROM samples")
    assert '"density"' in str(caught.value)
    assert "EXPLAIN" not in str(caught.value)


def test_an_error_after_the_first_rows_is_explained_too(catalog_home: Home) -> None:
    late = "SELECT CAST(CASE WHEN range = 900000 THEN 'x' ELSE '1' END AS INTEGER) AS v FROM range(1000000)"
    with open_catalog(catalog_home) as catalog:
        with pytest.raises(QueryError, match="Could not convert string 'x'"):
            catalog.query(late)
        assert catalog.query("SELECT 1").num_rows == 1


@pytest.mark.parametrize(("text", "size"), [("2GB", 2 * 10**9), ("512 MiB", 2**29), ("1.5gb", 15 * 10**8), ("7", 7)])
def test_sizes(text: str, size: int) -> None:
    assert memory_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0GB", "2 parsecs", "80%", "2GB; SET x"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="expected a size above 0"):
        memory_bytes(text)


def test_shards_keep_their_time_and_content(catalog_home: Home) -> None:
    shards = sorted(catalog_home.generations.rglob("*.parquet"))
    before = [(shard.stat().st_mtime_ns, sha256_of_file(shard)) for shard in shards]
    with open_catalog(catalog_home) as catalog:
        catalog.query("SELECT * FROM candidates ORDER BY density")
    assert [(shard.stat().st_mtime_ns, sha256_of_file(shard)) for shard in shards] == before


@pytest.mark.parametrize(("n_files", "kept"), [(MOST_KEPT_FOOTERS, True), (MOST_KEPT_FOOTERS + 1, False)])
def test_footers_are_kept_only_of_few_files(n_files: int, kept: bool) -> None:
    """Those of ten million samples in shards of a thousand took 0.6 of the 2 GB that a query may take."""
    with connect(10**8) as connection:
        prepare(connection, [], [f"/home/shard-{number}.parquet" for number in range(n_files)])
        assert connection.execute("SELECT current_setting('parquet_metadata_cache')").fetchone() == (kept,)
