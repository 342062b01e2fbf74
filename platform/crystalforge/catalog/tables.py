"""The tables that SQL sees: what each holds, its columns and the text of its view."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import pyarrow as pa

from crystalforge.errors import UsageError
from crystalforge.schemas import MATERIALS, SAMPLES
from crystalforge.schemas.columns import STRING, column, table_schema

GENERATIONS = table_schema(
    "generations",
    1,
    [
        column("position", pa.int32(), "Order of creation, from 0"),
        column("generation_id", STRING, "Generation: the folder's name"),
        column("training_id", STRING, "Training whose models drew it", nullable=True),
        column("dataset_id", STRING, "Dataset of that training", nullable=True),
        column("seed", pa.int64(), "Seed of the generation", nullable=True),
        column("count", pa.int64(), "Samples asked for", nullable=True),
        column("created_at", STRING, "When it was started (ISO 8601)", nullable=True),
    ],
)


@dataclass(frozen=True)
class CatalogTable:
    """A table or view of the catalog."""

    name: str
    description: str
    schema: pa.Schema


TABLES = {
    table.name: table
    for table in (
        CatalogTable("samples", "every drawn sample, accepted or rejected", SAMPLES),
        CatalogTable("candidates", "accepted samples, one per crystal: the first that was drawn", SAMPLES),
        CatalogTable("rejections", "rejected samples, with reject_reason", SAMPLES),
        CatalogTable("materials", "the real crystals of every dataset", MATERIALS),
        CatalogTable("generations", "one row per generation", GENERATIONS),
    )
}
VIEWS = ("samples", "candidates", "rejections", "materials")
"""Those with a text in ``crystalforge.schemas``, in the order in which they are made."""


def view_sql(name: str) -> str:
    """Text of a view, from ``crystalforge.schemas``."""
    return resources.files("crystalforge.schemas").joinpath(f"{name}.sql").read_text(encoding="utf-8")


def find_table(name: str) -> CatalogTable:
    """The table of that name.

    Raises:
        UsageError: there is none; the message names the tables.
    """
    if name not in TABLES:
        raise UsageError(f"No table {name!r}: expected one of {', '.join(TABLES)}.")
    return TABLES[name]


def as_duckdb_reads(kind: pa.DataType) -> pa.DataType:
    """The type that a column has when DuckDB reads it from Parquet: no dictionaries, no fixed sizes."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(as_duckdb_reads(kind.value_type))
    return kind


def columns(table: CatalogTable) -> list[tuple[str, str, str]]:
    """Name, SQL type and comment (meaning and unit) of each column."""
    return [(field.name, _sql_type(field.type), field.metadata[b"comment"].decode()) for field in table.schema]


SQL_TYPES = {
    pa.string(): "VARCHAR",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
}


def _sql_type(kind: pa.DataType) -> str:
    read = as_duckdb_reads(kind)
    return f"{_sql_type(read.value_type)}[]" if pa.types.is_list(read) else SQL_TYPES[read]
