"""The process in which SQL runs: ``python -m crystalforge.catalog.query_worker``, started by ``query_process``.

A query comes from anywhere, and one call in it may run or grow without end, deaf to DuckDB's own interrupt and outside
its memory limit; here it is killed. One JSON object per line comes in: first the setup, then a query each; frames go
out. Never pickles: what a process that was taken over might write is only data.

Before the first query it may no longer write any file (RLIMIT_FSIZE 0), and its memory is bounded by the kernel.
"""

from __future__ import annotations

import json
import os
import queue
import resource
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from crystalforge.catalog.frames import FrameKind, write_frame
from crystalforge.catalog.sandbox import OUT_OF_MEMORY, MemoryExceededError, connect, prepare, select
from crystalforge.errors import QueryError

MEMORY_FACTOR, MEMORY_SLACK = 1.25, 256 * 2**20
"""The kernel's limit over DuckDB's own, which does not count everything: batches on their way, fragments."""


def main() -> None:
    """Prepare the views, then answer one query after another, until the input ends."""
    answers = _own_standard_output()
    next_line = _lines()
    setup = json.loads(next_line())
    limit = setup["memory_bytes"]
    with _reported(answers):
        connection = connect(limit)
        prepare(connection, setup["statements"], setup["files"])
        _restrict(limit)
        write_frame(answers, FrameKind.READY)
    while True:
        question = json.loads(next_line())
        with _reported(answers):
            _answer(answers, connection, question, limit)


def _answer(answers: BinaryIO, connection: Any, question: dict[str, Any], limit: int) -> None:
    for part in select(connection, question["sql"], question["parameters"], limit):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, part.schema) as stream:
            stream.write_table(part)
        write_frame(answers, FrameKind.ROWS, memoryview(sink.getvalue()))
    write_frame(answers, FrameKind.END)


class _reported:  # noqa: N801 (used as a function, as contextlib does)
    """Send what is raised inside to the parent: the process has nobody else to tell."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        if isinstance(error, BrokenPipeError):
            os._exit(0)  # the parent is gone
        write_frame(self._answers, *_as_frame(error))
        return True


def _as_frame(error: Exception) -> tuple[FrameKind, bytes]:
    if isinstance(error, MemoryError):
        return FrameKind.TOO_LARGE, OUT_OF_MEMORY.encode()
    if isinstance(error, QueryError):
        kind = FrameKind.TOO_LARGE if isinstance(error, MemoryExceededError) else FrameKind.REFUSED
        return kind, str(error).encode(errors="replace")
    return FrameKind.BROKEN, f"{type(error).__name__}: {error}".encode(errors="replace")


def _own_standard_output() -> BinaryIO:
    """Keep the pipe for answers; what a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return answers


def _lines() -> Callable[[], str]:
    """Read lines in a thread, which ends the process when the parent is gone, even in the middle of a query."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            waiting.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return waiting.get


def _restrict(memory_bytes: int) -> None:
    """Write no file, leave no core, take no more memory than this (Linux: elsewhere the kernel does not count it)."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = Path("/proc/self/status")
    if status.exists():
        sizes = dict(line.split(":", 1) for line in status.read_text().splitlines())
        taken = int(sizes["VmData"].split()[0]) * 1024
        limit = taken + int(memory_bytes * MEMORY_FACTOR) + MEMORY_SLACK
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


if __name__ == "__main__":
    main()
