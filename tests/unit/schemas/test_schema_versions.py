"""Older files in newer code: a real file of samples/1, and what a later schema makes of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_catalog import add_dataset, add_generation

from crystalforge.catalog.query import open_catalog
from crystalforge.catalog.shards import ShardManifest, ShardRecord, read_shard, write_shard
from crystalforge.catalog.tables import TABLES, CatalogTable, rows_sql
from crystalforge.dataset import find_dataset
from crystalforge.errors import DamagedFileError, SchemaVersionError
from crystalforge.files import read_json, sha256_of_file, write_json
from crystalforge.home import Home
from crystalforge.schemas import EVALUATIONS, EXCLUSIONS, MATERIALS, OCCURRENCES, SAMPLES
from crystalforge.schemas.columns import VERSION_KEY, column
from crystalforge.schemas.versions import columns_of_version, conform, readable_version, schema_label
from crystalforge.table_files import read_table, write_table

OLDER = Path(__file__).parents[2] / "data" / "samples-1.parquet"
"""A shard of 80 samples as crystalforge 0.1.0 wrote it on 2026-11-21; never made anew."""
N_OLDER = 80
PHONONS = column("least_phonon", pa.float64(), "Lowest phonon frequency (THz)", since=2)
NEWER = pa.schema([*SAMPLES, PHONONS], metadata={VERSION_KEY: b"samples/2"})
"""The schema of samples as it may be one day."""


def test_a_real_older_file_is_read_by_todays_code() -> None:
    table = read_table(OLDER, sha256_of_file(OLDER), SAMPLES)
    assert (table.num_rows, table.schema) == (N_OLDER, SAMPLES)
    assert table["status"].cast(pa.string()).to_pylist().count("accepted") == N_OLDER


def test_a_column_that_came_later_is_null() -> None:
    table = read_table(OLDER, sha256_of_file(OLDER), NEWER)
    assert table.schema.equals(NEWER, check_metadata=True)
    assert table["least_phonon"].null_count == N_OLDER
    older = read_table(OLDER, sha256_of_file(OLDER), SAMPLES)
    assert table.drop_columns(["least_phonon"]).equals(older)


def test_sql_reads_older_and_newer_files_together(tmp_path: Path) -> None:
    import duckdb

    newer = read_table(OLDER, sha256_of_file(OLDER), NEWER)
    newer = newer.set_column(newer.num_columns - 1, PHONONS, pa.array([1.5] * N_OLDER))
    write_table(tmp_path / "newer.parquet", newer.cast(NEWER))
    sql = rows_sql(NEWER, {1: [OLDER], 2: [tmp_path / "newer.parquet"]})
    with duckdb.connect() as connection:
        query = f'SELECT least_phonon, count(*), count(DISTINCT "index") FROM ({sql}) GROUP BY ALL ORDER BY ALL'
        assert connection.execute(query).fetchall() == [(1.5, N_OLDER, N_OLDER), (None, N_OLDER, N_OLDER)]


def test_a_home_of_lines_without_schema_is_read(tmp_path: Path) -> None:
    """Lines and manifests of the first version did not say which schema their file is of."""
    home = Home.locate(tmp_path)
    add_dataset(home)
    folder = add_generation(home, "old", "2026-01-01T00:00:00Z")
    manifest = ShardManifest(folder)
    manifest.rewrite([{key: value for key, value in line.items() if key != "schema"} for line in manifest.records()])
    line = manifest.records()[0]
    assert read_shard(folder, ShardRecord.from_line(line), SAMPLES).num_rows == line["rows"]
    with open_catalog(home) as catalog:
        assert catalog.query("SELECT count(*) AS n FROM samples").to_pylist() == [{"n": 20}]


def test_a_dataset_of_a_manifest_without_schema_is_read(bundled_home: Home, tmp_path: Path) -> None:
    dataset = find_dataset(bundled_home)
    folder = tmp_path / "datasets" / dataset.dataset_id
    folder.mkdir(parents=True)
    shutil.copy(dataset.path / "materials.parquet", folder)
    manifest = read_json(dataset.path / "manifest.json")
    assert manifest.pop("schema") == schema_label(MATERIALS)
    write_json(folder / "manifest.json", manifest)
    assert find_dataset(Home.locate(tmp_path)).materials().equals(dataset.materials())


def test_a_file_of_a_later_version_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "newer.parquet"
    newer = read_table(OLDER, sha256_of_file(OLDER), NEWER)
    file = write_table(path, newer)
    assert file.schema == "samples/2"
    with pytest.raises(SchemaVersionError, match=rf"{path} is of schema 'samples/2': .* reads up to 'samples/1'"):
        read_table(path, file.sha256, SAMPLES)


def test_sql_refuses_a_later_version(tmp_path: Path) -> None:
    home = Home.locate(tmp_path)
    manifest = ShardManifest(add_generation(home, "new", "2026-01-01T00:00:00Z"))
    manifest.append(manifest.records()[0] | {"schema": "samples/7"})
    with pytest.raises(SchemaVersionError, match="Install the newer one"):
        open_catalog(home)


@pytest.mark.parametrize("label", ["", "samples", "samples/", "samples/0", "samples/x", "materials/1", "samples/²"])
def test_a_label_that_is_none_is_refused(label: str) -> None:
    with pytest.raises(DamagedFileError, match="expected a file of schema 'samples/1' or older"):
        readable_version(label, SAMPLES, "a file")


def test_a_file_whose_columns_are_not_those_of_its_version_is_refused(tmp_path: Path) -> None:
    table = pq.read_table(OLDER)
    with pytest.raises(DamagedFileError, match="it differs in density"):
        conform(table.drop_columns(["density"]), SAMPLES, OLDER)
    with pytest.raises(DamagedFileError, match="it differs in their order"):
        conform(table.select(table.column_names[::-1]), SAMPLES, OLDER)
    place = table.column_names.index("seed")
    with pytest.raises(DamagedFileError, match="column seed: expected int64, found int32"):
        conform(table.set_column(place, "seed", table["seed"].cast(pa.int32())), SAMPLES, OLDER)


@pytest.mark.parametrize("schema", [SAMPLES, MATERIALS, EXCLUSIONS, EVALUATIONS, OCCURRENCES], ids=schema_label)
def test_todays_schemas_keep_the_rules(schema: pa.Schema) -> None:
    version = readable_version(schema_label(schema), schema, "itself")
    assert columns_of_version(schema, version) == schema.names
    first = set(columns_of_version(schema, 1))
    assert all(schema.field(name).nullable for name in schema.names if name not in first)


def test_a_shard_says_which_schema_it_is_of(tmp_path: Path) -> None:
    table = read_table(OLDER, sha256_of_file(OLDER), SAMPLES)
    record = write_shard(tmp_path, "a.parquet", table)
    assert record.schema == "samples/1"
    assert record.sha256 == sha256_of_file(OLDER), "the same rows are the same bytes as then"


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_tables_without_files_have_their_columns(table: CatalogTable) -> None:
    import duckdb

    with duckdb.connect() as connection:
        relation = connection.sql(rows_sql(table.schema, {}))
        assert (relation.columns, relation.fetchall()) == (table.schema.names, [])
