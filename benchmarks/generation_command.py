"""The real `platform generate`, run in a process of its own and watched from outside; shared by two benchmarks.

What is watched: the processes that the command starts (CPU and memory, by psutil), and the files that mark its phases.
The watcher takes some percent of a core itself.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

POLL_S = 0.05
MEMORY_POLL_S = 1.0
"""Unique and shared memory is summed by the kernel over all pages: asked for less often."""
TRAINED_HOMES = ("crystalforge-demo", "build/benchmarks/home")
DRIVER, WORKERS, RAY = "driver", "workers", "ray"
KINDS = (DRIVER, WORKERS, RAY)
"""The command itself, the processes that draw shards, and every other process that it starts."""
WORKER = "ShardWorker"
"""Stands in the title that Ray gives a process once it draws shards."""
PHASES = {
    "python_and_plan": "Python, imports, plan",
    "ray_start": "Ray starts",
    "worker_start": "workers start: imports",
    "first_shard": "first shard: models, tables",
    "drawing": "drawing, to the last shard",
    "shutdown": "Ray stops",
}


def add_home_argument(parser: argparse.ArgumentParser) -> None:
    """``--home`` with the trained models."""
    parser.add_argument(
        "--home",
        type=Path,
        default=os.environ.get("CRYSTALFORGE_HOME"),
        help=f"home with trained models (CRYSTALFORGE_HOME, or one of {', '.join(TRAINED_HOMES)}; trained if absent)",
    )


def trained_home(chosen: Path | None) -> Path:
    """A home with trained models: the chosen one, one that exists, or one that is trained now (minutes)."""
    known = [Path(chosen)] if chosen else [Path(name) for name in TRAINED_HOMES]
    for home in known:
        if any(home.glob("trainings/*/*/model.json")):
            return home.resolve()
    home = known[-1].resolve()
    print(f"benchmark=generation training={home}: the first time only", file=sys.stderr, flush=True)
    for command in (["dataset", "build", "bundled"], ["train-all", "--recipe", "quick", "--dataset", "bundled"]):
        subprocess.run([*_platform(), *command, "--home", str(home)], check=True, stdout=sys.stderr)
    return home


@contextlib.contextmanager
def scratch_home(trained: Path) -> Iterator[Path]:
    """A home with the models of another, so that nothing is left in that one."""
    with tempfile.TemporaryDirectory(prefix="crystalforge-benchmark-") as folder:
        for room in ("datasets", "trainings"):
            (Path(folder) / room).symlink_to(trained / room)
        yield Path(folder)


def _platform() -> list[str]:
    return [sys.executable, "-c", "from crystalforge.cli import main; main()"]


@dataclass
class Watched:
    """One process: CPU seconds over time, and its memory."""

    kind: str = RAY
    cpu_s: list[tuple[float, float]] = field(default_factory=list)
    """(time, CPU seconds so far)."""
    peak: dict[str, int] = field(default_factory=lambda: {"rss_bytes": 0, "uss_bytes": 0})

    def cpu_until(self, moment: float) -> float:
        """CPU seconds at the last look before a moment."""
        return max((cpu for when, cpu in self.cpu_s if when <= moment), default=0.0)


@dataclass(frozen=True)
class Run:
    """What was seen of one command."""

    folder: Path
    """Of the generation."""
    started: float
    marks: dict[str, float]
    """End of each phase."""
    processes: dict[int, Watched]
    peak_shared_memory_bytes: int
    """Growth of the machine's shared memory files, where Ray's object store lies."""

    @property
    def wall_s(self) -> float:
        """From start to exit."""
        return self.marks["shutdown"] - self.started

    def phases(self) -> dict[str, dict[str, float]]:
        """Wall and CPU seconds by kind of process, of each phase."""
        result, before = {}, self.started
        for name in PHASES:
            cpu: dict[str, float] = defaultdict(float)
            for process in self.processes.values():
                cpu[process.kind] += process.cpu_until(self.marks[name]) - process.cpu_until(before)
            kinds = {f"cpu_s_{kind}": cpu[kind] for kind in KINDS}
            result[name] = {"wall_s": self.marks[name] - before, **kinds, "cpu_s": sum(cpu.values())}
            before = self.marks[name]
        return result

    def peak(self, kind: str, measure: str) -> int:
        """Greatest memory of any process of a kind (bytes)."""
        return max((process.peak[measure] for process in self.processes.values() if process.kind == kind), default=0)


def run_generate(home: Path, count: int, options: tuple[str, ...] = ()) -> Run:
    """Run ``platform generate --count`` to its end and watch it.

    Raises:
        RuntimeError: the command failed.
    """
    earlier = set(_generations(home))
    shared_before = _shared_memory()
    started = time.time()
    command = [*_platform(), "generate", "--count", str(count), "--home", str(home), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    root = psutil.Process(process.pid)
    seen: dict[int, Watched] = defaultdict(Watched)
    marks: dict[str, float] = {}
    next_memory, peak_shared = started, 0
    while process.poll() is None:
        now = time.time()
        with_memory = now >= next_memory
        next_memory = now + MEMORY_POLL_S if with_memory else next_memory
        _look(root, seen, now, with_memory=with_memory)
        _mark(home, earlier, seen, marks, now)
        peak_shared = max(peak_shared, _shared_memory() - shared_before)
        time.sleep(POLL_S)
    output = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"platform generate --count {count} ended with {process.returncode}: {output[-500:]}")
    (folder,) = set(_generations(home)) - earlier
    marks["drawing"] = (folder / "manifest.jsonl").stat().st_mtime
    marks["shutdown"] = time.time()
    return Run(folder, started, marks, dict(seen), peak_shared)


def _generations(home: Path) -> list[Path]:
    return list((home / "generations").glob("*"))


def _shared_memory() -> int:
    return psutil.disk_usage("/dev/shm").used if Path("/dev/shm").is_dir() else 0  # noqa: S108 - only looked at


def _look(root: psutil.Process, seen: dict[int, Watched], now: float, *, with_memory: bool) -> None:
    with contextlib.suppress(psutil.Error):
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                watched = seen[process.pid]
                command = " ".join(process.cmdline())
                watched.kind = DRIVER if process.pid == root.pid else WORKERS if WORKER in command else watched.kind
                times = process.cpu_times()
                watched.cpu_s.append((now, times.user + times.system))
                memory = process.memory_full_info() if with_memory else process.memory_info()
                watched.peak["rss_bytes"] = max(watched.peak["rss_bytes"], memory.rss)
                watched.peak["uss_bytes"] = max(watched.peak["uss_bytes"], getattr(memory, "uss", 0))


def _mark(home: Path, earlier: set[Path], seen: dict[int, Watched], marks: dict[str, float], now: float) -> None:
    """Note the end of a phase when its sign is first seen."""
    folder = next((path for path in _generations(home) if path not in earlier), None)
    if folder is None:
        return
    signs = {
        "python_and_plan": (folder / "generation.json").exists(),
        "ray_start": any(watched.kind == WORKERS for watched in seen.values()),
        "worker_start": (folder / ".attempts").exists(),
        "first_shard": (folder / "manifest.jsonl").exists(),
    }
    for name, is_there in signs.items():
        if is_there:
            marks.setdefault(name, now)
