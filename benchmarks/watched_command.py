"""A command in a process of its own, watched from outside: CPU and memory of all processes that it starts.

For runs of an hour: little is kept in memory, what was seen is written down as the command goes on, and a command that
was stopped and given again adds its part. For the phases of a short run see ``generation_command``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil

PLATFORM = (sys.executable, "-c", "from crystalforge.cli import main; main()")
POLL_S = 0.5
DRIVER, WORKERS, SQL, RAY = "driver", "workers", "sql", "ray"
KINDS = (DRIVER, WORKERS, SQL, RAY)
"""The command itself, the processes that draw shards, the process of SQL, and every other one."""
SIGNS = {"ShardWorker": WORKERS, "crystalforge.catalog.query_worker": SQL}
"""What stands in the command line of a process of a kind."""


@dataclass
class Seen:
    """What was seen of a command so far."""

    started: float = field(default_factory=time.time)
    wall_s: float = 0.0
    cpu_s: dict[int, float] = field(default_factory=dict)
    """Of each process, at the last look."""
    kinds: dict[int, str] = field(default_factory=dict)
    rss_bytes: dict[str, int] = field(default_factory=dict)
    """Of the process of a kind that was looked at last."""
    peak_rss_bytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    """Of the largest process of a kind."""
    waited_cpu_s: float = 0.0
    """Of the command and of the children that it waited for, as the kernel counts them at its end."""
    output: str = ""
    """Standard output and error."""

    def look(self, root: psutil.Process) -> None:
        """Look at every process once."""
        self.wall_s = time.time() - self.started
        with contextlib.suppress(psutil.Error):
            for process in (root, *root.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    self._look_at(process, is_root=process.pid == root.pid)

    def _look_at(self, process: psutil.Process, *, is_root: bool) -> None:
        kind = DRIVER if is_root else self.kinds.get(process.pid, RAY)
        if kind == RAY:  # a worker takes its title some time after its start
            command = " ".join(process.cmdline())
            kind = next((known for sign, known in SIGNS.items() if sign in command), RAY)
        self.kinds[process.pid] = kind
        self.cpu_s[process.pid] = sum(process.cpu_times()[:2])
        self.rss_bytes[kind] = process.memory_info().rss
        self.peak_rss_bytes[kind] = max(self.peak_rss_bytes[kind], self.rss_bytes[kind])

    def summary(self) -> dict[str, Any]:
        """As JSON has it."""
        cpu = dict.fromkeys(KINDS, 0.0)
        for pid, seconds in self.cpu_s.items():
            cpu[self.kinds[pid]] += seconds
        return {
            "wall_s": self.wall_s,
            "cpu_s": max(sum(cpu.values()), self.waited_cpu_s),
            "cpu_s_by_kind": cpu,
            "peak_rss_bytes": self.peak_rss_bytes,
            "n_workers": sum(kind == WORKERS for kind in self.kinds.values()),
        }


def watch(
    arguments: Sequence[object],
    *,
    environment: Mapping[str, str] | None = None,
    on_look: Callable[[Seen], object] | None = None,
    poll_s: float = POLL_S,
) -> Seen:
    """Run ``platform`` with these arguments to its end.

    Args:
        arguments: command and options.
        environment: variables besides those of this process.
        on_look: called after every look.
        poll_s: seconds between two looks.

    Raises:
        RuntimeError: the command failed; the message ends with what it said last.
    """
    command = [*PLATFORM, *map(str, arguments)]
    with tempfile.TemporaryFile() as output:  # a pipe that nobody reads would stop a command that says much
        seen = Seen()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | dict(environment or {}))
        root = psutil.Process(process.pid)
        try:
            while not _ended(process, seen):
                seen.look(root)
                if on_look:
                    on_look(seen)
                time.sleep(poll_s)
        except BaseException:
            process.terminate()
            raise
        output.seek(0)
        seen.output = output.read().decode(errors="replace")
    if process.returncode:
        raise RuntimeError(f"platform {' '.join(command[3:])} ended with {process.returncode}: {seen.output[-500:]}")
    if on_look:
        on_look(seen)
    return seen


def _ended(process: subprocess.Popen[bytes], seen: Seen) -> bool:
    """Whether it ended; then the kernel's count of its CPU, with that of the children that it waited for, is kept."""
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    if pid == 0:
        return False
    process.returncode = os.waitstatus_to_exitcode(status)
    seen.wall_s = time.time() - seen.started
    seen.waited_cpu_s = usage.ru_utime + usage.ru_stime
    return True
