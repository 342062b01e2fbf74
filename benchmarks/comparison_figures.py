"""The figures of model_comparison.py, by metric, model, seed and space group; and what chance gives of occurrences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

Row = dict[str, Any]
POOLED = None
N_DRAWS = 200


@dataclass(frozen=True)
class Figures:
    """Figures of one evaluation.

    Attributes:
        rows: (metric, model, seed, space group) → row of table ``evaluations``; the seed is None for real crystals and
            nulls, the space group None where all are pooled.
        units: metric → unit.
    """

    rows: dict[tuple[str, str, int | None, int | None], Row]
    units: dict[str, str]

    @classmethod
    def of(cls, rows: Sequence[Row], models: Mapping[str, str], seeds: Mapping[str, int]) -> Figures:
        """Rows of ``evaluations``, their sources named by the model and seed of their generation."""
        found = {}
        for row in rows:
            generation = row["source_generation_id"]
            model = models[generation] if generation else row["source"]
            found[row["metric"], model, seeds.get(generation or ""), row["space_group_number"]] = row
        return cls(found, {row["metric"]: row["unit"] for row in rows})

    @property
    def groups(self) -> list[int]:
        """Space groups, ascending."""
        return sorted({group for _, _, _, group in self.rows if group is not None})

    def seeds(self, model: str) -> list[int | None]:
        """Seeds of a model; a single None for real crystals and nulls."""
        return list(dict.fromkeys(seed for _, name, seed, _ in self.rows if name == model))

    def values(self, metric: str, model: str, group: int | None = POOLED) -> list[float]:
        """Known values of all seeds."""
        found = [self.rows.get((metric, model, seed, group), {}).get("value") for seed in self.seeds(model)]
        return [value for value in found if value is not None]

    def mean(self, metric: str, model: str, group: int | None = POOLED) -> float | None:
        """Mean over the seeds; None where nothing is known."""
        values = self.values(metric, model, group)
        return float(np.mean(values)) if values else None

    def n(self, metric: str, model: str, group: int | None = POOLED) -> int | None:
        """What the figure of the first seed counts."""
        seeds = self.seeds(model)
        row = self.rows.get((metric, model, seeds[0], group)) if seeds else None
        return None if row is None else row["n"]


def read_figures(path: Path, models: Mapping[str, str], seeds: Mapping[str, int]) -> Figures:
    """The figures that ``platform evaluate`` wrote."""
    return Figures.of(pq.read_table(path).to_pylist(), models, seeds)


def shares_of(rows: Sequence[Row], kind: str, source: str, group: int) -> dict[str, float]:
    """Template or element → share, of one source in one space group."""
    return {
        row["name"]: row["share"]
        for row in rows
        if (row["kind"], row["source"], row["space_group_number"]) == (kind, source, group)
    }


@dataclass(frozen=True)
class Chance:
    """What n draws from the shares of the training crystals come to, and what n copies of the commonest do."""

    distance: float
    coverage: float
    distance_of_one: float
    coverage_of_one: float


def chance(shares: Sequence[float] | NDArray[np.float64], n: int, seed: int = 0) -> Chance:
    """Total variation distance and coverage that chance alone gives.

    Args:
        shares: (k,) of the training crystals; they add up to 1.
        n: draws.
        seed: of the draws for the distance.
    """
    p = np.asarray(shares, dtype=np.float64)
    p = p / p.sum()
    drawn = np.random.default_rng(seed).multinomial(n, p, size=N_DRAWS) / n
    distance = float(np.abs(drawn - p).sum(axis=1).mean() / 2)
    return Chance(distance, float((p * (1 - (1 - p) ** n)).sum()), float(1 - p.max()), float(p.max()))
