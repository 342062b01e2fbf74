"""Plots of an evaluation: shares beside their nulls, and templates beside those of real crystals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

SHARES = (
    "valid_pgcgm",
    "smact",
    "distinct",
    "novel_formula",
    "template_coverage",
    "rediscovered",
    "match_of_first_hit",
)
N_TEMPLATES = 8
"""Commonest templates of a space group that are drawn."""


def draw_shares(figures: pa.Table) -> Any:
    """A matplotlib figure: pooled shares of every source with their intervals."""
    from matplotlib.figure import Figure

    rows = [row for row in figures.to_pylist() if row["space_group_number"] is None and row["metric"] in SHARES]
    sources = list(dict.fromkeys(row["source"] for row in rows))
    figure = Figure(figsize=(1.6 * len(SHARES), 4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / max(len(sources), 1)
    for place, source in enumerate(sources):
        known = [row for row in rows if row["source"] == source and row["value"] is not None]
        x = np.array([SHARES.index(row["metric"]) for row in known]) + (place - (len(sources) - 1) / 2) * width
        values = np.array([row["value"] for row in known])
        spread = np.array([[row["value"] - row["low"], row["high"] - row["value"]] for row in known]).reshape(-1, 2).T
        axes.bar(x, values, width, yerr=np.maximum(spread, 0), error_kw={"elinewidth": 0.6}, label=source)
    axes.set(ylabel="share", ylim=(0, 1.02))
    axes.set_xticks(range(len(SHARES)), [name.replace("_", "\n") for name in SHARES], fontsize=7)
    axes.legend(fontsize=7)
    return figure


def draw_occurrences(occurrences: pa.Table) -> Any:
    """A matplotlib figure: the commonest templates of each space group, generated against training crystals."""
    from matplotlib.figure import Figure

    rows = [row for row in occurrences.to_pylist() if row["kind"] == "template"]
    groups = sorted({row["space_group_number"] for row in rows})
    shares = {(row["space_group_number"], row["source"], row["name"]): row["share"] for row in rows}
    n_columns = min(4, max(len(groups), 1))
    n_rows = -(-max(len(groups), 1) // n_columns)
    figure = Figure(figsize=(3.2 * n_columns, 2.4 * n_rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(n_rows, n_columns)).ravel()
    for panel, number in zip(panels, groups, strict=False):
        names = sorted({name for group, _, name in shares if group == number})
        total = {name: sum(shares.get((number, s, name), 0.0) for s in ("generated", "training")) for name in names}
        common = sorted(names, key=lambda name: (-total[name], name))[:N_TEMPLATES]
        for offset, source in ((-0.2, "generated"), (0.2, "training")):
            heights = [shares.get((number, source, name), 0.0) for name in common]
            panel.bar(np.arange(len(common)) + offset, heights, 0.4, label=source)
        panel.set_xticks(range(len(common)), common, fontsize=6)
        panel.set_title(str(number), fontsize=8)
    panels[0].legend(fontsize=6)
    return figure
