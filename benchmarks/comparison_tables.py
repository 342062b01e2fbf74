"""The page docs/comparison.md from figures alone: verdict first, then each table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from comparison_figures import Figures
from comparison_targets import DISTINCT, DONOR, FORGE, RATIOS, REAL, Verdict

MODELS = {
    FORGE: "forge",
    "paper": "paper",
    "quick": "quick",
    DONOR: "donor",
    "swap": "swap",
    REAL: "real, set aside",
    "training": "real, training",
    "noise": "noise",
    "random_triples": "random triples",
    "real_cells": "real cells",
}
"""Columns of the table of all metrics, in order; those without figures are left out."""
NOTHING = "–"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table of Markdown; all columns but the first to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(NOTHING if cell is None else str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def number(value: float | None, kind: str = "number") -> str:
    """A figure as the tables show it: shares in percent, others with three digits."""
    if value is None:
        return NOTHING
    if kind == "share":
        return f"{100 * value:.2f}" if 0.995 <= value < 1 else f"{100 * value:.1f}"
    return f"{value:.3g}"


def spread(values: Sequence[float], kind: str = "number") -> str:
    """Mean of the seeds with the least and the greatest in brackets."""
    if not values:
        return NOTHING
    mean = number(sum(values) / len(values), kind)
    if len(values) == 1:
        return mean
    return f"{mean} ({number(min(values), kind)} to {number(max(values), kind)})"


def kind_of(metric: str, unit: str) -> str:
    """Whether a metric is a share, shown in percent, or another number."""
    distance = metric.startswith(("wasserstein", "template_distance", "element_distance"))
    return "share" if unit == "1" and not distance and not metric.endswith(("_error", "_of_first_hit")) else "number"


def kinds(figures: Figures) -> dict[str, str]:
    """Metric → kind; the match of the first hit is a share, its volume error is not."""
    found = {metric: kind_of(metric, unit) for metric, unit in figures.units.items()}
    return found | {"match_of_first_hit": "share"}


def targets_table(found: Sequence[Verdict]) -> str:
    """Target, figures of each seed, and whether all seeds hold it."""
    rows = [
        (
            verdict.text,
            verdict.bound,
            ", ".join(number(value, verdict.kind) for value in verdict.values),
            "holds" if verdict.holds else "**does not**",
            verdict.detail or NOTHING,
            *(number(value, verdict.kind) for value in (*verdict.beside, None, None, None)[:3]),
            NOTHING if verdict.n is None else f"{verdict.n:,}",
        )
        for verdict in found
    ]
    return table(
        ("forge, raw samples", "target", "each seed", "", "space groups", "donor", "real", "best null", "n"), rows
    )


def pooled_table(figures: Figures) -> str:
    """Every metric beside everything, all space groups pooled."""
    shown = [model for model in MODELS if figures.seeds(model)]
    rows = []
    for metric, kind in kinds(figures).items():
        cells = [spread(figures.values(metric, model), kind) for model in shown]
        n = [figures.n(metric, model) for model in (FORGE, DONOR, REAL)]
        rows.append((f"`{metric}`", *cells, "; ".join(NOTHING if k is None else f"{k:,}" for k in n)))
    return table(("metric", *(MODELS[model] for model in shown), "n: forge; donor; real"), rows)


def group_table(figures: Figures, columns: Sequence[tuple[str, str, str]], others: Sequence[Figures] = ()) -> str:
    """One line for each space group.

    Args:
        figures: of one evaluation.
        columns: head, metric, model.
        others: for each column that ends a longer list, the figures to take instead; the last ones.
    """
    sources = [figures] * (len(columns) - len(others)) + list(others)
    kind = kinds(figures)
    rows = []
    for group in [*figures.groups, None]:
        cells = [
            spread(source.values(metric, model, group), kind[metric])
            for (_, metric, model), source in zip(columns, sources, strict=True)
        ]
        _, metric, model = columns[0]
        n = figures.n(metric, model, group)
        rows.append((group or "all", NOTHING if n is None else f"{n:,}", *cells))
    return table(("space group", "n", *(head for head, _, _ in columns)), rows)


def contact_table(figures: Figures) -> str:
    """Contacts of novel formulas, and what is rejected."""
    metric = "valid_pgcgm_novel_formula"
    others = [(model, metric, model) for model in ("paper", "quick", DONOR, "swap", "noise") if figures.seeds(model)]
    real = ("real (all)", "valid_pgcgm", REAL)
    return group_table(figures, [("forge", metric, FORGE), *others, real, ("forge accepted", "accepted", FORGE)])


def structure_table(figures: Figures) -> str:
    """Structures asked for: match and error of the volume."""
    columns = []
    for metric, short in (("structure_match", "match"), ("structure_volume_error", "volume error")):
        columns += [(f"{short}: {model}", metric, model) for model in (FORGE, DONOR, "swap")]
        columns.append((f"{short}: null", metric, "real_cells"))
    return group_table(figures, columns)


def ratio_table(figures: Figures) -> str:
    """Wasserstein distances over those of two halves of the real crystals set aside."""
    columns = []
    for metric in RATIOS:
        name = metric.removeprefix("wasserstein_ratio_").replace("_per_atom", "").replace("_", " ")
        columns += [(f"{name}: forge", metric, FORGE), (f"{name}: donor", metric, DONOR)]
        columns += [(f"{name}: training", metric, "training"), (f"{name}: noise", metric, "noise")]
    return group_table(figures, columns)


def rediscovery_table(figures: Figures, equal: Figures) -> str:
    """Crystals set aside that are found, by share and with equal shares."""
    models = (FORGE, DISTINCT, DONOR, "swap", "paper", "quick", "random_triples")
    columns = [(model, "rediscovered", model) for model in models if figures.seeds(model)]
    return group_table(figures, [*columns, ("forge, equal shares", "rediscovered", FORGE)], [equal])


def collapse_table(rows: Sequence[dict[str, Any]]) -> str:
    """Distances of occurrences beside what chance and one single template give."""
    head = ("space group", "n", "templates")
    names = ("template distance", "chance", "one template", "template coverage", "chance", "one template")
    elements = ("element distance", "chance", "real, set aside")
    keys = ("template_distance", "template_chance", "template_one", "coverage", "coverage_chance", "coverage_one")
    more = ("element_distance", "element_chance", "element_real")
    lines = [
        (row["group"], f"{row['n']:,}", row["templates"], *(number(row[key]) for key in (*keys, *more))) for row in rows
    ]
    return table((*head, *names, *elements), lines)
