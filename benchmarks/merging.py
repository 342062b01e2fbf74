"""Merging alone, ours beside SciPy on the same samples: `python benchmarks/merging.py [--groups 225,227]`.

CPU per site on one core in each of the 12 space groups; the first batch of a fresh process; torch tensors. Every
answer of SciPy is compared with ours: a difference ends the run, because the time of a wrong result is worth nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from harness import SVG_METADATA, SVG_SETTINGS, run_as_script
from merging_samples import CUTOFFS
from merging_timing import SLOW_WAY, WAYS, in_own_process

from crystalforge.symmetry import SPACE_GROUPS

TITLE = "Merging overlapping sites"

COMMAND = "python benchmarks/merging.py"

COLUMNS = {
    "ours": "ours",
    "ours_repeat": "ours, repeated",
    "distance_matrix_27_images": "(a) 27 images",
    "hierarchical_tuned": "(b) tuned",
    "hierarchical_shared": "(c) shared calls",
    "connected_pairs": "(d) components",
    "connected_operations": "(e) one row",
}
"""The ways, as the tables and the plot name them."""

EXPLANATION = """- **ours**: `merge_overlapping_sites`, one pass, letters included; *repeated*: `repeat=True`.
- **(a)** the paper's way as the package keeps it (`cluster_overlapping_sites`): one site per call, distance matrix over
  27 or more images, hierarchical single linkage.
- **(b)** hierarchical single linkage, tuned: batches, tabulated pairs, nearest image by rounding, further images only
  where needed, one call of `linkage` and `fcluster` for each site that has a near pair.
- **(c)** as (b), but the clouds of several sites in one call where they are small. This saves SciPy's cost per call.
- **(d)** not hierarchical: near pairs of many sites as one sparse graph, `connected_components`. The same clusters.
- **(e)** as (d), with half of our theorem: only the distances from the site itself, multiplied out by the group."""

HIERARCHICAL = ("distance_matrix_27_images", "hierarchical_tuned", "hierarchical_shared")

TARGETS = (
    ("(a) in 225 and 227", ("distance_matrix_27_images",), (225, 227), 15_000),
    ("(b) in 225 and 227", ("hierarchical_tuned",), (225, 227), 800),
    ("(b) in every group", ("hierarchical_tuned",), None, 300),
    ("the fastest of (a) to (c), in every group", HIERARCHICAL, None, None),
    ("the fastest of (a) to (e), in every group", WAYS, None, None),
)
"""What, the ways of which the fastest counts, groups (None: all), times as fast as that way (None: no target)."""

COLD_FACTOR = 2
"""A first batch may cost this many times a later one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes; the defaults take about four minutes on two cores."""
    groups = ",".join(map(str, SPACE_GROUPS))
    parser.add_argument("--groups", default=groups, help="space groups, by commas (%(default)s)")
    parser.add_argument(
        "--sites", type=int, default=100_000, help="sites of each group and kind for ours (%(default)s)"
    )
    parser.add_argument("--slow-seconds", type=float, default=2.5, help="CPU seconds for (a), each group (%(default)s)")
    parser.add_argument("--fast-seconds", type=float, default=0.6, help="the same for the other ways (%(default)s)")
    parser.add_argument("--cold-groups", default="225,227,194,62", help="groups of the first batches (%(default)s)")
    parser.add_argument("--cold-sites", type=int, default=150_000, help="sites of a batch there (%(default)s)")
    parser.add_argument(
        "--tensor-sites", type=int, default=20_000, help="sites as torch tensors, 0: none (%(default)s)"
    )


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run every timing in a process of its own, one after the other."""
    groups, cold_groups = _numbers(arguments.groups), _numbers(arguments.cold_groups)
    limits = {"sites": arguments.sites, "slow_s": arguments.slow_seconds, "fast_s": arguments.fast_seconds}
    timed = [in_own_process("ways", number=number, kind=kind, **limits) for kind in CUTOFFS for number in groups]
    cold = {"sites": arguments.cold_sites, "later": 3}
    with tempfile.TemporaryDirectory() as empty:
        compiling = in_own_process("cold", {"NUMBA_CACHE_DIR": empty}, number=cold_groups[0], **cold)
    sites = arguments.tensor_sites
    return {
        "ways": timed,
        # Compiled code is in the cache by now, as it is for everyone after the first run.
        "cold": [in_own_process("cold", number=number, **cold) for number in cold_groups],
        "compiling": compiling,
        "tensors": {
            device: in_own_process("tensors", groups=groups, sites=sites, device=device) if sites else None
            for device in ("cpu", "cuda")
        },
    }


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def section(results: dict[str, Any]) -> str:
    """Tables of the times, the ratios against their targets, first batches and tensors."""
    percolating = [100 * row["percolates_share"] for row in results["ways"]]
    copies = [row["ways"]["copy"]["us_per_site"] for row in results["ways"]]
    parts = [
        f"One site of an orbit in, the centre of its cluster out. Command: `{COMMAND}`. µs of CPU per site, one "
        "thread, least of three runs for ours. Half of the sites are uniform, half scatter (0.03) around special "
        f"positions; cell edges 3 to 13 Å. {min(percolating):.0f} to {max(percolating):.0f} % of the sites "
        "percolate, by group.",
        EXPLANATION,
        "![µs per site by group and way](benchmarks/merging.svg)",
        *(f"Cut-offs {text}:\n\n{_table(results, kind)}" for kind, text in CUTOFFS.items()),
        f"In brackets: how many sites SciPy was given, the first of ours ({_sites(results):,} per group). On all of "
        "them multiplicity, percolation and centre (1e-6 Å) equal ours; a difference would have ended the run. The "
        f"floor: to copy the input arrays takes {min(copies):.3f} to {max(copies):.3f} µs per site.",
        _targets(results),
        _cold(results),
        _tensors(results["tensors"]),
    ]
    return "\n\n".join(parts)


