"""The page of stability.py, from its figures alone: targets first, then the funnel, the scale and what limits them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

LOWER, FACE = "uncovered as not stable", "uncovered as judged"
NEAR, SUN = "within 0.1 eV/atom", "M.S.U.N. (within 0.1, unique, novel)"
NEW_SUN = "M.S.U.N. of a new formula"
TARGETS = (
    ("within 0.1 eV/atom of the hull", NEAR, 0.20),
    ("S.U.N. (stable: within 0.1 eV/atom)", SUN, 0.15),
    ("S.U.N. (stable: at most 0 eV/atom)", "S.U.N. (at most 0, unique, novel)", 0.15),
)
"""What is aimed at for forge: name, step, least share of the raw samples."""
GREATEST_RMSD = 0.2
GROUP_COLUMNS = {
    "drawn": "n_drawn",
    "accepted": "n_accepted",
    "relaxed": "n_converged",
    "covered": "n_covered",
    "within 0.1, covered": "n_nearly_stable_covered",
    "within 0.1, as judged": "n_nearly_stable",
    "unique": "n_unique",
    "novel": "n_novel",
    "M.S.U.N., covered": "n_msun_covered",
    "M.S.U.N., as judged": "n_msun",
    "S.U.N., as judged": "n_sun",
}


def page(results: dict[str, Any]) -> str:
    """The whole page as Markdown."""
    parts = [
        "# Stable, unique and novel",
        "Made by `benchmarks/stability.py`; do not edit it. How crystals are relaxed and judged: "
        "[screening.md](screening.md).",
        f"Raw samples, drawn at random over all that a generation drew, rejected ones included, relaxed by "
        f"{results['potential']} against {results['reference']} ({results['correction']}). Nothing here is a "
        "calculation: the potential flatters weak crystals. The nulls have as many samples of each space group as "
        "forge: `noise` is random in everything, `random_triples` has random elements on the cells and sites of real "
        "crystals. Intervals: Wilson, 95 %, of the draw alone; the error of potential and scale is not in them.",
        " ".join(_training(name, one) for name, one in results["trainings"].items()),
        _unfinished(results),
        "## Targets",
        _targets(results),
        _beside_the_null(results["funnels"]),
        "## Funnel",
        _funnel(results["funnels"]),
        "A system is *covered* where the reference has a compound in every system of two or three of the elements. "
        "Elsewhere competitors may be missing and the energy above hull comes out too low, so each share that rests on "
        "it is told with such samples as not stable, left out, and as judged. *Unique*: the first of its kind among "
        "the relaxed crystals; *novel*: no crystal of the whole dataset, of any space group, matches the relaxed "
        "crystal; both by pymatgen's StructureMatcher (ltol 0.2, stol 0.3, angle_tol 5) within the reduced formula. "
        "Crystals of the reference that are not in the dataset have no structure here: *new formula* is the stricter "
        "test. *Not P1*: a space group above 1 at symprec 0.1 Å after relaxation. Unique falls with n.",
        _groups(results["funnels"]),
        _dataset(results["dataset"]),
        "## Relaxations",
        _costs(results["costs"]),
        "## Scale",
        _scale(results["scale"]),
        "## Commands",
        "```\n" + "\n".join(results["commands"]) + "\nplatform stability --by-group\n```",
        "All with `--reference`, `--elements` and `--correction` of the reference, `--max-seconds 600 --workers 1`. "
        "2 shared cores, no GPU.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _training(name: str, training: dict[str, Any]) -> str:
    ends = sorted({*training["generator_steps"][:1], *training["generator_steps"][-1:]})
    steps = " to ".join(f"{number:,}" for number in ends)
    return f"`{name}` is training {training['training_id']}, {steps} generator steps for each space group."


def _unfinished(results: dict[str, Any]) -> str:
    drawn = {name: rows[0]["n_drawn"] for name, rows in results["funnels"].items()}
    short = [f"{name} {n}" for name, n in drawn.items() if n < results["limit"]]
    if not short:
        return ""
    return (
        f"**Unfinished**: of {results['limit']} samples each, these were done: {', '.join(short)}. They are the first "
        "of a random order, so the shares hold with their intervals. The same command does the rest."
    )


def _share(rows: list[dict[str, Any]], step: str, counting: str | None) -> dict[str, Any]:
    shares = rows[0]["shares"]
    return next(share for share in shares if share["step"] == step and share["counting"] == counting)


def _targets(results: dict[str, Any]) -> str:
    funnels = results["funnels"]
    names = list(funnels)
    lines = [["of the raw samples", "target for forge", *names, "verdict"]]
    for name, step, least in TARGETS:
        for counting in (LOWER, FACE):
            shares = {source: _share(rows, step, counting) for source, rows in funnels.items()}
            verdict = _verdict(shares["forge"], least) if "forge" in shares else ""
            cells = [_percent(shares[source]) for source in names]
            lines.append([f"{name}; {counting}", f"≥ {least:.0%}", *cells, verdict])
    medians = {source: rows[0]["median_rmsd"] for source, rows in funnels.items()}
    met = medians.get("forge") is not None and medians["forge"] <= GREATEST_RMSD
    cells = [_length(medians[source], funnels[source][0]["n_converged"]) for source in names]
    lines.append(
        ["median displacement by the relaxation", f"≤ {GREATEST_RMSD} Å", *cells, "holds" if met else "missed"]
    )
    return _table(lines)


def _beside_the_null(funnels: dict[str, list[dict[str, Any]]]) -> str:
    """What the stronger null takes away from the figures."""
    if not {"forge", "random_triples"} <= set(funnels):
        return ""
    told = []
    for step, counting in ((SUN, LOWER), (SUN, FACE), (NEW_SUN, FACE)):
        forge, null = (_percent(_share(funnels[name], step, counting)) for name in ("forge", "random_triples"))
        told.append(f"- {step}; {counting}: forge {forge}; random elements on real sites {null}.")
    return (
        "Read them beside the null. Random elements rarely meet a system that the reference covers, and where it has "
        "gaps they pass easily as well; the dataset, which forge learned, is stable itself (table below), and a match "
        "with it is stable but not novel:\n\n" + "\n".join(told)
    )


def _verdict(share: dict[str, Any], least: float) -> str:
    if share["low"] is None:
        return ""
    if share["low"] >= least:
        return "holds"
    return "missed" if share["high"] < least else "holds, within its interval" if share["share"] >= least else "open"


def _funnel(funnels: dict[str, list[dict[str, Any]]]) -> str:
    names = list(funnels)
    lines = [["step", "uncovered systems", *(f"{name}, n {funnels[name][0]['n_drawn']}" for name in names)]]
    of_steps = zip(*(funnels[name][0]["shares"] for name in names), strict=True)
    lines += [[steps[0]["step"], steps[0]["counting"] or "", *map(_percent, steps)] for steps in of_steps]
    return _table(lines)


def _groups(funnels: dict[str, list[dict[str, Any]]]) -> str:
    parts = []
    for name, rows in funnels.items():
        lines = [["space group", *GROUP_COLUMNS]]
        for row in rows:
            group = row["space_group_number"] or "all"
            lines.append([str(group), *(str(row[column]) for column in GROUP_COLUMNS.values())])
        parts.append(f"### {name} by space group, counts\n\n{_table(lines)}")
    return "\n\n".join(parts)


def _dataset(rows: list[dict[str, Any]]) -> str:
    lines = [["space group", "crystals with an energy", "within 0.1 eV/atom", "at most 0 eV/atom"]]
    for row in rows:
        shares = [f"{row[name]} ({row[name] / row['n']:.0%})" if row["n"] else "–" for name in ("n_near", "n_stable")]
        lines.append([str(row["space_group_number"] or "all"), str(row["n"]), *shares])
    return f"### The dataset by space group, as tabulated\n\nThe models learned from these.\n\n{_table(lines)}"


def _costs(costs: dict[str, dict[str, float]]) -> str:
    ends = ("converged", "step_limit", "time_limit", "exploded", "failed")
    lines = [["what", "relaxed", *ends, "left their symmetry", "atoms, mean", "CPU s, mean"]]
    for name, row in costs.items():
        counts = [str(row[end]) for end in (*ends, "symmetry_broken")]
        lines.append([name, str(row["n"]), *counts, _plain(row["mean_atoms"], 1), _plain(row["mean_cpu"], 1)])
    return _table(lines)


def _scale(scale: dict[str, Any]) -> str:
    errors = scale["hull_errors"]
    lines = [["weight of the ridge", "mean absolute", "median absolute", "mean"]]
    lines += [[weight, *(_plain(value, 4) for value in row)] for weight, row in scale["sweep"].items()]
    if scale["given"]:
        lines.append(["elemental energies as given", *(_plain(value, 4) for value in scale["given"])])
    parts = [
        f"{scale['n_relaxed']} real crystals of the dataset, tabulated within 0.1 eV/atom of the hull, none of them "
        f"among the 60 on which the ridge's weight ({scale['ridge']:g}) was chosen. {scale['n_fitted']} are in the "
        "reference and kept their structure; they fit the scale. Error of the formation energy (eV/atom) of crystals "
        "left out of the fit, in five folds:",
        _table(lines),
    ]
    if errors["n"]:
        parts.append(
            f"Energy above hull of all {errors['n']} against the tabulated: mean absolute error "
            f"{errors['mean_absolute']:.3f} eV/atom, median {errors['median']:.3f}, mean {errors['mean']:+.3f}. "
            f"Tabulated on the hull: {errors['n_tabulated_stable']}; computed at or below it: "
            f"{errors['n_computed_stable']}; both: {errors['n_both_stable']}. Computed within 0.1: "
            f"{errors['n_computed_near']}: the share that real crystals reach. A crystal is called stable or not "
            "at 0 eV/atom with little right; at 0.1 with more. The fit saw most of these crystals."
        )
    return "\n\n".join(parts)


def _percent(share: dict[str, Any]) -> str:
    if share["share"] is None:
        return "–"
    return f"{share['share']:.1%} ({share['low']:.1%} to {share['high']:.1%}), {share['k']}/{share['n']}"


def _length(value: float | None, n: int) -> str:
    return "–" if value is None else f"{value:.3f} Å, n {n}"


def _plain(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _table(lines: Iterable[list[str]]) -> str:
    head, *rows = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([head, "|" + "---|" * (head.count("|") - 1), *rows])
