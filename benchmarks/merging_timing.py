"""The timings of merging.py, each in a process of its own with one thread: `python merging_timing.py TASK OPTIONS`.

TASK is a function of TASKS, OPTIONS its keyword arguments as JSON. Prints its answer as JSON in the last line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

TOLERANCE = 1e-6
"""Å, of the centres of two ways."""


def in_own_process(task: str, environment: dict[str, str] | None = None, **options: Any) -> Any:
    """Run a task in a fresh process with one thread and return its answer."""
    child = subprocess.run(
        [sys.executable, str(Path(__file__)), task, json.dumps(options)],
        env=os.environ | ONE_THREAD | (environment or {}),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if child.returncode:
        raise RuntimeError(f"The timing {task} of {options} ended with exit code {child.returncode}; see above.")
    return json.loads(child.stdout.splitlines()[-1])


def ways(number: int, kind: str, sites: int, slow_s: float, fast_s: float) -> dict[str, Any]:
    """µs of CPU per site of ours and of each SciPy way on the same samples, and that they agree."""
    import numpy as np
    import scipy_ways
    from harness import cpu_seconds
    from merging_samples import draw_samples

    from crystalforge.symmetry import merge_overlapping_sites

    samples = draw_samples(number, kind, sites)
    arrays = (samples.frac_coords, samples.lattice_parameters, samples.cutoff)
    merged = merge_overlapping_sites(number, *arrays)
    timed = {
        "copy": cpu_seconds(lambda: [np.copy(array) for array in arrays]),
        "ours": cpu_seconds(lambda: merge_overlapping_sites(number, *arrays)),
        "ours_repeat": cpu_seconds(lambda: merge_overlapping_sites(number, *arrays, repeat=True)),
    }
    answer = {name: {"us_per_site": seconds / sites * 1e6, "n": sites} for name, seconds in timed.items()}
    for name in WAYS:
        limit = slow_s if name == SLOW_WAY else fast_s
        answer[name] = _time_way(getattr(scipy_ways, name), samples, merged, limit)
    return {
        "group": number,
        "kind": kind,
        "percolates_share": float(merged.percolates.mean()),
        "merges_share": float((merged.multiplicity < merged.multiplicity.max()).mean() - merged.percolates.mean()),
        "ways": answer,
    }


SLOW_WAY = "distance_matrix_27_images"
WAYS = (SLOW_WAY, "hierarchical_tuned", "hierarchical_shared", "connected_pairs", "connected_operations")


def _time_way(way: Any, samples: Any, merged: Any, limit_s: float) -> dict[str, Any]:
    """Time a way on as many of the first samples as take about the limit; they must agree with ours."""

    def merge(n: int) -> tuple[float, Any]:
        part = samples.first(n)
        start = time.process_time()
        found = way(part.number, part.frac_coords, part.lattice_parameters, part.cutoff)
        return time.process_time() - start, found

    merge(3)  # its tables
    n = min(32, len(samples.cutoff))
    seconds, found = merge(n)
    while seconds < limit_s / 3 and n < len(samples.cutoff):
        n = min(len(samples.cutoff), max(2 * n, int(0.9 * n * limit_s / max(seconds, 1e-3))))
        seconds, found = merge(n)
    wrong = disagreements(samples.first(n), merged, found)
    if wrong:
        raise RuntimeError(f"{way.__name__} and our merge differ in {len(wrong)} of {n} sites, first at {wrong[0]}.")
    return {"us_per_site": seconds / n * 1e6, "n": n}


def disagreements(samples: Any, merged: Any, found: Any) -> list[int]:
    """Rows at which a way's multiplicity, percolation or centre (more than 1e-6 Å off) is not ours."""
    import numpy as np
    from periodic_links import metric_tensors

    n = len(found.multiplicity)
    difference = found.frac_coords - np.asarray(merged.frac_coords)[:n]
    difference -= np.rint(difference)
    squared = np.einsum("ni,nij,nj->n", difference, metric_tensors(samples.lattice_parameters), difference)
    wrong = (found.percolates != merged.percolates[:n]) | (found.multiplicity != merged.multiplicity[:n])
    return np.flatnonzero(wrong | (~found.percolates & ~(squared <= TOLERANCE**2))).tolist()


def cold(number: int, sites: int, later: int) -> dict[str, Any]:
    """CPU seconds of the first batch of a fresh process and of later ones; imports, and numba's own start, apart."""
    start = time.process_time()
    from crystalforge.symmetry import merge_overlapping_sites

    import_s = time.process_time() - start
    from merging_samples import draw_samples

    start = time.process_time()
    merge_overlapping_sites(1, [[0.1, 0.2, 0.3]], [[5.0, 5.0, 5.0, 90.0, 90.0, 90.0]], 0.5)
    load_s = time.process_time() - start
    batches = []
    for seed in range(1 + later):
        samples = draw_samples(number, "generation", sites, seed)
        start = time.process_time()
        merge_overlapping_sites(number, samples.frac_coords, samples.lattice_parameters, samples.cutoff)
        batches.append(time.process_time() - start)
    return {
        "group": number,
        "n": sites,
        "import_s": import_s,
        "load_s": load_s,
        "first_s": batches[0],
        "later_s": min(batches[1:]),
    }


def tensors(groups: list[int], sites: int, device: str) -> dict[str, Any] | None:
    """Wall time of torch tensors on a device; None where it is not there."""
    import torch
    from merging_samples import draw_samples

    from crystalforge.symmetry import merge_overlapping_sites

    if device == "cuda" and not torch.cuda.is_available():
        return None
    torch.set_num_threads(1)
    answer = {}
    for number in groups:
        samples = draw_samples(number, "generation", sites)
        arrays = [
            torch.as_tensor(array, device=device)
            for array in (samples.frac_coords, samples.lattice_parameters, samples.cutoff)
        ]
        times = []
        for _ in range(3):
            start = time.perf_counter()
            merge_overlapping_sites(number, *arrays)
            if device == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        answer[str(number)] = {"us_per_site": min(times) / sites * 1e6, "n": sites}
    return {"device": torch.cuda.get_device_name(0) if device == "cuda" else "CPU, one thread", "groups": answer}


TASKS = {"ways": ways, "cold": cold, "tensors": tensors}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](**json.loads(sys.argv[2]))))
