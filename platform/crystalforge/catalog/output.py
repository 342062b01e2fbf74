"""A result on its way out: as a table to read, as JSON, as CSV or as a Parquet file."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from crystalforge.errors import QueryError
from crystalforge.files import write_atomically

if TYPE_CHECKING:
    from rich.table import Table

NULL_SIGN = "∅"
TABLE_ROWS = 50
"""Rows that a table on the screen shows."""
DIGITS = 6
"""Significant digits of a number on the screen; JSON, CSV and Parquet have all of them."""


CSV_TYPES = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string)


class OutputFormat(StrEnum):
    """How a result is written as text."""

    JSON = "json"
    """A list of objects, one per row; not-a-number and infinity become null."""
    CSV = "csv"
    """Lists and structs as JSON inside the field; null is empty."""


def render_text(table: pa.Table, output_format: OutputFormat) -> str:
    """The whole result as text that ends with a line break."""
    return _as_json(table) if output_format is OutputFormat.JSON else _as_csv(table)


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write the result as a Parquet file, atomically, with page checksums.

    Raises:
        StorageError: the file could not be written; an older one is left as it was.
        QueryError: a column is of a type that Parquet does not have.
    """
    try:
        write_atomically(path, lambda temporary: pq.write_table(table, temporary, write_page_checksum=True))
    except pa.ArrowNotImplementedError as error:
        raise QueryError(f"Parquet cannot hold a column of the result: {error}. CAST it to VARCHAR.") from error


def render_table(table: pa.Table, max_rows: int = TABLE_ROWS) -> Table:
    """The first rows as a table to read: numbers to the right, null as ``∅``."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for field in table.schema:
        numeric = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
        drawn.add_column(Text(field.name), justify="right" if numeric else "left", overflow="fold")
    for row in zip(*(column.to_pylist() for column in table.slice(0, max_rows).columns), strict=True):
        drawn.add_row(*(Text(_cell(value)) for value in row))
    return drawn


def _cell(value: Any) -> str:
    if value is None:
        return NULL_SIGN
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    if isinstance(value, list):
        return "[" + ", ".join(_cell(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_cell(item)}" for key, item in value.items()) + "}"
    return str(value)


def _as_json(table: pa.Table) -> str:
    rows = (json.dumps(plain_value(row), ensure_ascii=False, allow_nan=False) for row in _rows(table))
    return "[" + ",\n ".join(rows) + "]\n"


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as mappings; of two columns of one name the later gets a number, so that none is lost."""
    names: list[str] = []
    for name in table.column_names:
        count = 1
        while (unique := name if count == 1 else f"{name}_{count}") in names:
            count += 1
        names.append(unique)
    return table.rename_columns(names).to_pylist()


def _as_csv(table: pa.Table) -> str:
    columns = [_flat(column) for column in table.columns]
    flat = pa.Table.from_arrays(columns, names=table.column_names)
    buffer = pa.BufferOutputStream()
    pacsv.write_csv(flat, buffer, pacsv.WriteOptions(quoting_style="needed"))
    return buffer.getvalue().to_pybytes().decode()


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """The column itself where Arrow can write it as CSV, else its values as texts."""
    if any(holds(column.type) for holds in CSV_TYPES):
        return column
    return pa.array([_text(value) for value in column.to_pylist()], type=pa.string())


def _text(value: Any) -> str | None:
    plain = plain_value(value)
    return plain if plain is None or isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def plain_value(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, dict):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (date, datetime, time, timedelta)):
        return str(value)
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)
