"""How SQL grows: `python benchmarks/catalog_scale.py [--home HOME] [--sizes 10000,100000,1000000]`.

The rows are those of a real generation (drawn first if the home has none), written again and again with other sample
ids, indices and shards, and with other crystal ids in every copy: no crystal of one copy is equal to one of another,
the hard case for uniqueness. Every query is asked first of a catalog that was just opened, as a command does, then
twice more. Of the openings the first and the quickest are told: a second command finds the files in the system's cache.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from generation_command import add_home_argument, run_generate, scratch_home, trained_home
from harness import run_as_script

if TYPE_CHECKING:
    from crystalforge.catalog.query import Catalog
    from crystalforge.home import Home

TITLE = "How SQL grows"

SOURCE_SAMPLES = 20_000
"""Drawn where the home has no generation."""
TIME_LIMIT_S = 600.0
"""More than the command's own: what a query takes is to be seen."""
QUERIES = {
    "unique": "SELECT count(*) AS n FROM candidates",
    "filter": "SELECT formula, density, crystal_id FROM candidates WHERE space_group_number = 225 "
    "AND density BETWEEN 5 AND 6 AND list_contains(elements, 'O') ORDER BY min_contact_ratio DESC LIMIT 20",
    "aggregate": "SELECT space_group_number, count(*) AS n, avg(min_contact_ratio), median(density) "
    "FROM candidates GROUP BY ALL ORDER BY ALL",
    "samples": "SELECT space_group_number, status, count(*) AS n FROM samples GROUP BY ALL ORDER BY ALL",
}
HEADINGS = {
    "unique": "candidates counted",
    "filter": "filtered, best 20",
    "aggregate": "by space group",
    "samples": "all samples by group",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    add_home_argument(parser)
    parser.add_argument("--sizes", default="10000,100000,1000000", help="samples of each home (%(default)s)")
    parser.add_argument("--note", default="", help="what the page should say of this run besides")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make a home of each size, open it twice, ask it."""
    home = trained_home(arguments.home)
    sizes = [int(size) for size in arguments.sizes.split(",")]
    if any(home.glob("generations/*/manifest.jsonl")):
        return {"note": arguments.note, "runs": [_measure_size(home, size) for size in sizes]}
    with scratch_home(home) as drawn:
        run_generate(drawn, SOURCE_SAMPLES)
        return {"note": arguments.note, "runs": [_measure_size(drawn, size) for size in sizes]}


def _measure_size(source: Path, count: int) -> dict[str, Any]:
    from crystalforge.home import Home

    with tempfile.TemporaryDirectory(prefix="crystalforge-benchmark-") as folder:
        path = Path(folder) / "home"
        replicated_home(source, path, count)
        files = list(path.glob("generations/**/*.parquet"))
        home = Home.locate(path)
        asked = {name: ask(home, sql) for name, sql in QUERIES.items()}
        opened = [each["open_s"] for each in asked.values()]
        return {
            "rows": count,
            "candidates": asked["unique"]["answer"],
            "files": len(files),
            "bytes": sum(file.stat().st_size for file in files),
            "first_open_s": opened[0],
            "open_s": min(opened),
            "queries": asked,
            "worker_peak_rss_bytes": max(each["peak_rss_bytes"] for each in asked.values()),
        }


def ask(home: Home, sql: str) -> dict[str, Any]:
    """Open the catalog and ask three times: what the first took, and the quickest of the others."""
    from crystalforge.catalog.query import open_catalog

    start = time.perf_counter()
    with open_catalog(home) as catalog:
        opened = time.perf_counter() - start
        (worker,) = psutil.Process().children()
        first, *others = [_timed(catalog, worker, sql) for _ in range(3)]
        answer = catalog.query(sql, time_limit_s=TIME_LIMIT_S)
        return {
            "open_s": opened,
            "first": first,
            "again": min(others, key=lambda each: each["wall_s"]),
            "answer": answer[0][0].as_py() if answer.num_rows else None,
            "peak_rss_bytes": _peak_rss(worker),
        }


def _timed(catalog: Catalog, worker: psutil.Process, sql: str) -> dict[str, float]:
    """Wall seconds of a call, and CPU seconds of the process of SQL in it."""
    wall, cpu = time.perf_counter(), sum(worker.cpu_times()[:2])
    catalog.query(sql, time_limit_s=TIME_LIMIT_S)
    return {"wall_s": time.perf_counter() - wall, "cpu_s": sum(worker.cpu_times()[:2]) - cpu}


def _peak_rss(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return int(process.memory_info().rss)
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def section(results: dict[str, Any]) -> str:
    """Text and tables."""
    runs = results["runs"]
    text = (
        "A catalog of each size; the rows are a real generation's, written again with other ids, each copy's crystals "
        "unlike those of the others. Opening starts the process of SQL and hashes every file. A query is asked first "
        "of a catalog that was just opened, then twice more, of which the quicker is told. The first three find the "
        "first of equal crystals over all samples before they filter or count; a process does so once. Memory is the "
        "most that the process of SQL took in any of them."
    )
    walls = "Wall seconds, first and again:"
    cpu = "CPU seconds of the process of SQL over all cores, first and again:"
    parts = [text, _sizes(runs), walls, _asked(runs, "wall_s"), cpu, _asked(runs, "cpu_s"), *_ratios(runs)]
    return "\n\n".join([*parts, results["note"]]).strip()


def _sizes(runs: list[dict[str, Any]]) -> str:
    lines = [
        "| samples | candidates | files | MB | open first (s) | open again (s) | peak RSS (MB) |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {run['rows']:,} | {run['candidates']:,} | {run['files']:,} | {run['bytes'] / 1e6:.0f} "
        f"| {run['first_open_s']:.2f} | {run['open_s']:.2f} | {run['worker_peak_rss_bytes'] / 1e6:.0f} |"
        for run in runs
    ]
    return "\n".join(lines)


def _asked(runs: list[dict[str, Any]], measure: str) -> str:
    lines = [
        "| samples | " + " | ".join(HEADINGS.values()) + " |",
        "|---:|" + "---:|" * len(HEADINGS),
    ]
    for run in runs:
        asked = [run["queries"][name] for name in HEADINGS]
        cells = [f"{each['first'][measure]:.2f}, {each['again'][measure]:.2f}" for each in asked]
        lines.append(f"| {run['rows']:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratios(runs: list[dict[str, Any]]) -> list[str]:
    """What the last size costs over the one before."""
    if len(runs) < 2:
        return []
    before, last = runs[-2:]
    cpu = [sum(run["queries"][name]["first"]["cpu_s"] for name in HEADINGS) for run in (before, last)]
    return [
        f"From {before['rows']:,} to {last['rows']:,} samples, {last['rows'] / before['rows']:g} times: opening takes "
        f"{last['open_s'] / before['open_s']:.1f} times as long, the first queries together {cpu[1] / cpu[0]:.1f} "
        f"times the CPU, memory {last['worker_peak_rss_bytes'] / before['worker_peak_rss_bytes']:.1f} times."
    ]


def replicated_home(source: Path, target: Path, count: int) -> None:
    """Write a home with one generation of ``count`` samples, made of the shards of the first generation of another."""
    from crystalforge.catalog.shards import ShardManifest, write_shard
    from crystalforge.files import read_json, write_json

    origin = min(path.parent for path in source.glob("generations/*/manifest.jsonl"))
    plan = read_json(origin / "generation.json")
    generation_id = f"scale-{count}"
    folder = target / "generations" / generation_id
    write_json(folder / "generation.json", plan | {"generation_id": generation_id, "count": count})
    manifest, rows, shards, copy = ShardManifest(folder), 0, Counter[int](), 0
    records = ShardManifest(origin).records()
    while rows < count:
        for record in records:
            table = pq.read_table(origin / record["file"], partitioning=None)[: count - rows]
            if table.num_rows == 0:
                break
            group = record["space_group_number"]
            number = shards[group]
            copied = _relabelled(table, generation_id, group, number, plan["shard_size"], copy)
            written = write_shard(folder, f"space_group_number={group}/shard-{number:05d}.parquet", copied)
            manifest.append(
                {**vars(written), "space_group_number": group, "shard": number, "accepted": record["accepted"]}
            )
            shards[group] += 1
            rows += table.num_rows
        copy += 1


def _relabelled(table: pa.Table, generation_id: str, group: int, number: int, shard_size: int, copy: int) -> pa.Table:
    """The rows as another shard of another generation, its crystals unlike those of every other copy."""
    first = number * shard_size
    values: dict[str, Any] = {
        "sample_id": [f"{generation_id}-{group}-{first + i}" for i in range(table.num_rows)],
        "crystal_id": [
            value and hashlib.blake2b(f"{copy}{value}".encode(), digest_size=len(value) // 2).hexdigest()
            for value in table["crystal_id"].to_pylist()
        ],
        "generation_id": [generation_id] * table.num_rows,
        "shard": [number] * table.num_rows,
        "index": range(first, first + table.num_rows),
    }
    for name, column in values.items():
        field = table.schema.field(name)
        table = table.set_column(table.schema.get_field_index(name), field, pa.array(column, field.type))
    return table


def main() -> None:
    """Run as a script."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
