"""The figure of mode collapse: templates and elements of every space group, generated against real."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from comparison_figures import shares_of
from harness import SVG_METADATA, SVG_SETTINGS

FILES = {"template": "comparison_templates.svg", "element": "comparison_elements.svg"}
SHOWN = {"template": 6, "element": 12}
"""Commonest ones of the training crystals that are drawn; the rest is one bar."""
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
                _draw(panel, kind, group, occurrences)
            figure.axes[0].legend(fontsize=7)
            figure.savefig(folder / name, metadata=SVG_METADATA)
            pyplot.close(figure)
    return list(FILES.values())


def _draw(panel: Any, kind: str, group: int, occurrences: Sequence[dict[str, Any]]) -> None:
    shares = {source: shares_of(occurrences, kind, source, group) for source in SOURCES}
    real = shares["training"]
    common = sorted(real, key=lambda name: (-real[name], name))[: SHOWN[kind]]
    labels = [*common, "other"]
    for place, (source, label) in enumerate(SOURCES.items()):
        heights = [shares[source].get(name, 0.0) for name in common]
        heights.append(max(0.0, sum(shares[source].values()) - sum(heights)))
        panel.bar(np.arange(len(labels)) + 0.4 * (place - 0.5), heights, 0.4, label=label)
    panel.set_xticks(range(len(labels)), labels, fontsize=7)
    panel.set_title(str(group), fontsize=9)
