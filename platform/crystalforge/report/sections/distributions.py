"""Volumes and contacts of the samples beside real crystals and nulls, all together and by space group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crystalforge.evaluation.samples import SampleSet
from crystalforge.report.context import ReportContext
from crystalforge.report.evaluated import evaluated_figures
from crystalforge.report.figures import Figure, Trace, figure, steps
from crystalforge.report.section import Section
from crystalforge.report.sources import NULL_WORDS, ORDER, SOURCES, Source, source_of
from crystalforge.symmetry import space_group

ALL = "all"


@dataclass(frozen=True)
class Quantity:
    """What is counted into bins."""

    name: str
    column: str
    """Of ``samples`` and ``materials``."""
    title: str
    start: float
    """Of the first bin; of its logarithm to base 10 where the axis is logarithmic."""
    width: float
    n_bins: int
    is_logarithmic: bool
    metric: str
    """Of ``evaluations``: its distance from the real crystals set aside, over that of two halves of these."""

    @property
    def expression(self) -> str:
        """SQL of what is cut into bins."""
        return f"log10({self.column})" if self.is_logarithmic else self.column

    @property
    def centres(self) -> list[float]:
        """Of the bins, on the axis."""
        middles = [self.start + (place + 0.5) * self.width for place in range(self.n_bins)]
        return [10**middle for middle in middles] if self.is_logarithmic else middles

    def places(self, values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Bin of each value; ``n_bins`` for what lies outside or is not known."""
        with np.errstate(divide="ignore", invalid="ignore"):
            cut = np.log10(values) if self.is_logarithmic else values
            bins = np.floor((cut - self.start) / self.width)
        return np.where((bins >= 0) & (bins < self.n_bins), bins, self.n_bins).astype(np.int64)


VOLUME = Quantity(
    name="volume",
    column="volume_per_atom",
    title="volume per atom (Å³)",
    start=0.3,
    width=0.03,
    n_bins=90,
    is_logarithmic=True,
    metric="wasserstein_ratio_log_volume_per_atom",
)
CONTACT = Quantity(
    name="contact",
    column="min_contact_ratio",
    title="least distance over sum of atomic radii",
    start=0.0,
    width=0.02,
    n_bins=75,
    is_logarithmic=False,
    metric="wasserstein_ratio_contact_ratio",
)
QUANTITIES = (VOLUME, CONTACT)
TICKS = [2, 5, 10, 20, 50, 100, 200, 500, 1000]
BINS = """
SELECT space_group_number, floor(({cut} - {start}) / {width})::BIGINT AS bin, count(*) AS n
FROM {table} WHERE {owner} AND {column} > 0 GROUP BY ALL
"""
OWNERS = {
    "samples": "generation_id = $generation",
    "materials": "dataset_id = $dataset AND list_contains($groups, space_group_number)",
}
Counts = dict[int, np.ndarray[Any, np.dtype[np.int64]]]
"""Space group → (n_bins + 1,) counts; the last holds what lies outside."""


def make(context: ReportContext) -> Section:
    """A figure for each quantity, with the space groups as alternatives."""
    figures: dict[str, Figure] = {}
    outside: dict[str, list[dict[str, Any]]] = {}
    for quantity in QUANTITIES:
        counted = _count(context, quantity)
        figures[quantity.name] = _figure(quantity, counted, list(context.counts))
        outside[quantity.name] = [
            {"source": source, "share": float(_pooled(counts)[-1] / max(_pooled(counts).sum(), 1))}
            for source, counts in counted
        ]
    names = {str(number): f"{number}  {space_group(number).international_symbol}" for number in sorted(context.counts)}
    values = {
        "choices": {ALL: "all space groups", **names},
        "outside": outside,
        "quantities": QUANTITIES,
        "distances": _distances(context),
        "null_words": NULL_WORDS,
        "n_nulls": len(context.nulls[0]) if context.nulls else 0,
        "evaluate_command": f"platform evaluate {context.generation_id}",
        "source_of": source_of,
    }
    lead = "Samples whose sites could be merged, rejected ones included, beside the dataset and three nulls."
    return Section("distributions", "Volumes and contacts", lead, values, figures)


def _distances(context: ReportContext) -> list[dict[str, Any]]:
    """A line per source with its distance from the real crystals, quantity by quantity; empty before an evaluation."""
    found: dict[str, dict[str, Any]] = {}
    metrics = {quantity.metric: quantity.name for quantity in QUANTITIES}
    for row in evaluated_figures(context):
        if row["metric"] in metrics and row["value"] is not None:
            found.setdefault(row["source"], {})[metrics[row["metric"]]] = row
    lines = [{"source": source_of(name), "rows": rows} for name, rows in found.items()]
    return sorted(lines, key=lambda line: ORDER.index(line["source"].role))


def _count(context: ReportContext, quantity: Quantity) -> list[tuple[Source, Counts]]:
    counted = [(SOURCES[table], _count_rows(context, quantity, table)) for table in OWNERS]
    counted += [(source_of(samples.source), _count_null(samples, quantity)) for samples in context.nulls]
    return [(source, counts) for source, counts in counted if counts]


def _count_rows(context: ReportContext, quantity: Quantity, table: str) -> Counts:
    sql = BINS.format(
        cut=quantity.expression,
        column=quantity.column,
        start=quantity.start,
        width=quantity.width,
        table=table,
        owner=OWNERS[table],
    )
    counts: Counts = {}
    groups = {"groups": list(context.counts)} if "$groups" in sql else {}
    for row in context.rows(sql, **groups):
        of_group = counts.setdefault(row["space_group_number"], np.zeros(quantity.n_bins + 1, dtype=np.int64))
        place = row["bin"] if 0 <= row["bin"] < quantity.n_bins else quantity.n_bins
        of_group[place] += row["n"]
    return counts


def _count_null(samples: SampleSet, quantity: Quantity) -> Counts:
    values = samples.volumes_per_atom if quantity is VOLUME else samples.contacts.min_contact_ratio
    groups = samples.crystals.space_group_number
    places = quantity.places(values)
    return {
        int(number): np.bincount(places[groups == number], minlength=quantity.n_bins + 1)
        for number in np.unique(groups)
    }


def _pooled(counts: Counts) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.sum(list(counts.values()), axis=0)


def _figure(quantity: Quantity, counted: list[tuple[Source, Counts]], groups: list[int]) -> Figure:
    def traces(number: int | None) -> list[Trace]:
        found = []
        for source, counts in counted:
            mine = (
                _pooled(counts) if number is None else counts.get(number, np.zeros(quantity.n_bins + 1, dtype=np.int64))
            )
            found.append(steps(source, mine[:-1].tolist(), int(mine.sum()), quantity.centres))
        return found

    ends = [quantity.start, quantity.start + quantity.width * quantity.n_bins]
    logarithmic = {"type": "log", "tickvals": TICKS} if quantity.is_logarithmic else {}
    drawn = figure(
        traces(None),
        x=quantity.title,
        y="share of crystals",
        described=f"Histogram of the {quantity.title}, by source.",
        x_axis={"range": ends, **logarithmic},
        y_axis={"rangemode": "tozero", "tickformat": ".0%"},
    )
    return drawn | {"alternatives": {str(number): traces(number) for number in groups}}
