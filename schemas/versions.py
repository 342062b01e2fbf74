"""Versions of the tables: a file names the schema that it was written in, and newer code reads older files.

The rules that make this hold: a column is never removed, renamed or of another type; a column that comes later is
nullable and says ``since`` which version it is there; each change raises the version of the table by one.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from crystalforge.errors import DamagedFileError, SchemaVersionError
from crystalforge.schemas.columns import SINCE_KEY, VERSION_KEY


def schema_label(schema: pa.Schema) -> str:
    """Name and version, as ``samples/1``; empty where the schema has none."""
    return (schema.metadata or {}).get(VERSION_KEY, b"").decode(errors="replace")


def name_of(schema: pa.Schema) -> str:
    """Name of the table that the schema describes."""
    return schema_label(schema).partition("/")[0]


def columns_of_version(schema: pa.Schema, version: int) -> list[str]:
    """Columns that a file of that version has, in the order of the schema."""
    return [field.name for field in schema if _since(field) <= version]


def readable_version(label: str, schema: pa.Schema, source: object) -> int:
    """Version of a file, if this code can read it.

    Args:
        label: schema that the file, or the record that names it, gives.
        schema: the newest schema of the table.
        source: file, for the message.

    Raises:
        DamagedFileError: it is another table's, or none.
        SchemaVersionError: it is of a later version.
    """
    newest = schema_label(schema)
    name, _, digits = label.partition("/")
    if name != name_of(schema) or not (digits.isdecimal() and digits.isascii()) or int(digits) < 1:
        raise DamagedFileError(f"{source} is of schema {label!r}: expected a file of schema {newest!r} or older.")
    if int(digits) > int(newest.partition("/")[2]):
        raise SchemaVersionError(
            f"{source} is of schema {label!r}: this crystalforge reads up to {newest!r}. Install the newer one that "
            "wrote it."
        )
    return int(digits)


def conform(table: pa.Table, schema: pa.Schema, source: Path) -> pa.Table:
    """A file's rows in the newest schema; columns that came later are null.

    Raises:
        DamagedFileError: it is another table's, or lacks a column of its version, or has one of another type.
        SchemaVersionError: it is of a later version.
    """
    version = readable_version(schema_label(table.schema), schema, source)
    expected = columns_of_version(schema, version)
    if table.column_names != expected:
        wrong = sorted(set(expected) ^ set(table.column_names)) or ["their order"]
        raise DamagedFileError(
            f"{source} has another schema: expected columns {', '.join(expected)}; it differs in {', '.join(wrong)}."
        )
    for name in expected:
        if table.schema.field(name).type != schema.field(name).type:
            raise DamagedFileError(
                f"{source}, column {name}: expected {schema.field(name).type}, found {table.schema.field(name).type}."
            )
    arrays = [table[field.name] if field.name in expected else pa.nulls(table.num_rows, field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _since(field: pa.Field) -> int:
    return int((field.metadata or {}).get(SINCE_KEY, b"1"))
