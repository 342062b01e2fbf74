"""What the sections ask: the catalog of one generation, its training and dataset, and the screening that is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from crystalforge.catalog.inventory import Generation, committed_datasets
from crystalforge.catalog.query import Catalog
from crystalforge.crystals.rows import batch_from_table
from crystalforge.evaluation.nulls import draw_nulls, make_groups
from crystalforge.evaluation.samples import SampleSet
from crystalforge.files import read_json
from crystalforge.generation.plan import DEFAULT_MIN_CONTACT_RATIO
from crystalforge.home import TRAINING_RECORD, Home
from crystalforge.report.sources import ORDER, source_of

DEFAULT_TOP = 20
N_NULL_SAMPLES = 12_000
"""Of each null, shared among the space groups as the samples are."""
# One row per pool of raw samples: the largest of this generation leads, the nulls of it and their kin follow.
SCREENED = """
SELECT screening_id, source, generation_id, potential, reference, n_drawn
FROM funnel WHERE space_group_number IS NULL AND generation_id = $generation
ORDER BY source <> 'samples', n_drawn DESC, screening_id
"""


@dataclass(frozen=True)
class Choice:
    """Which crystals are the best: SQL over the view ``crystals``, as ``platform export`` takes it.

    Attributes:
        where: condition; None for the default.
        order_by: expressions; None for the default.
        top: how many.
        alike: whether crystals that equal a better one are among them.
    """

    where: str | None = None
    order_by: str | None = None
    top: int = DEFAULT_TOP
    alike: bool = False


@dataclass(frozen=True)
class ReportContext:
    """Of one generation; the catalog is open."""

    home: Home
    generation: Generation
    catalog: Catalog
    choice: Choice
    say: Callable[[str], None] = field(default=lambda _: None)

    @property
    def generation_id(self) -> str:
        """Its identifier."""
        return self.generation.generation_id

    @property
    def plan(self) -> Mapping[str, Any]:
        """What was planned for it."""
        return self.generation.plan

    @property
    def counts(self) -> dict[int, int]:
        """Samples asked for, by space group."""
        return {int(number): int(count) for number, count in self.plan.get("counts", {}).items()}

    def table(self, sql: str, **parameters: Any) -> pa.Table:
        """The answer to a query; ``$generation`` and ``$dataset`` are bound where it names them."""
        bound = {"generation": self.generation_id, "dataset": self.plan.get("dataset_id")} | parameters
        return self.catalog.query(sql, {name: value for name, value in bound.items() if f"${name}" in sql})

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of the answer to a query."""
        rows: list[dict[str, Any]] = self.table(sql, **parameters).to_pylist()
        return rows

    @cached_property
    def training(self) -> dict[str, Any]:
        """Record of the training; empty where it is gone."""
        path = self.home.trainings / str(self.plan.get("training_id")) / TRAINING_RECORD
        record = read_json(path) if path.is_file() else {}
        return dict(record) if isinstance(record, dict) else {}

    @cached_property
    def dataset(self) -> dict[str, Any]:
        """Manifest of the dataset; empty where it is gone."""
        known = {dataset.dataset_id: dataset.manifest for dataset in committed_datasets(self.home)}
        return known.get(str(self.plan.get("dataset_id")), {})

    @cached_property
    def screened(self) -> list[dict[str, Any]]:
        """Screenings of raw samples of this generation and of its nulls, on one reference, each source once."""
        found = self.rows(SCREENED)
        leading = next((row for row in found if row["source"] == "samples"), None)
        if leading is None:
            return []
        scale = (leading["potential"], leading["reference"])
        same = [row for row in found if (row["potential"], row["reference"]) == scale]
        return list({row["source"]: row for row in reversed(same)}.values())[::-1]

    @cached_property
    def nulls(self) -> list[SampleSet]:
        """Every null, put through the checks of this generation; none where the dataset is gone."""
        table = self.catalog.query("SELECT * FROM materials WHERE dataset_id = $d", {"d": self.plan.get("dataset_id")})
        if not table.num_rows:
            return []
        self.say("Drawing the nulls.")
        least_contact_ratio = float(self.plan.get("min_contact_ratio", DEFAULT_MIN_CONTACT_RATIO))
        groups = make_groups(batch_from_table(table), least_contact_ratio)
        total = sum(self.counts.values())
        share = min(1.0, N_NULL_SAMPLES / total) if total else 0.0
        counts = {number: max(1, round(n * share)) for number, n in self.counts.items() if n and number in groups}
        drawn = draw_nulls(groups, counts, int(self.plan.get("seed", 0))) if counts else []
        return sorted(drawn, key=lambda samples: ORDER.index(source_of(samples.source).role))
