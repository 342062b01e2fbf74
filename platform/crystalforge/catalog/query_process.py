"""The parent's side of ``query_worker``: start it, ask it, and kill it when a query takes too long.

DuckDB looks for its interrupt between chunks of rows; one enormous call (``list_sum(range(…))``) never ends a chunk.
A process can be killed at any time. After that the next query starts another, with the same views.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa

from crystalforge.catalog.frames import FrameKind, read_frame
from crystalforge.errors import QueryError, UsageError

START_SECONDS = 120.0
"""Wall time to import DuckDB and make the views: generous, for a cold disk."""
COMMAND = (sys.executable, "-P", "-m", "crystalforge.catalog.query_worker")
"""``-P``: no module is taken from the folder where the user stands."""


@dataclass(frozen=True)
class QuerySetup:
    """What a worker needs before its first query.

    Attributes:
        statements: SQL that makes tables and views, each with its parameters.
        files: absolute paths that queries may read, through those views.
        memory_bytes: for DuckDB, and as much again for the result.
    """

    statements: tuple[tuple[str, tuple[Any, ...]], ...]
    files: tuple[str, ...]
    memory_bytes: int


class QueryProcess:
    """One worker; started at once, so that it imports DuckDB while the files are still verified."""

    def __init__(self) -> None:
        self._setup: QuerySetup | None = None
        self._process: subprocess.Popen[bytes] | None = _start()

    def prepare(self, setup: QuerySetup) -> None:
        """Make the views and lock the worker.

        Raises:
            QueryError: it does not start, or a view cannot be made.
        """
        self._setup = setup
        process = self._process = self._process or _start()
        _send(process, vars(setup))
        frame = read_frame(_pipe(process.stdout).fileno(), time.monotonic() + START_SECONDS)
        if frame is None or frame[0] is not FrameKind.READY:
            process.kill()
            last = frame[1] if frame else _pipe(process.stderr).read()[-500:]
            self.close()
            raise QueryError(
                f"The catalog cannot be opened: expected its process ready within {START_SECONDS:.0f} s. "
                f"Its last words: {bytes(last).decode(errors='replace').strip() or 'none'}"
            )

    def query(self, sql: str, parameters: Mapping[str, Any], time_limit_s: float) -> pa.Table:
        """Run one SELECT.

        Raises:
            QueryError: refused, wrong, too long or too large.
            UsageError: a parameter is not a value of JSON.
        """
        if self._process is None and self._setup is not None:
            self.prepare(self._setup)
        process = self._process
        if process is None:
            raise QueryError("The catalog has no views: it was closed before it was prepared.")
        answered = False
        try:
            _send(process, {"sql": sql, "parameters": dict(parameters)})
            parts, kind, message = _collect(process, time_limit_s)
            answered = kind in (FrameKind.END, FrameKind.REFUSED)
        finally:
            if not answered:  # in the middle of an answer, out of memory, or dead; Ctrl-C too comes through here
                self.close()
        if kind is not FrameKind.END:
            raise QueryError(message)
        return pa.concat_tables(parts)

    def close(self) -> None:
        """Kill the process; it has nothing to save."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                _close_quietly(_pipe(stream))


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUTF8": "1"},
        start_new_session=True,  # Ctrl-C is for the parent, which then ends it
    )


def _send(process: subprocess.Popen[bytes], value: Mapping[str, Any]) -> None:
    try:
        line = json.dumps(value) + "\n"
    except (TypeError, ValueError) as error:
        raise UsageError(f"Expected parameters as JSON has them: numbers, texts, lists, None ({error}).") from error
    try:
        _pipe(process.stdin).write(line.encode())
        _pipe(process.stdin).flush()
    except BrokenPipeError:
        return  # it died; reading its answer says how


def _collect(process: subprocess.Popen[bytes], time_limit_s: float) -> tuple[list[pa.Table], FrameKind, str]:
    """The rows until the last frame, its kind and its message."""
    deadline = time.monotonic() + time_limit_s
    parts: list[pa.Table] = []
    while (frame := read_frame(_pipe(process.stdout).fileno(), deadline)) is not None:
        kind, content = frame
        if kind is not FrameKind.ROWS:
            return parts, kind, content.decode()
        parts.append(pa.ipc.open_stream(pa.py_buffer(content)).read_all())
    if time.monotonic() >= deadline:
        why = f"The query was stopped after {time_limit_s:g} s. Narrow it with WHERE or LIMIT, or raise --timeout."
    else:
        why = (
            f"The process of the query ended with code {process.wait()}, as when memory runs out. "
            "Narrow the query with WHERE or LIMIT, or raise --memory-limit."
        )
    return parts, FrameKind.BROKEN, why


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise QueryError("The process of SQL was started without pipes.")
    return stream


def _close_quietly(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        return  # what it did not read belongs to a query that was given up
