"""Processes of an attempt that nobody watches any more, found by the mark in their environment, never by a name."""

from __future__ import annotations

import contextlib
import time
from typing import Any

MARK = "CRYSTALFORGE_ATTEMPT"
"""Environment variable of every process of a calculation; descendants inherit it."""
WAIT_S = 5.0


def end_leftovers(attempt_id: str) -> int:
    """End by force all processes of this machine and user that carry an attempt's mark; returns how many there were.

    The supervisor ends its calculation itself; this is for a supervisor that was killed.
    """
    import psutil

    found: dict[int, psutil.Process] = {}
    deadline = time.monotonic() + WAIT_S
    while alive := _marked(attempt_id):
        for process in alive:
            found[process.pid] = process
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(alive, timeout=1.0)
        if time.monotonic() > deadline:
            break
    return len(found)


def _marked(attempt_id: str) -> list[Any]:
    import psutil

    marked = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == attempt_id and process.status() != psutil.STATUS_ZOMBIE:
                marked.append(process)
    return marked
