"""The figures of an evaluation as rows of its two tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from crystalforge.evaluation.compositional_validity import smact_version
from crystalforge.evaluation.distances import elements_of, templates_of
from crystalforge.evaluation.intervals import Figure
from crystalforge.evaluation.metrics import METRICS
from crystalforge.evaluation.real_crystals import RealCrystals
from crystalforge.evaluation.samples import SampleSet
from crystalforge.schemas import EVALUATIONS, OCCURRENCES


def figures_table(
    generation_id: str, real: RealCrystals, sets: Sequence[SampleSet], figures: Sequence[Figure]
) -> pa.Table:
    """Rows of schema ``evaluations``, metrics in the order of ``METRICS``, sources in the order of the sets.

    Args:
        generation_id: the generation that was judged.
        real: what it was measured against.
        sets: all sources.
        figures: of all sources.
    """
    order = {name: place for place, name in enumerate(METRICS)}
    ranks = {samples.source: place for place, samples in enumerate(sets)}
    ids = {samples.source: samples.generation_id for samples in sets}
    sizes = {(samples.source, number): n for samples in sets for number, n in _sizes(samples).items()}
    ordered = sorted(figures, key=lambda f: (order[f.metric], f.space_group_number or 0, ranks[f.source]))
    rows: list[dict[str, Any]] = [
        {
            "generation_id": generation_id,
            "reference": real.reference,
            "held_out": real.held_out,
            "metric": figure.metric,
            "version": METRICS[figure.metric].version,
            "definition": METRICS[figure.metric].definition.replace("SMACT", f"SMACT {smact_version()}"),
            "denominator": METRICS[figure.metric].denominator,
            "unit": METRICS[figure.metric].unit,
            "space_group_number": figure.space_group_number,
            "source": figure.source,
            "source_generation_id": ids[figure.source],
            **{name: _known(getattr(figure, name)) for name in ("value", "low", "high")},
            "n": figure.n,
            "n_samples": sizes.get((figure.source, figure.space_group_number), 0),
        }
        for figure in ordered
    ]
    return pa.Table.from_pylist(rows, schema=EVALUATIONS)


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _sizes(samples: SampleSet) -> dict[int | None, int]:
    numbers, counts = np.unique(samples.space_group_number, return_counts=True)
    return {None: len(samples), **dict(zip(numbers.tolist(), counts.tolist(), strict=True))}


def occurrences_table(generation_id: str, sets: Sequence[SampleSet]) -> pa.Table:
    """Rows of schema ``occurrences``: templates and elements of every source, by space group."""
    rows: list[dict[str, Any]] = []
    for samples in sets:
        for kind, (numbers, names) in {"template": templates_of(samples), "element": elements_of(samples)}.items():
            for number in np.unique(numbers).tolist():
                found, counts = np.unique(names[numbers == number], return_counts=True)
                rows += [
                    {
                        "generation_id": generation_id,
                        "kind": kind,
                        "space_group_number": number,
                        "name": name.split(" ")[-1],
                        "source": samples.source,
                        "count": count,
                        "share": count / counts.sum(),
                    }
                    for name, count in zip(found.tolist(), counts.tolist(), strict=True)
                ]
    return pa.Table.from_pylist(rows, schema=OCCURRENCES)
