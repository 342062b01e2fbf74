"""Plots of prototype_recovery.py, from its figures alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import SVG_METADATA, SVG_SETTINGS

BARS, CURVES = "prototype_recovery.svg", "prototype_recovery_cutoff.svg"


def plots(results: dict[str, Any], folder: Path) -> list[str]:
    """Draw both plots; returns their file names."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    with mpl.rc_context(SVG_SETTINGS):
        for name, draw in {BARS: _draw_bars, CURVES: _draw_curves}.items():
            figure = draw(results, pyplot)
            figure.savefig(folder / name, metadata=SVG_METADATA)
            pyplot.close(figure)
    return [BARS, CURVES]


def _draw_bars(results: dict[str, Any], pyplot: Any) -> Any:
    noises = list(results["ours"])
    null = results["null"]["matched"]
    bars = {
        "ours, match": [results["ours"][noise]["matched"] for noise in noises],
        "ours, strict": [results["ours"][noise]["strict"] for noise in noises],
        "published chain, match": [results["published"][noise]["matched"] for noise in noises],
        "null (random sites), match": [null] * len(noises),
    }
    figure, axes = pyplot.subplots(figsize=(6.4, 3.0), layout="constrained")
    width = 0.8 / len(bars)
    for place, (name, values) in enumerate(bars.items()):
        heights = [100 * value["share"] for value in values]
        left = [index + (place - 1.5) * width for index in range(len(noises))]
        axes.bar(left, heights, width, yerr=[100 * value["se"] for value in values], label=name)
    axes.set_xticks(range(len(noises)), [f"±{noise}" for noise in noises])
    axes.set(xlabel="noise on each fractional coordinate", ylabel="crystals recovered (%)", ylim=(0, 105))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure


def _draw_curves(results: dict[str, Any], pyplot: Any) -> Any:
    panels = {
        "ratio": "cut-off / 2r",
        "floor": "floor f (Å) of max(0.5 · 2r, f)",
        "noise_factor": "cut-off / σ (noise known)",
    }
    figure, all_axes = pyplot.subplots(1, len(panels), figsize=(9.6, 3.2), sharey=True, layout="constrained")
    for axes, (name, label) in zip(all_axes, panels.items(), strict=True):
        curve = results["cutoffs"][name]
        for index, (noise, shares) in enumerate(curve["recovered"].items()):
            axes.plot(curve["value"], _percents(shares), f"C{index}", marker=".", label=f"recovered, ±{noise}")
            if name == "ratio":
                floored = results["cutoffs"]["ratio_floored"]["recovered"][noise]
                axes.plot(curve["value"], _percents(floored), f"C{index}:")
        greatest = _percents(curve["destroyed"][max(results["ours"], key=float)])
        axes.plot(curve["value"], greatest, "k--", label="real crystals destroyed")
        axes.set_xlabel(label)
    all_axes[0].plot([], [], "k:", label="recovered, at least 1 Å")
    default = next(iter(results["recipes"].values()))
    all_axes[0].axvline(default["ratio"], color="0.7", zorder=0)
    all_axes[1].axvline(default["floor_angstrom"], color="0.7", zorder=0)
    all_axes[0].set(ylabel="share (%)", ylim=(-2, 102))
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels) // 2 + 1, frameon=False)
    return figure


def _percents(shares: Sequence[float]) -> list[float]:
    return [100 * share for share in shares]
