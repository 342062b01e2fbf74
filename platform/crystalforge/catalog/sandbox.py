"""A DuckDB connection that can read the files it was given and do nothing else; it lives in ``query_worker``.

What holds, each tried against DuckDB 2.0.0 in the tests:

- ``enable_external_access=false`` with ``allowed_paths``, then ``lock_configuration=true``: no other file, no network,
  no ``ATTACH``, ``INSTALL``, ``LOAD`` or ``SET``. An allowed path may still be *written* by ``COPY … TO``.
- so: one statement, and only of type SELECT (``DESCRIBE``, ``SUMMARIZE``, ``SHOW`` are of that type);
- a SELECT may begin ``WITH x AS (COPY … TO 'shard')`` and would overwrite the shard. DuckDB allows this at the top
  level only, so the statement is first bound, not run, inside a subquery, where DuckDB refuses it.
- no spilling to disk: a query that needs more than its memory fails, and nothing is left to clean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from crystalforge.catalog.tables import kept_sql, sql_list
from crystalforge.errors import QueryError

ROWS_PER_BATCH = 50_000
OUT_OF_MEMORY = "The query needs more memory than its limit. Narrow it with WHERE or LIMIT, or raise --memory-limit."
CONFIGURATION: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
}


KEPT_VIEWS = {"candidates": "first_samples"}
"""View → the view under it that becomes a table at the first query that names the former: no later one pays for it."""

MOST_KEPT_FOOTERS = 2000
"""Files whose footers are kept from one reading to the next: each takes some 55 kB, so ten thousand took 0.6 GB."""
IS_VIEW = "SELECT 1 FROM duckdb_views() WHERE view_name = $1 AND NOT internal"


class MemoryExceededError(QueryError):
    """The query or its result was larger than it may be; the process that ran it is best replaced."""


def connect(memory_bytes: int) -> duckdb.DuckDBPyConnection:
    """Open a database in memory, still unlocked, so that its views can be made."""
    return duckdb.connect(":memory:", config=CONFIGURATION | {"memory_limit": f"{memory_bytes}B"})


def prepare(connection: duckdb.DuckDBPyConnection, statements: Sequence[Sequence[Any]], files: Sequence[str]) -> None:
    """Make the views, then leave the connection only these files, for good.

    Args:
        connection: made by ``connect``.
        statements: SQL text and its parameters, of our own.
        files: absolute paths that may be read.
    """
    for sql, parameters in statements:
        connection.execute(sql, parameters or None)
    # `candidates` reads its files twice: with a thousand shards, their footers are a third of its processor time.
    connection.execute(f"SET parquet_metadata_cache = {len(files) <= MOST_KEPT_FOOTERS}")
    connection.execute(f"SET allowed_paths = {sql_list([Path(file) for file in files])}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def select(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any], result_limit_bytes: int
) -> Iterator[pa.Table]:
    """Run one SELECT on a locked connection; the first part has no rows, so that the columns are known.

    Args:
        connection: made by ``connect`` and locked by ``prepare``.
        sql: the text of one statement.
        parameters: values of the ``$name`` in it.
        result_limit_bytes: size of the result (bytes, as Arrow) at which it is given up; DuckDB's own limit does not
            count what it has handed over.

    Raises:
        QueryError: the statement is refused, wrong or too large.
    """
    with _explained(sql):
        bound = dict(parameters) or None
        statement = _only_select(connection, sql)
        _keep_rows(connection, sql)
        _bind_as_subquery(connection, statement.query, bound)
        yield from _parts(connection.sql(statement, params=bound), result_limit_bytes)


def _only_select(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise QueryError(f"Expected one SQL statement, got {len(statements)}. Run them one by one.")
    kind = statements[0].type.name
    if kind == "MULTI":
        raise QueryError("Expected one SELECT; a PIVOT must list its values: PIVOT … ON column IN (…).")
    if kind != "SELECT":
        raise QueryError(
            f"Expected a SELECT, got {kind}: the catalog is only read. To write the result to a file use --csv, "
            "--json or --parquet FILE."
        )
    return statements[0]


def _keep_rows(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Put tables in the place of views that the statement needs; one that is overlooked is only slower."""
    for view, below in KEPT_VIEWS.items():
        if view in sql.casefold() and connection.execute(IS_VIEW, [below]).fetchone():
            for text in kept_sql(below):
                connection.execute(text)


def _bind_as_subquery(connection: duckdb.DuckDBPyConnection, sql: str, bound: Mapping[str, Any] | None) -> None:
    """Bind the statement where nothing that writes is allowed; EXPLAIN does not run it."""
    connection.execute(f"EXPLAIN SELECT * FROM (\n{_without_semicolons(sql)}\n)", bound)  # noqa: S608 (bound, never run)


def _without_semicolons(sql: str) -> str:
    """The one statement without the semicolons after it, which may stand before a comment."""
    text = bytearray(sql.encode())
    for offset, _ in duckdb.tokenize(sql):
        if text[offset : offset + 1] == b";":
            text[offset] = ord(" ")
    return text.decode()


@contextmanager
def _stream_errors() -> Iterator[None]:
    """What DuckDB raises once rows are flowing comes through Arrow's stream, as an ``OSError`` with DuckDB's text."""
    try:
        yield
    except pa.ArrowMemoryError as error:
        raise duckdb.OutOfMemoryException(str(error)) from error
    except (OSError, pa.ArrowException) as error:
        kind = duckdb.OutOfMemoryException if "Out of Memory" in str(error) else duckdb.DatabaseError
        raise kind(str(error)) from error


def _parts(relation: Any, limit_bytes: int) -> Iterator[pa.Table]:
    size = 0
    with _stream_errors(), relation.to_arrow_reader(ROWS_PER_BATCH) as reader:
        yield pa.Table.from_batches([], schema=reader.schema)
        for batch in reader:
            size += batch.nbytes
            if size > limit_bytes:
                raise MemoryExceededError(
                    f"The result is larger than the memory limit of {limit_bytes / 1e6:,.0f} MB. "
                    "Select fewer columns or rows, or raise --memory-limit."
                )
            yield pa.Table.from_batches([batch])


@contextmanager
def _explained(sql: str) -> Iterator[None]:
    """Turn what DuckDB and Arrow raise into a ``QueryError`` that says what to do."""
    try:
        yield
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise MemoryExceededError(OUT_OF_MEMORY) from error
    except duckdb.PermissionException as error:
        raise QueryError(
            "The query reaches for a file or an extension: expected only the tables of the catalog "
            f"(see `platform schema`). DuckDB says: {_first_line(error)}"
        ) from error
    except UnicodeError as error:
        raise QueryError(f"Expected SQL and parameters as Unicode text: {error}") from error
    except duckdb.Error as error:
        if "must be at the top level" in str(error):
            raise QueryError("Expected a SELECT that only reads: WITH … AS (COPY, INSERT, …) is refused.") from error
        raise QueryError(_without_wrapper(str(error), sql)) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def _without_wrapper(message: str, sql: str) -> str:
    """DuckDB's message; its picture of the place is kept only where it shows the user's own text."""
    text, _, picture = message.strip().partition("\n\nLINE ")
    return message.strip() if picture and picture.split("\n")[0].partition(": ")[2].strip(".") in sql else text
