"""How the networks learned: each term of each epoch, a line per space group."""

from __future__ import annotations

from statistics import median
from typing import Any

from crystalforge.files import read_lines
from crystalforge.home import group_folder_name
from crystalforge.report.context import ReportContext
from crystalforge.report.figures import DIGITS, Figure, Trace, figure
from crystalforge.report.section import Absent, Section
from crystalforge.symmetry import space_group

PROGRESS = "progress.jsonl"
WORDS = {
    "wasserstein_distance": "critic's Wasserstein distance",
    "generator_loss": "generator's loss",
    "gradient_penalty": "gradient penalty",
    "accepted_share": "share of samples accepted",
    "validation_log_volume_error": "error of ln(volume), crystals set aside",
    "validation_site_error": "error of the sites, crystals set aside",
    "validation_contact_share": "share with room between the atoms, crystals set aside",
    "physics_volume": "physics loss: volume",
    "physics_contact": "physics loss: contacts",
    "physics_sites": "physics loss: sites",
}
"""Of the terms that recipes write; others keep their name."""
NULL_SUFFIX = "_null"
HIDDEN = ("crystals_per_second", "validation_n")


def make(context: ReportContext) -> Section:
    """One figure whose term is chosen."""
    title = "Training"
    training_id = str(context.plan.get("training_id"))
    curves = {number: _epochs(context, training_id, number) for number in context.counts}
    curves = {number: epochs for number, epochs in curves.items() if epochs}
    if not curves:
        recipe = context.training.get("recipe")
        why = f"Training {training_id} wrote no epochs: a baseline is fitted at once, or its folder is gone."
        commands = (f"platform train-all --recipe {recipe}",) if recipe not in (None, "donor", "swap") else ()
        return Section("training", title, absent=Absent(why, commands))
    terms = _terms(curves)
    drawn = _figure(curves, terms[0]) | {
        "highlight": True,
        "alternatives": {term: _traces(curves, term) for term in terms},
    }
    values = {
        "choices": {term: WORDS.get(term, term.replace("_", " ")) for term in terms},
        "recipe": context.training.get("recipe"),
        "training_id": training_id,
        "n_groups": len(curves),
        "seconds": _seconds(curves),
        "steps": max(epochs[-1]["generator_steps"] for epochs in curves.values()),
    }
    lead = "A thin line is a space group, the thick one the median over them; point at a line to see which it is."
    return Section("training", title, lead, values, {"training": drawn})


def _epochs(context: ReportContext, training_id: str, number: int) -> list[dict[str, Any]]:
    """Epochs in order; of one that a restarted worker repeated, the last."""
    lines = read_lines(context.home.trainings / training_id / group_folder_name(number) / PROGRESS)
    by_epoch = {line["epoch"]: line for line in lines if isinstance(line, dict) and "epoch" in line}
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def _terms(curves: dict[int, list[dict[str, Any]]]) -> list[str]:
    found = {name for epochs in curves.values() for line in epochs for name in line.get("terms", {})}
    shown = [name for name in found if not name.endswith(NULL_SUFFIX) and name not in HIDDEN]
    order = {name: place for place, name in enumerate(WORDS)}
    return sorted(shown, key=lambda name: (order.get(name, len(order)), name))


def _figure(curves: dict[int, list[dict[str, Any]]], term: str) -> Figure:
    return figure(
        _traces(curves, term),
        x="generator steps",
        y="value of the term",
        described=f"Terms of the loss by generator step; first the {WORDS.get(term, term)}.",
        showlegend=False,
        hovermode="closest",
    )


def _traces(curves: dict[int, list[dict[str, Any]]], term: str) -> list[Trace]:
    """A line per space group, its median, and the null where the epochs have one."""
    lines = [
        _line(_points(epochs, term), f"{number} {space_group(number).international_symbol}", "real", 1.1, 0.45)
        for number, epochs in sorted(curves.items())
    ]
    null = [_points(epochs, term + NULL_SUFFIX) for epochs in curves.values()]
    if any(null):
        lines.append(_line(_median(null), "null: noise, median", "noise", 2.2, 1.0, dash="dot"))
    middle = _median([_points(epochs, term) for epochs in curves.values()])
    return [*lines, _line(middle, "median of the space groups", "generated", 3.0, 1.0)]


Points = list[tuple[int, float]]


def _points(epochs: list[dict[str, Any]], term: str) -> Points:
    return [(line["generator_steps"], float(line["terms"][term])) for line in epochs if term in line.get("terms", {})]


def _median(all_points: list[Points]) -> Points:
    """Median at each step that at least half of the lines reach."""
    by_step: dict[int, list[float]] = {}
    for step, value in (point for points in all_points for point in points):
        by_step.setdefault(step, []).append(value)
    needed = len(all_points) / 2
    return [(step, median(values)) for step, values in sorted(by_step.items()) if len(values) >= needed]


def _line(points: Points, name: str, role: str, width: float, opacity: float, dash: str = "solid") -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [step for step, _ in points],
        "y": [float(f"{value:.{DIGITS}g}") for _, value in points],
        "name": name,
        "line": {"color": f"role:{role}", "width": width, "dash": dash},
        "opacity": opacity,
        "hovertemplate": f"{name}<br>step %{{x}}: %{{y:.4g}}<extra></extra>",
    }


def _seconds(curves: dict[int, list[dict[str, Any]]]) -> float | None:
    """From the first epoch's end to the last one's, of all space groups."""
    times = [line["time"] for epochs in curves.values() for line in epochs if "time" in line]
    return max(times) - min(times) if times else None
