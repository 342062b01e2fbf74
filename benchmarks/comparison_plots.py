"""The figure of mode collapse: templates and elements of every space group, generated against real."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from comparison_figures import shares_of
from harness import SVG_METADATA, SVG_SETTINGS

FILES = {"template": "comparison_templates.svg", "element": "comparison_elements.svg"}
TEMPLATES = 6
"""Commonest ones of the training crystals that are drawn; the rest is one bar."""
NAMED_EVERY = 8
"""Every eighth element is named."""
LEAST_SHARE = 1e-4
"""Foot of the axis of templates, which is logarithmic: the rare ones are what collapses."""
SOURCES = {"generated": "forge", "training": "real, training"}
N_COLUMNS = 3


def plots(occurrences: Sequence[dict[str, Any]], groups: Sequence[int], folder: Path) -> list[str]:
    """Draw both figures; returns their file names."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(SVG_SETTINGS):
        for kind, name in FILES.items():
            n_rows = -(-len(groups) // N_COLUMNS)
            figure, axes = pyplot.subplots(n_rows, N_COLUMNS, figsize=(10.5, 1.9 * n_rows), layout="constrained")
            for panel, group in zip(np.atleast_1d(axes).ravel(), groups, strict=False):
                shares = {source: shares_of(occurrences, kind, source, group) for source in SOURCES}
                _DRAWN[kind](panel, shares)
                panel.set_title(str(group), fontsize=9)
            figure.axes[0].legend(fontsize=7)
            figure.savefig(folder / name, metadata=SVG_METADATA)
            pyplot.close(figure)
    return list(FILES.values())


Shares = dict[str, dict[str, float]]


def _ranked(shares: Shares) -> list[str]:
    """All names, the commonest of the training crystals first."""
    real = shares["training"]
    return sorted({*real, *shares["generated"]}, key=lambda name: (-real.get(name, 0.0), name))


def _draw_templates(panel: Any, shares: Shares) -> None:
    """Bars of the commonest templates, and one of all others."""
    common = _ranked(shares)[:TEMPLATES]
    labels = [*common, "other"]
    for place, (source, label) in enumerate(SOURCES.items()):
        heights = [shares[source].get(name, 0.0) for name in common]
        heights.append(max(0.0, sum(shares[source].values()) - sum(heights)))
        panel.bar(np.arange(len(labels)) + 0.4 * (place - 0.5), heights, 0.4, label=label)
    panel.set_xticks(range(len(labels)), labels, fontsize=7)
    panel.set_yscale("log")
    panel.set_ylim(LEAST_SHARE, 1.5)


def _draw_elements(panel: Any, shares: Shares) -> None:
    """All elements by their rank among the training crystals; some are named."""
    names = _ranked(shares)
    for source, label in SOURCES.items():
        heights = [shares[source].get(name, 0.0) for name in names]
        style = {"marker": ".", "linestyle": "none"} if source == "generated" else {}
        panel.plot(range(len(names)), heights, label=label, **style)
    panel.set_xticks(range(0, len(names), NAMED_EVERY), names[::NAMED_EVERY], fontsize=7)
    panel.set_ylim(bottom=0)


_DRAWN = {"template": _draw_templates, "element": _draw_elements}
