"""Work over a few processes: crystals go out in pieces, arrays come back in order.

A fresh interpreter for each, never ``fork``: the parent may hold threads of torch and of Arrow.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

LEAST_PIECES = 4
"""Fewer pieces than this are done here: a process takes seconds to start."""


def available_processes() -> int:
    """CPUs that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@dataclass
class Workers:
    """A pool that starts when it is first needed.

    Attributes:
        n_processes: how many; 1 works in this process.
    """

    n_processes: int
    _pool: ProcessPoolExecutor | None = None

    def map(self, work: Callable[[T], R], pieces: Sequence[T]) -> Iterator[R]:
        """Apply a function of a module to each piece; results in the order of the pieces."""
        if self.n_processes == 1 or len(pieces) < LEAST_PIECES:
            return map(work, pieces)
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.n_processes, mp_context=context, initializer=_begin)
        return self._pool.map(work, pieces)

    def close(self) -> None:
        """End the processes; what was not begun is left."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _begin() -> None:
    """One thread for each process: two pools of threads on two cores stand in each other's way."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed closes no pool, and its processes would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


@contextmanager
def workers(n_processes: int | None = None) -> Iterator[Workers]:
    """A pool for as long as the ``with`` lasts."""
    pool = Workers(n_processes or available_processes())
    try:
        yield pool
    finally:
        pool.close()


def pieces_of(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """A sequence cut into pieces of a size, the last one perhaps shorter."""
    return [items[start : start + size] for start in range(0, len(items), size)]
