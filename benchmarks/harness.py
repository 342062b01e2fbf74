"""What all benchmarks share: run one as a script, time by CPU seconds, describe the machine.

A benchmark is a module of this folder with TITLE, add_arguments, measure, section and, if it draws, plots. It measures
in one process of its own, writes its figures as JSON, and makes its text from that JSON alone, so that the page can be
written again without measuring again. What is measured does not belong here.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

RESULTS_FOLDER = Path("build/benchmarks")
"""Where the JSON files go, seen from the root of the repository."""

LIBRARIES = ("crystalforge", "numpy", "scipy", "numba", "torch", "spglib", "moyopy", "pymatgen", "ray", "pyarrow")

SVG_SETTINGS = {"svg.hashsalt": "crystalforge", "svg.fonttype": "none", "font.size": 9}
"""matplotlib settings of every plot; save with ``metadata=SVG_METADATA``: the same figures give the same bytes."""

SVG_METADATA = {"Date": None, "Creator": None}


def run_as_script(module: ModuleType | Mapping[str, Any] | str, arguments: list[str] | None = None) -> dict[str, Any]:
    """Parse, measure, write build/benchmarks/NAME.json, print the section.

    Args:
        module: the benchmark: its ``globals()``, the module, or its name.
        arguments: instead of those of the command line.

    Returns:
        What was written: name, options that are not the defaults, date, machine, seconds, results.
    """
    contents = _contents(module)
    path = Path(contents["__file__"])
    name = path.stem
    parser = argparse.ArgumentParser(
        prog=f"python benchmarks/{path.name}",
        description=contents["__doc__"],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=RESULTS_FOLDER, help="folder of the JSON file (%(default)s)")
    contents["add_arguments"](parser)
    options = parser.parse_args(arguments)
    wall, cpu = time.perf_counter(), time.process_time()
    results = contents["measure"](options)
    record = {
        "name": name,
        "options": _changed_options(parser, options),
        "date": datetime.now(UTC).date().isoformat(),
        "wall_s": time.perf_counter() - wall,
        "cpu_of_this_process_s": time.process_time() - cpu,
        "machine": machine(),
        "results": results,
    }
    write_json(options.out / f"{name}.json", record)
    # The section sees what a later --report-only will see: what JSON gives back.
    print(f"## {contents['TITLE']}\n\n{contents['section'](json.loads(json.dumps(plain(results))))}")
    return record


def _contents(module: ModuleType | Mapping[str, Any] | str) -> Mapping[str, Any]:
    if isinstance(module, str):
        module = sys.modules[module]
    return vars(module) if isinstance(module, ModuleType) else module


def _changed_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> dict[str, Any]:
    chosen = {key: value for key, value in vars(options).items() if value != parser.get_default(key)}
    chosen.pop("out", None)
    return {key: plain(value) for key, value in chosen.items()}


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write under another name, then rename: an interrupted run leaves no half file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(plain(record), indent=1, allow_nan=False) + "\n")
    part.replace(path)


def plain(value: Any) -> Any:
    """The value as JSON has it: NumPy scalars and arrays as numbers and lists, NaN and infinity as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def cpu_seconds(call: Callable[[], object], repeats: int = 3) -> float:
    """Least CPU seconds of this process, all threads, in several calls: other work on the machine does not count."""
    least = math.inf
    for _ in range(repeats):
        start = time.process_time()
        call()
        least = min(least, time.process_time() - start)
    return least


def machine() -> dict[str, Any]:
    """Processor, cores, memory, GPU, Python and library versions; nothing that names the machine."""
    import psutil

    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpu": _gpu(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: version for name in LIBRARIES if (version := _version(name))},
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _gpu() -> str | None:
    if _version("torch") is None:
        return None
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
