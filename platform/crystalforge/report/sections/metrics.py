"""Every metric of the evaluation beside its nulls, baselines and real crystals, with intervals and denominators."""

from __future__ import annotations

from typing import Any

from crystalforge.report.context import ReportContext
from crystalforge.report.evaluated import evaluated_figures
from crystalforge.report.section import Absent, Section
from crystalforge.report.sources import ORDER, source_of

HEADLINES = (
    "accepted",
    "valid_pgcgm",
    "valid_cdvae",
    "group_equal_0.1",
    "smact",
    "distinct",
    "novel_formula",
    "novel",
    "distinct_novel",
    "wasserstein_log_volume_per_atom",
    "wasserstein_contact_ratio",
    "template_distance",
    "element_distance",
    "rediscovered",
    "structure_match",
)
"""Shown at once; the others unfold."""


def make(context: ReportContext) -> Section:
    """A row per metric, a column per source."""
    title = "Metrics beside their nulls"
    figures = evaluated_figures(context)
    if not figures:
        command = f"platform evaluate {context.generation_id}"
        return Section("metrics", title, absent=Absent("This generation was not evaluated.", (command,)))
    names = sorted(dict.fromkeys(row["source"] for row in figures), key=lambda name: ORDER.index(source_of(name).role))
    rows: dict[str, dict[str, Any]] = {}
    for row in figures:
        line = rows.setdefault(row["metric"], {"first": row, "cells": {}})
        line["cells"][row["source"]] = row
    lines = [
        line | {"name": name, "is_share": line["first"]["unit"] == "1" and _is_share(line)}
        for name, line in rows.items()
    ]
    values = {
        "sources": [(name, source_of(name)) for name in names],
        "headlines": [line for line in lines if line["name"] in HEADLINES],
        "others": [line for line in lines if line["name"] not in HEADLINES],
        "reference": figures[0]["reference"],
        "held_out": figures[0]["held_out"],
        "n_samples": {row["source"]: row["n_samples"] for row in figures},
    }
    lead = "Under each value stand its 95 % interval and n, what it is divided by. Read no figure without its null."
    return Section("metrics", title, lead, values)


def _is_share(line: dict[str, Any]) -> bool:
    """Whether all values lie in 0 to 1, of a metric that counts and measures no distance."""
    name = str(line["first"]["metric"])
    measured = ("wasserstein" in name, name.endswith("_distance"), "_error" in name)
    return not any(measured)
