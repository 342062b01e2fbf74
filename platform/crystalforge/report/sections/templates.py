"""Wyckoff templates: which letters the three sites take, drawn beside real crystals and the null."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from crystalforge.evaluation.samples import GENERATED, NOISE, TRAINING
from crystalforge.report.context import ReportContext
from crystalforge.report.evaluated import evaluated_figures, occurrences
from crystalforge.report.section import Absent, Section
from crystalforge.report.sources import source_of

SHOWN = (GENERATED, TRAINING, NOISE)
N_TEMPLATES = 6
"""Of a space group, by the larger of the drawn and the real share; the others are told together."""
METRICS = ("template_distance", "template_coverage", "novel_template", "new_templates")


def make(context: ReportContext) -> Section:
    """A card per space group."""
    title = "Wyckoff templates"
    rows = [row for row in occurrences(context, "template") if row["source"] in SHOWN]
    if not rows:
        command = f"platform evaluate {context.generation_id}"
        why = "The templates of this generation were not yet counted in one setting."
        return Section("templates", title, absent=Absent(why, (command,)))
    groups: dict[int, dict[str, dict[str, Any]]] = defaultdict(dict)
    totals: dict[tuple[int, str], int] = defaultdict(int)
    for row in rows:
        groups[row["space_group_number"]].setdefault(row["name"], {})[row["source"]] = row
        totals[row["space_group_number"], row["source"]] += row["count"]
    cards = [
        _card(number, groups[number], totals) for number in sorted(groups, key=lambda n: -context.counts.get(n, 0))
    ]
    values = {
        "cards": cards,
        "sources": [source_of(name) for name in SHOWN],
        "metrics": [row for row in evaluated_figures(context) if row["metric"] in METRICS and row["source"] in SHOWN],
    }
    lead = "Letters of the Wyckoff positions of the three sites, sorted, each crystal in its canonical setting."
    return Section("templates", title, lead, values)


def _card(number: int, templates: dict[str, dict[str, Any]], totals: dict[tuple[int, str], int]) -> dict[str, Any]:
    def share(name: str, source: str) -> float:
        row = templates[name].get(source)
        return float(row["share"]) if row else 0.0

    common = sorted(templates, key=lambda name: (-max(share(name, GENERATED), share(name, TRAINING)), name))
    shown = [name for name in common[:N_TEMPLATES] if share(name, GENERATED) or share(name, TRAINING)]
    rest = common[len(shown) :]
    return {
        "space_group_number": number,
        "templates": [(name, {source: share(name, source) for source in SHOWN}) for name in shown],
        "n_rest": len(rest),
        "rest": {source: sum(share(name, source) for name in rest) for source in SHOWN},
        "totals": {source: totals[number, source] for source in SHOWN},
        "n_drawn": sum(GENERATED in found for found in templates.values()),
        "n_real": sum(TRAINING in found for found in templates.values()),
    }
