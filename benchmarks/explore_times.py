"""How long the page of `platform explore` waits for its answers, over a home with at least 1,000 candidates:

    python benchmarks/explore_times.py --home crystalforge-home

Starts the real command on a free port, asks each kind of question 40 times, on a new connection each time, and prints
the table of docs/explore.md. Wall time; the load of the machine stands beside it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

REPEATS = 40
ELEMENTS = ("Li", "O", "Pd", "Si", "Al", "F", "Cu", "Mg", "Cl", "S")
COLUMNS = ("energy_above_hull", "density", "formula", "volume_per_atom", "min_contact_ratio")
PROGRAM = [sys.executable, "-c", "from crystalforge.cli import main; main()", "explore", "--port", "0", "--no-open"]


def main() -> None:
    """Start the page, ask it, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    home = parser.parse_args().home
    load = os.getloadavg()[0]
    start = time.perf_counter()
    with subprocess.Popen([*PROGRAM, "--home", str(home)], stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().strip() if process.stdout else ""
            started = time.perf_counter() - start
            times = _ask_all(address)
            totals = _get(address, "/api/home")[1]["totals"]
        finally:
            process.send_signal(signal.SIGINT)
    counts = " and ".join(f"{row['crystals']:,} {source}" for source, row in totals.items())
    print(f"{counts}; ready after {started:.1f} s; load {load:.0f} before and {os.getloadavg()[0]:.0f} after\n")
    print("| answer | median | 95 % within | slowest |\n|---|---|---|---|")
    for name, values in times.items():
        ranked = sorted(values)
        within = ranked[int(0.95 * len(ranked)) - 1]
        print(f"| {name} | {statistics.median(ranked):.0f} ms | {within:.0f} ms | {ranked[-1]:.0f} ms |")


def _ask_all(address: str) -> dict[str, list[float]]:
    """Milliseconds of each answer, by its name."""
    draw = random.Random(1)
    times: dict[str, list[float]] = {}

    def ask(name: str, path: str, **query: object) -> Any:
        elapsed, answer = _get(address, path, **query)
        times.setdefault(name, []).append(elapsed)
        return answer

    total = _get(address, "/api/crystals")[1]["total"]
    for _ in range(REPEATS):
        order = {"sort": draw.choice(COLUMNS), "descending": draw.choice("01")}
        elements = {"elements": ",".join(draw.sample(ELEMENTS, draw.choice((1, 2))))}
        more = draw.choice(({"max_energy_above_hull": "0.3"}, {"without": "Co", "where": "density > 2"}))
        ask("list, all candidates", "/api/crystals", **order)
        rows = ask("list, a page far behind", "/api/crystals", offset=draw.randrange(total // 2, total), **order)[
            "rows"
        ]
        ask("list, filtered", "/api/crystals", **order, **elements, **more)
        ask("counts, all candidates (remembered)", "/api/facets")
        ask("counts, filtered", "/api/facets", **elements, **more)
        ask("one crystal with its atoms", "/api/crystal", id=rows[0]["source_id"])
        ask("its lineage", "/api/lineage", id=rows[0]["source_id"])
    return times


def _get(address: str, path: str, **query: object) -> tuple[float, Any]:
    """Milliseconds until the whole answer was there, and the answer."""
    parts = urlsplit(address)
    start = time.perf_counter()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    connection.request("GET", f"{path}?{urlencode(query)}" if query else path)
    response = connection.getresponse()
    content = response.read()
    elapsed = 1000 * (time.perf_counter() - start)
    connection.close()
    if response.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{path} {query}: {content!r}")
    return elapsed, json.loads(content)


if __name__ == "__main__":
    main()
