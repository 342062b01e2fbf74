"""How a generation grows: `python benchmarks/generation_scale.py [--home HOME] [--sizes 10000,100000] [--million]`.

Runs the real `platform generate` at each size, each in a fresh home, watches CPU and memory of all its processes, and
opens the rows with SQL afterwards.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from generation_command import DRIVER, KINDS, WORKERS, Run, add_home_argument, run_generate, scratch_home, trained_home
from harness import SVG_METADATA, SVG_SETTINGS, run_as_script

TITLE = "How a generation grows"

MILLION = 1_000_000
AGGREGATE = (
    "SELECT space_group_number, count(*) AS samples, count(*) FILTER (status = 'accepted') AS accepted, "
    "avg(min_contact_ratio) AS mean_contact FROM samples GROUP BY ALL ORDER BY ALL"
)
CANDIDATES = "SELECT count(*) AS candidates FROM candidates"
TIME_LIMIT_S = 600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    add_home_argument(parser)
    parser.add_argument("--sizes", default="10000,30000,100000", help="samples of each run (%(default)s)")
    parser.add_argument("--million", action="store_true", help="1,000,000 samples as well (minutes)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """One run of the command for each size."""
    home = trained_home(arguments.home)
    sizes = [int(size) for size in arguments.sizes.split(",")] + [MILLION] * arguments.million
    runs = [_measure_size(home, size) for size in sizes]
    return {"runs": runs, "cpu_fit": _line(runs, "cpu_s"), "wall_fit": _line(runs, "wall_s")}


def _measure_size(trained: Path, count: int) -> dict[str, Any]:
    with scratch_home(trained) as home:
        run = run_generate(home, count)
        phases = run.phases()
        return {
            "n": count,
            "wall_s": run.wall_s,
            "cpu_s": sum(phase["cpu_s"] for phase in phases.values()),
            "drawing_wall_s": phases["drawing"]["wall_s"],
            **{f"drawing_cpu_s_{kind}": phases["drawing"][f"cpu_s_{kind}"] for kind in KINDS},
            "n_workers": sum(process.kind == WORKERS for process in run.processes.values()),
            "worker_peak_rss_bytes": run.peak(WORKERS, "rss_bytes"),
            "worker_peak_uss_bytes": run.peak(WORKERS, "uss_bytes"),
            "driver_peak_rss_bytes": run.peak(DRIVER, "rss_bytes"),
            "driver_peak_uss_bytes": run.peak(DRIVER, "uss_bytes"),
            "peak_shared_memory_bytes": run.peak_shared_memory_bytes,
            **_on_disk(run),
            **_query(home),
        }


def _on_disk(run: Run) -> dict[str, Any]:
    files = list(run.folder.rglob("*.parquet"))
    return {"n_files": len(files), "bytes_on_disk": sum(path.stat().st_size for path in files)}


def _query(home: Path) -> dict[str, Any]:
    """Seconds (wall) of opening the catalog, which hashes every file, and of two questions."""
    from crystalforge.catalog.query import open_catalog
    from crystalforge.home import Home

    marks = [time.perf_counter()]
    with open_catalog(Home.locate(home)) as catalog:
        marks.append(time.perf_counter())
        groups = catalog.query(AGGREGATE, time_limit_s=TIME_LIMIT_S)
        marks.append(time.perf_counter())
        candidates = catalog.query(CANDIDATES, time_limit_s=TIME_LIMIT_S)
        marks.append(time.perf_counter())
    open_s, aggregate_s, candidates_s = np.diff(marks)
    return {
        "rows": int(np.sum(groups["samples"].to_numpy())),
        "accepted": int(np.sum(groups["accepted"].to_numpy())),
        "candidates": candidates["candidates"][0].as_py(),
        "sql_open_s": open_s,
        "sql_aggregate_s": aggregate_s,
        "sql_candidates_s": candidates_s,
    }


def _line(runs: list[dict[str, Any]], quantity: str) -> dict[str, float] | None:
    """Straight line through the runs, relative errors weighing alike: fixed part, price of a sample, worst residual."""
    if len(runs) < 3:
        return None
    n, values = (np.array([run[name] for run in runs], dtype=float) for name in ("n", quantity))
    slope, fixed = np.polyfit(n, values, 1, w=1 / values)
    worst = np.abs(fixed + slope * n - values) / values
    return {"fixed_s": fixed, "us_per_sample": slope * 1e6, "worst_relative_residual": worst.max()}


def section(results: dict[str, Any]) -> str:
    """Text and tables."""
    runs = results["runs"]
    parts = [
        f"`platform generate` at each size, {runs[0]['n_workers']} workers, a fresh home each time; CPU of all "
        "processes that the command starts, Ray's included. Memory is the peak of any one process: RSS, of which the "
        "libraries are shared between processes, and what is its own (USS). Rows never pass through Ray's object "
        "store, so shared memory does not grow.",
        _growth_table(runs),
        "![Wall time, CPU and memory by number of samples](benchmarks/generation_scale.svg)",
    ]
    if results["cpu_fit"]:
        parts.append(_fit_text(results))
    parts += [
        "The same rows in SQL, wall seconds, in a fresh catalog: opening it (every file is hashed), counts and a mean "
        "by space group over all samples, and the number of candidates (accepted, one per crystal).",
        _sql_table(runs),
    ]
    return "\n\n".join(parts)


def _growth_table(runs: list[dict[str, Any]]) -> str:
    lines = [
        "| samples | wall (s) | CPU (s) | samples per wall second | worker RSS, own (MB) | driver RSS, own (MB) "
        "| shared memory (MB) | files | on disk (MB) |",
        "|---:|" + "---:|" * 8,
    ]
    for run in runs:
        memory = " | ".join(
            f"{run[f'{who}_peak_rss_bytes'] / 1e6:.0f}, {run[f'{who}_peak_uss_bytes'] / 1e6:.0f}"
            for who in ("worker", "driver")
        )
        lines.append(
            f"| {run['rows']:,} | {run['wall_s']:.1f} | {run['cpu_s']:.1f} | {run['n'] / run['wall_s']:.0f} | {memory} "
            f"| {run['peak_shared_memory_bytes'] / 1e6:.1f} | {run['n_files']} | {run['bytes_on_disk'] / 1e6:.1f} |"
        )
    return "\n".join(lines)


def _fit_text(results: dict[str, Any]) -> str:
    cpu, wall = results["cpu_fit"], results["wall_fit"]
    return (
        f"A straight line through these runs: CPU = {cpu['fixed_s']:.1f} s + {cpu['us_per_sample']:.0f} µs per sample "
        f"(worst run {cpu['worst_relative_residual']:.0%} off), wall = {wall['fixed_s']:.1f} s + "
        f"{wall['us_per_sample']:.0f} µs per sample (worst run {wall['worst_relative_residual']:.0%} off)."
    )


def _sql_table(runs: list[dict[str, Any]]) -> str:
    lines = [
        "| samples | accepted | candidates | open (s) | by space group (s) | candidates (s) |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {run['rows']:,} | {run['accepted']:,} | {run['candidates']:,} | {run['sql_open_s']:.2f} "
        f"| {run['sql_aggregate_s']:.2f} | {run['sql_candidates_s']:.2f} |"
        for run in runs
    ]
    return "\n".join(lines)


def plots(results: dict[str, Any], folder: Path) -> list[str]:
    """Seconds and memory by number of samples, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    runs = results["runs"]
    n = [run["n"] for run in runs]
    with plt.rc_context(SVG_SETTINGS):
        figure, (seconds, memory) = plt.subplots(1, 2, figsize=(7.5, 3), layout="constrained")
        for quantity, label, marker in (
            ("cpu_s", "CPU", "o"),
            ("wall_s", "wall", "s"),
            ("sql_open_s", "SQL: open", "^"),
        ):
            seconds.plot(n, [run[quantity] for run in runs], marker=marker, markersize=4, label=label)
        for who, marker in (("worker", "o"), ("driver", "s")):
            memory.plot(n, [run[f"{who}_peak_rss_bytes"] / 1e6 for run in runs], marker=marker, markersize=4, label=who)
        seconds.set(xscale="log", yscale="log", xlabel="samples", ylabel="s")
        memory.set(xscale="log", ylim=(0, None), xlabel="samples", ylabel="peak RSS of one process (MB)")
        for axes in (seconds, memory):
            axes.grid(alpha=0.3)
            axes.legend(frameon=False)
        figure.savefig(folder / "generation_scale.svg", metadata=SVG_METADATA)
        plt.close(figure)
    return ["generation_scale.svg"]


def main() -> None:
    """Run as a script."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
