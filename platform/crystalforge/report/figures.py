"""Figures as ``charts.js`` and Plotly read them: plain values whose colours are names, so that a page can be dark.

A colour ``role:NAME`` is the page's CSS variable ``--source-NAME``. A figure may have alternatives, other data by name,
among which a ``<select data-figures="NAME">`` of its section chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crystalforge.report.formats import integer
from crystalforge.report.sources import Source

DIGITS = 5
Figure = dict[str, Any]
Trace = dict[str, Any]


def figure(
    traces: Sequence[Trace],
    *,
    x: str,
    y: str,
    described: str,
    height: int = 340,
    x_axis: dict[str, Any] | None = None,
    y_axis: dict[str, Any] | None = None,
    **layout: Any,
) -> Figure:
    """A figure with the words of its axes.

    Args:
        traces: Plotly's traces.
        x: title of the axis, with its unit.
        y: title of the axis, with its unit.
        described: the figure in words, for those who do not see it.
        height: pixels.
        x_axis: more of Plotly's ``layout.xaxis``.
        y_axis: more of Plotly's ``layout.yaxis``.
        layout: more of Plotly's ``layout``.
    """
    return {
        "data": list(traces),
        "layout": {
            "height": height,
            "xaxis": {"title": {"text": x}, **(x_axis or {})},
            "yaxis": {"title": {"text": y}, **(y_axis or {})},
            **layout,
        },
        "described": described,
    }


def steps(source: Source, counts: Sequence[float], n: int, centres: Sequence[float]) -> Trace:
    """A histogram as a line of steps: the share of all n in each bin; what lies outside is in none.

    Args:
        source: whose it is.
        counts: of each bin.
        n: what they are divided by.
        centres: of the bins, on the axis.
    """
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [float(f"{centre:.{DIGITS}g}") for centre in centres],
        "y": [round(count / n, DIGITS) if n else 0 for count in counts],
        "name": f"{source.label} (n = {integer(n)})",
        **_line(source, shape="hvh"),
        **({"fill": "tozeroy", "fillcolor": f"role:{source.role}/0.14"} if source.role == "generated" else {}),
        "hovertemplate": "%{y:.2%}<extra>" + source.label + "</extra>",
    }


def cumulative(source: Source, values: Sequence[float], n: int) -> Trace:
    """Share of n that is at most x: of those without a value never."""
    ordered = sorted(values)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [round(value, DIGITS) for value in ordered],
        "y": [round((place + 1) / n, DIGITS) for place in range(len(ordered))],
        "name": f"{source.label} ({integer(len(ordered))} of {integer(n)})",
        **_line(source, shape="hv"),
        "hovertemplate": "%{y:.1%} at most %{x:.3f} eV/atom<extra>" + source.label + "</extra>",
    }


def _line(source: Source, shape: str) -> Trace:
    dash = {"noise": "dot", "triples": "dash", "cells": "dashdot"}.get(source.role, "solid")
    width = 2.6 if source.role == "generated" else 1.8
    return {"line": {"color": f"role:{source.role}", "width": width, "dash": dash, "shape": shape}}


def vertical(x: float, text: str, side: str = "left") -> tuple[dict[str, Any], dict[str, Any]]:
    """A thin line at x over the whole height, and its words, whose ``side`` is at the line: shape, annotation."""
    line = {"color": "role:soft", "width": 1, "dash": "dot"}
    shape = {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": line}
    words = {
        "x": x,
        "y": 1,
        "yref": "paper",
        "text": text,
        "showarrow": False,
        "xanchor": side,
        "yanchor": "top",
        "font": {"size": 11, "color": "role:soft"},
    }
    return shape, words
