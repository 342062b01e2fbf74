"""All benchmarks, one after another: `make bench`, or `python benchmarks/run.py [--only merging] [--report-only]`.

Each runs in a process of its own. Their figures stand in build/benchmarks/*.json; from these the page
docs/benchmarks.md and its plots are written, which --report-only does without measuring. --only measures and writes
one part and leaves the others of the page; options that are not known here then go to the benchmark:
`python benchmarks/run.py --only merging --groups 225,227`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import RESULTS_FOLDER

BENCHMARKS = ("oracle", "prototype_recovery", "merging", "generation_cost", "generation_scale", "catalog_scale")
"""In the order of the page: first that it is right, then that it is fast."""
BY_NAME = ("ten_million", "scale_parts", "generation_device", "gpu_sharing", "relaxation_batch")
"""Run only by ``--only``: an hour long, meant for a GPU, or in need of an extra."""

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs/benchmarks.md")
PLOTS = Path("docs/benchmarks")
MACHINE = "The machine"

HEAD = """# Benchmarks

Made by `make bench`; do not edit it. One part alone: `make bench BENCH="--only merging"`. Times are CPU seconds unless
they are called wall time. Other work on the machine makes single figures vary by some ten percent, so compare rows of
one table, not of two.
"""


def main() -> int:
    """Run the benchmarks asked for and write the page; 1 if one failed."""
    options, passed_on = _parse()
    names = [name for name in options.only or BENCHMARKS if (ROOT / "benchmarks" / f"{name}.py").exists()]
    failed = [] if options.report_only else [name for name in names if not _run(name, options.out, passed_on)]
    write_page(options.out, names)
    for name in failed:
        print(f"{name} failed: the page keeps its figures of an earlier run, if there are any.", file=sys.stderr)
    return 1 if failed else 0


def _parse() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", action="append", choices=BENCHMARKS + BY_NAME, help="this benchmark; may be given again"
    )
    parser.add_argument("--report-only", action="store_true", help="write the page again from the figures that exist")
    parser.add_argument("--out", type=Path, default=ROOT / RESULTS_FOLDER, help="folder of the JSON files")
    options, passed_on = parser.parse_known_args()
    if passed_on and len(options.only or ()) != 1:
        parser.error(f"unknown options {' '.join(passed_on)}: options of a benchmark need --only with its name")
    return options, passed_on


def _run(name: str, out: Path, passed_on: list[str]) -> bool:
    print(f"benchmark={name} started", file=sys.stderr, flush=True)
    started = time.perf_counter()
    command = [sys.executable, f"benchmarks/{name}.py", "--out", str(out), *passed_on]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    print(f"benchmark={name} exit={code} wall_s={time.perf_counter() - started:.0f}", file=sys.stderr, flush=True)
    return code == 0


def write_page(out: Path, names: Sequence[str]) -> None:
    """Write these parts of docs/benchmarks.md and their plots; the others stay as the page has them."""
    figures = {name: json.loads(path.read_text()) for name in names if (path := out / f"{name}.json").exists()}
    if not figures:
        print(f"No figures in {out}: run `make bench` first.", file=sys.stderr)
        return
    (ROOT / PLOTS).mkdir(parents=True, exist_ok=True)
    before = _parts_of((ROOT / PAGE).read_text()) if (ROOT / PAGE).exists() else {}
    parts = {}
    for name in BENCHMARKS + BY_NAME:
        title = importlib.import_module(name).TITLE
        if name in figures:
            parts[title] = _part(figures[name])
        elif title in before:
            parts[title] = before[title]
    contents = "\n".join(f"- [{title}](#{_anchor(title)})" for title in parts)
    kept_machine = before.get(MACHINE, "") if len(parts) > len(figures) else ""
    parts[MACHINE] = _machines(list(figures.values()), kept_machine)
    text = [HEAD.strip(), contents, *(f"## {title}\n\n{part}" for title, part in parts.items())]
    (ROOT / PAGE).write_text("\n\n".join(text) + "\n")
    print(f"page={PAGE} measured={','.join(figures)} parts={len(parts) - 1}", file=sys.stderr)


def _part(record: dict[str, Any]) -> str:
    module = importlib.import_module(record["name"])
    if hasattr(module, "plots"):
        module.plots(record["results"], ROOT / PLOTS)
    return f"{module.section(record['results']).strip()}\n\n{_origin(record)}"


def _parts_of(page: str) -> dict[str, str]:
    """The parts of a page by their titles."""
    pieces = (piece.partition("\n") for piece in page.split("\n## ")[1:])
    return {title.strip(): text.strip() for title, _, text in pieces}


def _anchor(title: str) -> str:
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def _origin(record: dict[str, Any]) -> str:
    """The line below a section: when, how long, with which options."""
    # Where a home or its samples lie is no result; a note stands in its section.
    told = {key: value for key, value in record["options"].items() if key not in ("home", "work", "note")}
    given = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in told.items())
    options = f" Options that are not the defaults: `{given}`." if given else ""
    return f"*Measured on {record['date']}, in {record['wall_s'] / 60:.1f} min of wall time.*{options}"


def _machines(records: list[dict[str, Any]], kept: str) -> str:
    """What the parts were measured on, once where all are alike; ``kept`` tells it of parts that stay as they were."""
    named: dict[str, list[str]] = {}
    for record in records:
        named.setdefault(describe(record["machine"]), []).append(record["name"])
    lines = [text if len(named) == 1 else f"{', '.join(names)}: {text}" for text, names in named.items()]
    if kept and kept not in lines:
        lines = [f"{', '.join(names)}: {text}" for text, names in named.items()] + [f"Before that: {kept}"]
    return "\n\n".join(lines)


def describe(machine: dict[str, Any]) -> str:
    """The machine in one sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    gpu = machine["gpu"] or "no GPU"
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, {gpu}; "
        f"{machine['system']}, Python {machine['python']}, {versions}."
    )


if __name__ == "__main__":
    sys.exit(main())