def _sites(results: dict[str, Any]) -> int:
    return results["ways"][0]["ways"]["ours"]["n"]


def _rows(results: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [row for row in results["ways"] if row["kind"] == kind]


def _ratio(row: dict[str, Any], *ways: str) -> float:
    """How many times as fast as the fastest of these ways ours is."""
    return min(row["ways"][way]["us_per_site"] for way in ways) / row["ways"]["ours"]["us_per_site"]


def _table(results: dict[str, Any], kind: str) -> str:
    head = ["group", *COLUMNS.values(), "(a) / ours", "(b) / ours"]
    lines = [f"| {' | '.join(head)} |", "|" + "---:|" * len(head)]
    for row in _rows(results, kind):
        cells = [str(row["group"])]
        for way in COLUMNS:
            timed = row["ways"][way]
            cells.append(_figure(timed["us_per_site"]) + (f" ({timed['n']:,})" if way in WAYS else ""))
        cells += [f"{_ratio(row, way):,.0f}" for way in (SLOW_WAY, "hierarchical_tuned")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _figure(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _targets(results: dict[str, Any]) -> str:
    lines = ["| ours is times as fast as | at least | measured in | target | reached |", "|---|---:|---|---:|---|"]
    for what, ways, groups, target in TARGETS:
        rows = [row for row in results["ways"] if groups is None or row["group"] in groups]
        if not rows:
            continue
        least = min(rows, key=lambda row: _ratio(row, *ways))
        ratio, where = _ratio(least, *ways), f"{least['group']}, {least['kind']} cut-offs"
        verdict = "| |" if target is None else f"{target:,} | {'yes' if ratio >= target else 'no'} |"
        lines.append(f"| {what} | {ratio:,.0f} | {where} | {verdict}")
    factor = max(cold["first_s"] / cold["later_s"] for cold in results["cold"])
    reached = "yes" if factor <= COLD_FACTOR else "no"
    what = "first batch of a group over a later one"
    lines.append(f"| {what} (at most) | {factor:.1f} | worst below | {COLD_FACTOR} | {reached} |")
    return "\n".join(lines)


def _cold(results: dict[str, Any]) -> str:
    lines = [
        "| group | import, s | load, s | first batch, s | later batch, s | first / later | (load + first) / later |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    rows = [*((str(row["group"]), row) for row in results["cold"])]
    rows.append((f"{results['compiling']['group']}, no compiled code in the cache", results["compiling"]))
    lines += [
        f"| {name} | {row['import_s']:.2f} | {row['load_s']:.2f} | {row['first_s']:.3f} | {row['later_s']:.3f} "
        f"| {row['first_s'] / row['later_s']:.1f} | {(row['load_s'] + row['first_s']) / row['later_s']:.1f} |"
        for name, row in rows
    ]
    return (
        f"Batches of {results['compiling']['n']:,} sites in a fresh process, one pass, CPU seconds. *load*: one site "
        "of another group, which starts numba and loads the compiled code, once per process whatever it then does; "
        "the first batch makes the group's tables.\n\n"
    ) + "\n".join(lines)


def _tensors(tensors: dict[str, Any]) -> str:
    if tensors["cpu"] is None:
        return "Torch tensors were not timed."
    told = {device: found for device, found in tensors.items() if found is not None}
    head = ["torch tensors on", *next(iter(told.values()))["groups"]]
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    for found in told.values():
        figures = [_figure(timed["us_per_site"]) for timed in found["groups"].values()]
        lines.append(f"| {found['device']} | {' | '.join(figures)} |")
    n = next(iter(tensors["cpu"]["groups"].values()))["n"]
    missing = "" if tensors["cuda"] else " There was no GPU on this machine."
    return (
        f"The same merge of torch tensors, wall µs per site by group, {n:,} sites, one pass, generation "
        f"cut-offs.{missing}\n\n"
    ) + "\n".join(lines)


def plots(results: dict[str, Any], folder: Path) -> list[str]:
    """µs per site by group and way, on a logarithmic scale, generation cut-offs."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = sorted(_rows(results, "generation"), key=lambda row: row["ways"]["hierarchical_tuned"]["us_per_site"])
    with plt.rc_context(SVG_SETTINGS):
        figure, axes = plt.subplots(figsize=(7.5, 4), layout="constrained")
        groups = [str(row["group"]) for row in rows]
        for (way, label), marker in zip(COLUMNS.items(), "o^sDvPX", strict=True):
            ours = way.startswith("ours")
            times = [row["ways"][way]["us_per_site"] for row in rows]
            axes.plot(groups, times, marker=marker, markersize=4, linewidth=2 if ours else 1, label=label)
        axes.set(yscale="log", xlabel="space group", ylabel="µs of CPU per site")
        axes.grid(axis="y", alpha=0.3)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", frameon=False)
        figure.savefig(folder / "merging.svg", metadata=SVG_METADATA)
        plt.close(figure)
    return ["merging.svg"]


def main() -> None:
    """Measure and print."""
    run_as_script(globals())


if __name__ == "__main__":
    main()
