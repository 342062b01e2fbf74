"""Proof of the merge: `python benchmarks/oracle.py [--cases 40000] [--crystals 250] [--real -1]`.

Four questions, each with a judge that is not ours. Are the clusters those of SciPy's single linkage, in every case?
Is the oracle that says so the plain 27-image one, only faster? Does a symmetry search (moyopy, spglib) find the group
that merged crystals are made with? Are all real crystals found again from their representative sites, with the letters
that the dataset states and that spglib finds?
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from harness import run_as_script
from oracle_agreement import compare_oracles, judge_chunk
from oracle_cases import CELL_RANGE, CUTOFF_RANGE, real_source
from oracle_section import section as section
from real_agreement import judge_real
from symmetry_agreement import search_group

from crystalforge.symmetry import SPACE_GROUPS

TITLE = "Is the merge right?"

CHUNK = 500
"""Cases that one task judges."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""One thread per process: the work is spread by processes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options and the sizes that `make bench` runs."""
    parser.add_argument("--cases", type=int, default=40_000, help="random cases in the 12 groups (%(default)s)")
    parser.add_argument("--other-cases", type=int, default=20, help="cases in each other group (%(default)s)")
    parser.add_argument("--slow-cases", type=int, default=600, help="cases for the 27-image oracle too (%(default)s)")
    parser.add_argument(
        "--crystals", type=int, default=250, help="merged crystals of each kind per group (%(default)s)"
    )
    parser.add_argument("--spglib-crystals", type=int, default=25, help="of them also by spglib (%(default)s)")
    parser.add_argument(
        "--real", type=int, default=-1, help="real crystals per group for spglib; -1: all (%(default)s)"
    )
    parser.add_argument("--processes", type=int, default=2, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run all four parts on a pool of processes."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        parts = {
            "agreement": _agreement(arguments, pool),
            "oracles": _oracles(arguments, pool),
            "search": _search(arguments, pool),
            "real": _real(arguments, pool),
        }
    return {
        "seed": arguments.seed,
        "processes": arguments.processes,
        "cell_range_angstrom": CELL_RANGE,
        "cutoff_range_angstrom": CUTOFF_RANGE,
        "real_source": real_source(),
        **parts,
    }


def _agreement(arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> dict[str, Any]:
    per_group = -(-arguments.cases // len(SPACE_GROUPS))
    chunks = [
        (number, min(CHUNK, per_group - start), [arguments.seed, number, start])
        for number in SPACE_GROUPS
        for start in range(0, per_group, CHUNK)
    ]
    others = [number for number in range(1, 231) if number not in SPACE_GROUPS] if arguments.other_cases else []
    chunks += [(number, arguments.other_cases, [arguments.seed, number, 0]) for number in others]
    start = time.perf_counter()
    found = _all(pool, judge_chunk, chunks)
    return {
        "groups": {
            number: _sum([part for part in found if part["space_group_number"] == number]) for number in SPACE_GROUPS
        },
        "others": _sum([part for part in found if part["space_group_number"] not in SPACE_GROUPS]),
        "n_other_groups": len(others),
        "by_kind": _by_kind([part for part in found if part["space_group_number"] in SPACE_GROUPS]),
        "wall_s": time.perf_counter() - start,
    }


def _sum(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts of several chunks together."""
    counts: dict[str, int] = {}
    for part in parts:
        for of_kind in part["counts_by_kind"].values():
            for name, value in of_kind.items():
                counts[name] = counts.get(name, 0) + value
    return counts | {
        "largest_deviation_of_centres_angstrom": max(
            (part["largest_deviation_of_centres_angstrom"] for part in parts), default=0.0
        ),
        "examples": [example for part in parts for example in part["examples"]],
        "cpu_s": sum(part["cpu_s"] for part in parts),
    }


def _by_kind(parts: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    kinds: dict[str, dict[str, int]] = {}
    for part in parts:
        for kind, counts in part["counts_by_kind"].items():
            total = kinds.setdefault(kind, dict.fromkeys(counts, 0))
            for name, value in counts.items():
                total[name] += value
    return kinds


def _oracles(arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> dict[str, Any]:
    each = -(-arguments.slow_cases // len(SPACE_GROUPS))
    # Other seeds than the agreement's, and few cases a task: the slow oracle is slow.
    tasks = [
        (number, min(10, each - start), [arguments.seed, number, start, 1])
        for number in SPACE_GROUPS
        for start in range(0, each, 10)
    ]
    found = _all(pool, compare_oracles, tasks)
    cpu = np.sum([part["cpu_s"] for part in found], axis=0)
    n = sum(part["n"] for part in found)
    return {
        "n": n,
        "disagreements": sum(part["disagreements"] for part in found),
        "examples": [example for part in found for example in part["examples"]],
        "fast_ms_per_case": 1e3 * cpu[0] / n if n else None,
        "slow_ms_per_case": 1e3 * cpu[1] / n if n else None,
    }


def _search(arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> list[dict[str, Any]]:
    tasks = [
        (number, n_orbits, arguments.crystals, arguments.spglib_crystals, [arguments.seed, number, n_orbits, 2])
        for number in SPACE_GROUPS
        for n_orbits in (1, 3)
        if arguments.crystals
    ]
    return _all(pool, search_group, tasks)


def _real(arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> dict[int, dict[str, Any]]:
    n_parts, limit = 8, None if arguments.real < 0 else -(-arguments.real // 8)
    tasks = [(number, part, n_parts, limit) for number in SPACE_GROUPS for part in range(n_parts)]
    totals: dict[int, dict[str, Any]] = {}
    for found in _all(pool, judge_real, tasks):
        number = found.pop("space_group_number")
        before = totals.get(number)
        totals[number] = found if before is None else {name: before[name] + found[name] for name in found}
    return totals


def _all(pool: ProcessPoolExecutor, work: Callable[..., Any], tasks: list[tuple[Any, ...]]) -> list[Any]:
    """Results in the order of the tasks."""
    futures: list[Future[Any]] = [pool.submit(work, *task) for task in tasks]
    return [future.result() for future in futures]


def main() -> None:
    """Measure, write the JSON file, print the section."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
