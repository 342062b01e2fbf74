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
from crystalforge.report.sources import NULL_WORDS, SOURCES, Source, source_of
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
    width: float
    n_bins: int
    metric: str
    """Of ``evaluations``: its distance from the real crystals set aside."""


VOLUME = Quantity(
    name="volume",
    column="volume_per_atom",
    title="volume per atom (Å³)",
    start=0.0,
    width=1.25,
    n_bins=64,
    metric="wasserstein_ratio_log_volume_per_atom",
)
CONTACT = Quantity(
    name="contact",
    column="min_contact_ratio",
    title="least distance over sum of atomic radii",
    start=0.2,
    width=0.02,
    n_bins=60,
    metric="wasserstein_ratio_contact_ratio",
)
QUANTITIES = (VOLUME, CONTACT)
BINS = """
SELECT space_group_number, floor(({column} - {start}) / {width})::BIGINT AS bin, count(*) AS n
FROM {table} WHERE {owner} AND {column} IS NOT NULL GROUP BY ALL
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
        "distances": {
            quantity.name: [row for row in evaluated_figures(context) if row["metric"] == quantity.metric]
            for quantity in QUANTITIES
        },
        "null_words": NULL_WORDS,
        "n_nulls": len(context.nulls[0]) if context.nulls else 0,
        "evaluate_command": f"platform evaluate {context.generation_id}",
        "source_of": source_of,
    }
    lead = "Samples whose sites could be merged, rejected ones included, beside the dataset and three nulls."
    return Section("distributions", "Volumes and contacts", lead, values, figures)


def _count(context: ReportContext, quantity: Quantity) -> list[tuple[Source, Counts]]:
    counted = [(SOURCES[table], _count_rows(context, quantity, table)) for table in OWNERS]
    counted += [(source_of(samples.source), _count_null(samples, quantity)) for samples in context.nulls]
    return [(source, counts) for source, counts in counted if counts]


def _count_rows(context: ReportContext, quantity: Quantity, table: str) -> Counts:
    sql = BINS.format(
        column=quantity.column, start=quantity.start, width=quantity.width, table=table, owner=OWNERS[table]
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
    bins = np.floor((np.nan_to_num(values, nan=-1e9, posinf=1e9) - quantity.start) / quantity.width)
    places = np.where((bins >= 0) & (bins < quantity.n_bins), bins, quantity.n_bins).astype(np.int64)
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
            found.append(steps(source, mine[:-1].tolist(), int(mine.sum()), quantity.start, quantity.width))
        return found

    drawn = figure(
        traces(None),
        x=quantity.title,
        y="share of crystals",
        described=f"Histogram of the {quantity.title}, by source.",
        x_axis={"range": [quantity.start, quantity.start + quantity.width * quantity.n_bins]},
        y_axis={"rangemode": "tozero", "tickformat": ".0%"},
    )
    return drawn | {"alternatives": {str(number): traces(number) for number in groups}}
