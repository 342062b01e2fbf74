"""Every family of figures that is exported: its name, what it means, and its labels, which are columns of SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

PREFIX = "crystalforge"

Value = tuple[tuple[str, ...], float]
"""Labels and figure of one series."""


class Kind(StrEnum):
    """How a figure behaves."""

    COUNTER = "counter"
    """Only grows: ask for its rate."""
    GAUGE = "gauge"
    """Goes both ways."""


@dataclass(frozen=True)
class Family:
    """A family of series.

    Attributes:
        name: without the prefix; that of a counter is written with ``_total``.
        meaning: one sentence, with the unit.
        labels: names of the labels.
        kind: counter or gauge.
    """

    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    kind: Kind = Kind.GAUGE

    def metric(self, values: Iterable[Value]) -> Metric:
        """The family with its series, as prometheus_client writes it."""
        made = CounterMetricFamily if self.kind is Kind.COUNTER else GaugeMetricFamily
        metric = made(f"{PREFIX}_{self.name}", self.meaning, labels=self.labels)
        for labels, value in values:
            metric.add_metric(labels, value)
        return metric

    @property
    def series_name(self) -> str:
        """As PromQL asks for it."""
        return f"{PREFIX}_{self.name}" + ("_total" if self.kind is Kind.COUNTER else "")


_C = Kind.COUNTER
_GROUP_OF_TRAINING = ("training_id", "space_group_number")
_GENERATION = ("generation_id", "training_id")
_RECIPE = ("recipe", "engine")

FAMILIES = {
    family.name: family
    for family in (
        Family("dataset_crystals", "Real crystals of a dataset.", ("dataset_id", "space_group_number")),
        Family("training_running", "1 while a command holds the training.", ("training_id",)),
        Family("training_models", "Space groups that have a finished model.", ("training_id",)),
        Family("training_models_planned", "Space groups of the training's dataset.", ("training_id",)),
        Family("training_generator_steps", "Steps of the generator done.", _GROUP_OF_TRAINING),
        Family("training_generator_steps_planned", "Steps of the generator that a group takes.", ("training_id",)),
        Family("training_accepted_share", "Of a small sample after the last epoch.", _GROUP_OF_TRAINING),
        Family("training_accepted_share_null", "The same of pure noise.", _GROUP_OF_TRAINING),
        Family("training_crystals_per_second", "Crystals trained on, in the last epoch.", _GROUP_OF_TRAINING),
        Family("training_last_epoch_timestamp_seconds", "When the last epoch ended (Unix time).", _GROUP_OF_TRAINING),
        Family("generation_running", "1 while a command holds the generation.", _GENERATION),
        Family("samples", "Samples committed.", (*_GENERATION, "space_group_number", "status"), _C),
        Family("samples_planned", "Samples that the generation will have.", _GENERATION),
        Family("shards", "Shards committed.", _GENERATION, _C),
        Family("shards_quarantined", "Shards set aside as they could not be made.", _GENERATION),
        Family("shard_seconds", "Time that workers spent on the committed shards (s).", _GENERATION, _C),
        Family(
            "generation_bytes", "Size of the committed files (bytes); `platform compact` makes it less.", _GENERATION
        ),
        Family("screening_running", "1 while a command holds the screening.", ("screening_id", "potential")),
        Family("relaxations", "Crystals relaxed.", ("screening_id", "potential"), _C),
        Family("relaxations_planned", "Crystals that the screening will have.", ("screening_id", "potential")),
        Family("queue_running", "1 while a dispatcher works the queue of calculations off."),
        Family("calculations", "Calculations by state.", (*_RECIPE, "state")),
        Family("attempts", "Attempts by state and, of those that failed, why.", (*_RECIPE, "state", "error_class")),
        Family("attempt_cpu_seconds", "CPU time of the attempts that ended (s).", _RECIPE, _C),
        Family("attempt_wall_seconds", "Duration of the attempts that ended (s).", _RECIPE, _C),
        Family("home_free_bytes", "Free space where the home lies (bytes)."),
        Family("unreadable_records", "Records that are damaged; `platform verify` says more.", ("kind",)),
        Family("info", "1; which crystalforge reads the home.", ("version",)),
        Family("read_seconds", "How long it took to read the home for these figures (s)."),
    )
}


@dataclass
class Figures:
    """Figures as they are found, by family."""

    found: dict[str, list[Value]] = field(default_factory=lambda: {name: [] for name in FAMILIES})

    def add(self, name: str, value: float, *labels: object) -> None:
        """One more series of a family.

        Raises:
            ValueError: the family has other labels.
        """
        expected = FAMILIES[name].labels
        if len(labels) != len(expected):
            raise ValueError(f"{name}: expected the labels {expected}, got {labels}.")
        self.found[name].append((tuple(str(label) for label in labels), float(value)))

    def metrics(self) -> Iterable[Metric]:
        """All families, also those without a series, so that what is asked of them is known to be spelt right."""
        return (FAMILIES[name].metric(values) for name, values in self.found.items())
