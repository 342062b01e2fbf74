"""The commands as real processes of their own: start them, stop them at a moment, end them; and what they left."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from crystalforge.catalog.shards import ShardManifest
from crystalforge.files import sha256_of_file
from crystalforge.home import Home

PROGRAM = [sys.executable, "-W", "ignore", "-c", "from crystalforge.cli import main; main()"]
DEADLINE_S = 120


def start(*arguments: object, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own, as a terminal does."""
    command = [*PROGRAM, *(str(argument) for argument in arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, **(environment or {})},
    )


def wait_until(ready: Callable[[], object], process: subprocess.Popen[bytes], limit_s: float = DEADLINE_S) -> None:
    """Wait until the command has come far enough."""
    deadline = time.monotonic() + limit_s
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def stop(process: subprocess.Popen[bytes], sent: int = signal.SIGKILL) -> str:
    """Send a signal, wait until the command and Ray's workers are gone, and return what it said."""
    # Ray's two monitoring agents live on for a minute; they do no work.
    family = [child for child in psutil.Process(process.pid).children(recursive=True) if "Agent" not in child.name()]
    process.send_signal(sent)
    _, log = process.communicate(timeout=60)
    psutil.wait_procs(family, timeout=10)
    return log.decode()


def finish(*arguments: object, environment: Mapping[str, str] | None = None) -> str:
    """Run a command that must succeed, and return its output."""
    process = start(*arguments, environment=environment)
    output, log = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, log.decode()
    return output.decode()


def cpu_of_children() -> float:
    """Processor time (s) of all processes that this one started and that have ended; no matter what others take."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def kill_workers(kind: str, most: int | None = None) -> list[int]:
    """Kill the workers of this process's own Ray that show this name, whatever else runs; process ids of the killed."""
    killed: list[int] = []
    for process in psutil.Process().children(recursive=True):
        if len(killed) == most:
            break
        with contextlib.suppress(psutil.NoSuchProcess):  # some end while we look
            if kind in " ".join(process.cmdline()):
                process.kill()
                killed.append(process.pid)
    return killed


def manifest_lines(home: Home) -> list[dict]:
    """Committed shards of all generations of a home."""
    return [line for path in home.generations.glob("*/manifest.jsonl") for line in ShardManifest(path.parent).records()]


def digests(home: Home) -> dict[str, str]:
    """SHA-256 of every shard of the one generation of a home, whose files must be what the manifest says."""
    (folder,) = home.generations.iterdir()
    lines = {line["file"]: line["sha256"] for line in ShardManifest(folder).records()}
    assert {name: sha256_of_file(folder / name) for name in lines} == lines
    return lines


def column(path: Path, name: str) -> list:
    """Values of a column of a shard."""
    with pq.ParquetFile(path) as file:
        values: list = file.read(columns=[name])[name].to_pylist()
    return values


def assert_complete(home: Home, counts: Mapping[int, int]) -> None:
    """Every planned index once, no file that the manifest does not name, nothing temporary."""
    (folder,) = home.generations.iterdir()
    named = {folder / name for name in digests(home)}
    assert set(folder.rglob("*.parquet")) == named
    for number, count in counts.items():
        indices = [
            index
            for path in sorted(folder.glob(f"space_group_number={number}/*.parquet"))
            for index in column(path, "index")
        ]
        assert sorted(indices) == list(range(count))
    assert_no_left_overs(folder)


def assert_no_left_overs(folder: Path) -> None:
    """Nothing temporary of a generation is left."""
    plain = {"generation.json", "manifest.jsonl", ".lock"}
    others = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    assert {path.name for path in others} == plain
    assert not (folder / ".attempts").exists()
