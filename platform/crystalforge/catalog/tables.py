"""The tables that SQL sees: what each holds, its columns and the text of its view."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pyarrow as pa

from crystalforge.errors import UsageError
from crystalforge.schemas import MATERIALS, SAMPLES
from crystalforge.schemas.attempts import ATTEMPTS, VALIDATIONS
from crystalforge.schemas.calibrations import CALIBRATION_PAIRS, CALIBRATIONS
from crystalforge.schemas.columns import STRING, column, table_schema
from crystalforge.schemas.crystals import CRYSTALS
from crystalforge.schemas.discoveries import DISCOVERIES, FUNNEL
from crystalforge.schemas.relaxations import RELAXATIONS, STABILITIES
from crystalforge.schemas.versions import columns_of_version
from crystalforge.suggestions import did_you_mean

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
        CatalogTable("relaxations", "every crystal that a screening relaxed, or why it did not", RELAXATIONS),
        CatalogTable("stabilities", "energy above hull of relaxed crystals, by reference", STABILITIES),
        CatalogTable("discoveries", "every raw sample of a screening: stable, unique, novel or not", DISCOVERIES),
        CatalogTable("funnel", "counts of each screening of raw samples, from drawn to stable and new", FUNNEL),
        CatalogTable("validations", "every crystal in the queue of calculations, by each recipe", VALIDATIONS),
        CatalogTable("attempts", "every attempt of the queue", ATTEMPTS),
        CatalogTable("calibration_pairs", "crystals that were both screened and computed", CALIBRATION_PAIRS),
        CatalogTable("calibrations", "the screening against the calculations, by space group", CALIBRATIONS),
        CatalogTable("crystals", "candidates and real crystals, with what is known of their stability", CRYSTALS),
    )
}
VIEWS = (
    "samples",
    "candidates",
    "rejections",
    "materials",
    "relaxations",
    "stabilities",
    "discoveries",
    "funnel",
    "validations",
    "attempts",
    "calibration_pairs",
    "calibrations",
    "crystals",
)
"""Those with a text in ``crystalforge.schemas``, in the order in which they are made."""


def view_sql(name: str) -> str:
    """Text of a view, from ``crystalforge.schemas``."""
    return resources.files("crystalforge.schemas").joinpath(f"{name}.sql").read_text(encoding="utf-8")


def kept_sql(view: str) -> tuple[str, ...]:
    """Texts that put a table in the place of a view: its rows are then in memory, and later queries pay nothing."""
    return (
        f"CREATE TABLE kept AS FROM {view}",
        f"DROP VIEW {view}",
        f"ALTER TABLE kept RENAME TO {view}",
    )


def find_table(name: str) -> CatalogTable:
    """The table of that name.

    Raises:
        UsageError: there is none; the message names the tables.
    """
    if name not in TABLES:
        raise UsageError(f"No table {name!r}: expected one of {', '.join(TABLES)}.{did_you_mean(name, TABLES)}")
    return TABLES[name]


def rows_sql(schema: pa.Schema, files: Mapping[int, Sequence[Path]]) -> str:
    """Text of the SELECT that reads a table's files, each in the version it was written in, as the newest schema.

    Columns that a file's version does not have are null. ``hive_partitioning`` is off: a folder named
    ``space_group_number=225`` would otherwise give the column's value.

    Args:
        schema: the newest schema of the table.
        files: by version; none gives no rows.
    """
    parts = [_version_sql(schema, version, paths) for version, paths in sorted(files.items()) if paths]
    return " UNION ALL ".join(parts or [f"{_version_sql(schema, 0, None)} WHERE false"])


def _version_sql(schema: pa.Schema, version: int, paths: Sequence[Path] | None) -> str:
    there = set(columns_of_version(schema, version))
    columns = ", ".join(
        f'"{field.name}"' if field.name in there else f'NULL::{sql_type(field.type)} AS "{field.name}"'
        for field in schema
    )
    # Names of ours, quoted columns and paths.
    return f"SELECT {columns}" + (  # noqa: S608
        f" FROM read_parquet({sql_list(paths)}, hive_partitioning = false)" if paths else ""
    )


def sql_list(files: Sequence[Path]) -> str:
    """SQL literal of a list of paths; ``SET`` and ``CREATE VIEW`` take no bound parameters."""
    return "[" + ", ".join(sql_text(str(file)) for file in files) + "]"


def sql_text(text: str) -> str:
    """SQL literal of a text."""
    return "'" + text.replace("'", "''") + "'"


def as_duckdb_reads(kind: pa.DataType) -> pa.DataType:
    """The type that a column has when DuckDB reads it from Parquet: no dictionaries, no fixed sizes."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(as_duckdb_reads(kind.value_type))
    return kind


@dataclass(frozen=True)
class CatalogColumn:
    """A column as a person sees it."""

    name: str
    sql_type: str
    unit: str
    """As ``Å``; empty where the column has none."""
    comment: str
    """Meaning, unit included."""


UNITS = ("Å", "Å³", "degrees", "g/cm³", "eV", "eV/atom", "eV/Å", "fractional", "s", "MB")


def columns(table: CatalogTable) -> list[CatalogColumn]:
    """Name, SQL type, unit and meaning of each column."""
    return [_column(field) for field in table.schema]


def _column(field: pa.Field) -> CatalogColumn:
    """The unit is the one that the comment has in brackets, so that it is written once."""
    comment = field.metadata[b"comment"].decode()
    bracketed = re.findall(r"\(([^()]*)\)", comment)
    unit = next((text for text in bracketed if text in UNITS), "")
    return CatalogColumn(field.name, sql_type(field.type), unit, comment)


SQL_TYPES = {
    pa.string(): "VARCHAR",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
}


def sql_type(kind: pa.DataType) -> str:
    """DuckDB's name of an Arrow type, as it is read from Parquet."""
    read = as_duckdb_reads(kind)
    return f"{sql_type(read.value_type)}[]" if pa.types.is_list(read) else SQL_TYPES[read]
