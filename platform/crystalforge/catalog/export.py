"""The catalog as one DuckDB file, for a person's own client: tables, views, and comments with units on every column."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from crystalforge.catalog.query import DEFAULT_MEMORY_LIMIT, catalog_statements, memory_bytes
from crystalforge.catalog.tables import TABLES, CatalogTable, columns, sql_text, view_sql
from crystalforge.errors import BusyError, QueryError, StorageError, UsageError
from crystalforge.files import write_atomically
from crystalforge.home import Home
from crystalforge.schemas.versions import schema_label

SUFFIX = ".duckdb"
MAGIC = b"DUCK"
MAGIC_AT = 8
"""Where a DuckDB file says that it is one."""
DERIVED = ("candidates", "rejections", "crystals")
"""Views in the exported file as here; all others become tables of their own."""
CONFIGURATION = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
}


@dataclass(frozen=True)
class ExportSummary:
    """What an export wrote."""

    file: Path
    rows: dict[str, int]
    """Of each table and view."""
    bytes: int


def export_catalog(home: Home, file: Path, *, memory_limit: str = DEFAULT_MEMORY_LIMIT) -> ExportSummary:
    """Write every committed row of a home into a DuckDB file of its own.

    The file appears whole or not at all; one that a client has open stays that client's as it was. It is a copy: what
    is generated later is not in it.

    Args:
        home: the home; every file that is read is compared with its checksum first.
        file: to write; an older export of that name is replaced.
        memory_limit: for DuckDB, such as ``2GB``.

    Raises:
        UsageError: the name does not end in ``.duckdb``, or something else than a DuckDB file has it.
        BusyError: a client has the file open to write.
        DamagedFileError: a manifest or a file of the home is damaged.
        StorageError: it could not be written; an older one is left as it was.
    """
    _check_target(home, file)
    rows: dict[str, int] = {}

    def write(temporary: Path) -> None:
        log = temporary.with_name(f"{temporary.name}.wal")
        with (
            contextlib.ExitStack() as afterwards,
            _storage_errors(file),
            duckdb.connect(":memory:", config=_configuration(memory_limit)) as connection,
        ):
            afterwards.callback(log.unlink, missing_ok=True)  # left by an export that fails
            for sql, parameters in statements:
                connection.execute(sql, parameters)
            _copy(connection, temporary)
            rows.update({name: _count(connection, name) for name in TABLES})
            connection.execute("USE memory; DETACH exported")

    with contextlib.ExitStack() as reading:
        statements, _ = catalog_statements(home, reading=reading)
        write_atomically(file, write)
    return ExportSummary(file, rows, file.stat().st_size)


def _configuration(memory_limit: str) -> dict[str, str | bool | int | float | list[str]]:
    return {**CONFIGURATION, "memory_limit": f"{memory_bytes(memory_limit)}B"}


def _check_target(home: Home, file: Path) -> None:
    """Refuse names that would replace something else than an older export."""
    if file.suffix != SUFFIX:
        raise UsageError(f"{file}: expected a name that ends in {SUFFIX}, such as catalog{SUFFIX}.")
    if home.holds(file):
        raise UsageError(f"{file} lies in the home {home.path}: expected a place outside, the home is only for runs.")
    if file.is_symlink() or (file.exists() and not _is_duckdb(file)):
        raise UsageError(f"{file} is there and is no DuckDB file: expected a new name, or an older export.")
    log = file.with_name(f"{file.name}.wal")
    if log.exists():
        raise BusyError(f"{log} is there: a client has {file} open to write. Close it, then export again.")


def _is_duckdb(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        return stream.read(MAGIC_AT + len(MAGIC))[MAGIC_AT:] == MAGIC


@contextlib.contextmanager
def _storage_errors(file: Path) -> Iterator[None]:
    """DuckDB's own errors as ours; those of the operating system are told by ``write_atomically``."""
    try:
        yield
    except duckdb.IOException as error:
        raise StorageError(f"Cannot write {file}: {error}. Free some space and export again.") from error
    except duckdb.OutOfMemoryException as error:
        raise QueryError("The export needs more memory than its limit: raise --memory-limit.") from error


def _copy(connection: duckdb.DuckDBPyConnection, temporary: Path) -> None:
    connection.execute(f"ATTACH {sql_text(str(temporary))} AS exported")
    for name in TABLES.keys() - set(DERIVED):
        connection.execute(f"CREATE TABLE exported.main.{name} AS SELECT * FROM memory.main.{name}")  # noqa: S608
    connection.execute("USE exported")
    for name in DERIVED:
        connection.execute(view_sql(name))
    for table in TABLES.values():
        _comment(connection, table)


def _comment(connection: duckdb.DuckDBPyConnection, table: CatalogTable) -> None:
    """Meaning and unit of every column, and of the table which schema it is of."""
    kind = "VIEW" if table.name in DERIVED else "TABLE"
    about = sql_text(f"{table.description} (schema {schema_label(table.schema)})")
    connection.execute(f"COMMENT ON {kind} {table.name} IS {about}")
    for column in columns(table):
        connection.execute(f'COMMENT ON COLUMN {table.name}."{column.name}" IS {sql_text(column.comment)}')


def _count(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM exported.main.{name}").fetchone() or (0,)  # noqa: S608
    return int(count)
