"""A DuckDB connection that can read the files it was given and do nothing else.

What holds, each tried against DuckDB 2.0.0 in the tests:

- ``enable_external_access=false`` with ``allowed_paths``, then ``lock_configuration=true``: no other file, no network,
  no ``ATTACH``, ``INSTALL``, ``LOAD`` or ``SET``. An allowed path may still be *written* by ``COPY … TO``.
- so: one statement, and only of type SELECT (``DESCRIBE``, ``SUMMARIZE``, ``SHOW`` are of that type);
- a SELECT may begin ``WITH x AS (COPY … TO 'shard')`` and would overwrite the shard. DuckDB allows this at the top
  level only, so the statement is first bound, not run, inside a subquery, where DuckDB refuses it.
- no spilling to disk: a query that needs more than its memory fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from crystalforge.catalog.tables import sql_list
from crystalforge.errors import QueryError, UsageError

ROWS_PER_BATCH = 50_000
INTERRUPT_EVERY_S = 0.1
UNIT_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
CONFIGURATION: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
}


def memory_bytes(limit: str) -> int:
    """Number of bytes of a size such as ``2GB`` or ``512MiB``.

    Raises:
        UsageError: it is not a size above 0.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", limit)
    unit = match[2].upper() if match else None
    size = int(float(match[1]) * UNIT_BYTES[unit]) if match and unit in UNIT_BYTES else 0
    if size <= 0:
        raise UsageError(f"Memory limit {limit!r}: expected a size above 0 such as 2GB or 512MiB.")
    return size


def connect(memory_limit: str) -> duckdb.DuckDBPyConnection:
    """Open a database in memory, still unlocked, so that its views can be made."""
    size = memory_bytes(memory_limit)
    return duckdb.connect(":memory:", config=CONFIGURATION | {"memory_limit": f"{size}B"})


def lock(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    """Leave the connection only these files, for good."""
    connection.execute(f"SET allowed_paths = {sql_list(files)}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def run_select(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Mapping[str, Any],
    *,
    time_limit_s: float,
    result_limit_bytes: int,
) -> pa.Table:
    """Run one SELECT on a locked connection.

    Args:
        connection: made by ``connect`` and locked.
        sql: the text of one statement.
        parameters: values of the ``$name`` in it.
        time_limit_s: seconds until it is interrupted.
        result_limit_bytes: size of the result (bytes, as Arrow) at which it is given up; DuckDB's own limit does not
            count what it has handed over.

    Raises:
        QueryError: the statement is refused, wrong, too long or too large.
    """
    with _explained(sql):
        return _run_interruptibly(
            connection, lambda: _select(connection, sql, dict(parameters) or None, result_limit_bytes), time_limit_s
        )


def _select(
    connection: duckdb.DuckDBPyConnection, sql: str, bound: dict[str, Any] | None, result_limit_bytes: int
) -> pa.Table:
    statement = _only_select(connection, sql)
    _bind_as_subquery(connection, statement.query, bound)
    return _collect(connection.sql(statement, params=bound), result_limit_bytes)


def _run_interruptibly(
    connection: duckdb.DuckDBPyConnection, work: Callable[[], pa.Table], time_limit_s: float
) -> pa.Table:
    """Work in a thread while this one waits: DuckDB does not look for Ctrl-C while it hands over a result."""
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(work)
        try:
            if wait([future], time_limit_s).done:
                return future.result()
        finally:
            while not future.done():  # again and again, for an interrupt between two calls is lost
                connection.interrupt()
                wait([future], INTERRUPT_EVERY_S)
    raise QueryError(
        f"The query was stopped after {time_limit_s:g} s. Narrow it with WHERE or LIMIT, or raise --time-limit."
    )


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
    except (OSError, pa.ArrowException) as error:
        kind = duckdb.OutOfMemoryException if "Out of Memory" in str(error) else duckdb.DatabaseError
        raise kind(str(error)) from error


def _collect(relation: Any, limit_bytes: int) -> pa.Table:
    batches, size = [], 0
    with _stream_errors(), relation.to_arrow_reader(ROWS_PER_BATCH) as reader:
        for batch in reader:
            batches.append(batch)
            size += batch.nbytes
            if size > limit_bytes:
                raise QueryError(
                    f"The result is larger than the memory limit of {limit_bytes / 1e6:,.0f} MB. "
                    "Select fewer columns or rows, or raise --memory-limit."
                )
        return pa.Table.from_batches(batches, schema=reader.schema)


@contextmanager
def _explained(sql: str) -> Iterator[None]:
    """Turn what DuckDB and Arrow raise into a ``QueryError`` that says what to do."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise QueryError(
            "The query needs more memory than its limit. Narrow it with WHERE or LIMIT, or raise --memory-limit."
        ) from error
    except duckdb.PermissionException as error:
        raise QueryError(
            "The query reaches for a file or an extension: expected only the tables of the catalog "
            f"(see `platform schema`). DuckDB says: {_first_line(error)}"
        ) from error
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
