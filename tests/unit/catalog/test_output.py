from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from crystalforge.catalog.output import OutputFormat, render_table, render_text, write_parquet
from crystalforge.errors import StorageError

TABLE = pa.table(
    {
        "name": ['a "quoted", name', "[bold]Å[/bold]", None],
        "value": [1.0, float("nan"), float("-inf")],
        "sites": [[[0.0, 0.5]], None, [[0.25, float("nan")]]],
        "sum": pa.array([Decimal(12), None, Decimal("1.5")], type=pa.decimal128(20, 1)),
    }
)


def test_json_holds_every_row_and_no_nan() -> None:
    assert json.loads(render_text(TABLE, OutputFormat.JSON)) == [
        {"name": 'a "quoted", name', "value": 1.0, "sites": [[0.0, 0.5]], "sum": 12},
        {"name": "[bold]Å[/bold]", "value": None, "sites": None, "sum": None},
        {"name": None, "value": None, "sites": [[0.25, None]], "sum": 1.5},
    ]


def test_json_of_nothing_is_an_empty_list() -> None:
    assert json.loads(render_text(TABLE.slice(0, 0), OutputFormat.JSON)) == []


def test_json_keeps_columns_of_one_name_and_odd_types() -> None:
    table = pa.table(
        [pa.array([1]), pa.array([2]), pa.array([b"\x01"]), pa.array([datetime(2026, 1, 2)])], ["a", "a", "b", "c"]
    )
    assert json.loads(render_text(table, OutputFormat.JSON)) == [
        {"a": 1, "a_2": 2, "b": "01", "c": "2026-01-02 00:00:00"}
    ]


def test_csv_reads_back() -> None:
    rows = list(csv.reader(io.StringIO(render_text(TABLE, OutputFormat.CSV))))
    assert rows[0] == ["name", "value", "sites", "sum"]
    assert rows[1] == ['a "quoted", name', "1", "[[0.0, 0.5]]", "12"]
    assert rows[2][2] == ""
    assert rows[3][0] == ""


def test_parquet_reads_back_and_replaces_whole(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "out.parquet"
    write_parquet(TABLE.slice(0, 1), path)
    write_parquet(TABLE.slice(0, 2), path)
    assert pq.read_table(path).num_rows == 2
    assert [entry.name for entry in path.parent.iterdir()] == ["out.parquet"]
    with pytest.raises(StorageError):
        write_parquet(TABLE, tmp_path)


def test_the_table_shows_null_and_texts_as_they_are() -> None:
    stream = io.StringIO()
    Console(file=stream, width=200).print(render_table(TABLE, max_rows=2))
    text = stream.getvalue()
    assert "[bold]Å[/bold]" in text
    assert "∅" in text
    assert "[[0, 0.5]]" in text
    assert "inf" not in text, "the third row is cut"
