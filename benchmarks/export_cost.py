"""What an export costs: `python benchmarks/export_cost.py --home HOME --generation ID [--count 10000]`.

The real command, `platform export`, in a process of its own for each format, of the first candidates of a generation.
CPU seconds are those of the command and of the process that asks the catalog; wall time suffers from other work.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import run_as_script

from crystalforge.export.choices import FormatName

TITLE = "What an export costs"
PROGRAM = [sys.executable, "-W", "ignore", "-c", "from crystalforge.cli import main; main()"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--home", type=Path, required=True, help="home with a generation")
    parser.add_argument("--generation", help="whose candidates; of all generations by default")
    parser.add_argument("--count", type=int, default=10_000, help="crystals (%(default)s)")
    parser.add_argument("--formats", default=",".join(FormatName), help="(%(default)s)")
    parser.add_argument("--repeats", type=int, default=1, help="of each format; the least is told (%(default)s)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Export in each format; the quickest of the repeats."""
    formats = {}
    with tempfile.TemporaryDirectory(prefix="crystalforge-benchmark-") as folder:
        for name in arguments.formats.split(","):
            runs = [_export(arguments, name, Path(folder) / f"{name}-{repeat}") for repeat in range(arguments.repeats)]
            formats[name] = min(runs, key=lambda run: float(run["cpu_s"]))
            print(f"benchmark=export_cost format={name} {formats[name]}", file=sys.stderr, flush=True)
    return {"count": arguments.count, "formats": formats}


def _export(arguments: argparse.Namespace, name: str, out: Path) -> dict[str, Any]:
    command = ["export", "--home", arguments.home, "--format", name, "--limit", arguments.count, "--out", out, "--json"]
    if arguments.generation:
        command += ["--where", f"generation_id = '{arguments.generation}'"]
    before, began = _cpu_of_children(), time.perf_counter()
    result = subprocess.run([*PROGRAM, *map(str, command)], capture_output=True, text=True, check=True)
    wall, cpu = time.perf_counter() - began, _cpu_of_children() - before
    summary = json.loads(result.stdout)
    keys = ("crystals", "files", "bytes")
    return {"wall_s": wall, "cpu_s": cpu, **{key: summary[key] for key in keys}}


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def section(results: dict[str, Any]) -> str:
    """A row per format."""
    lines = ["| format | crystals | files | MB | CPU (s) | wall (s) |", "|---|---:|---:|---:|---:|---:|"]
    lines += [
        f"| {name} | {run['crystals']:,} | {run['files']:,} | {run['bytes'] / 1e6:.1f} | {run['cpu_s']:.1f} "
        f"| {run['wall_s']:.1f} |"
        for name, run in results["formats"].items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_as_script(globals())
