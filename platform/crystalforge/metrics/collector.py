"""Reads a home at each scrape: a damaged record is counted and named in the log, and hides no other."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from crystalforge import __version__
from crystalforge.errors import CrystalforgeError
from crystalforge.files import nearest_existing
from crystalforge.home import SCREENING_RECORD, TRAINING_RECORD, Home
from crystalforge.locks import held_by
from crystalforge.metrics.families import Figures
from crystalforge.metrics.runs import (
    Unchanged,
    read_datasets,
    read_generation,
    read_generations,
    read_screening,
    read_training,
)
from crystalforge.validation.ledger_counts import count_ledger
from crystalforge.validation.states import AttemptState, CalculationState

logger = logging.getLogger(__name__)

KINDS = ("dataset", "training", "generation", "screening", "ledger")


class HomeCollector(Collector):
    """The figures of one home, for a registry of prometheus_client."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.unchanged = Unchanged()
        self.named: set[str] = set()
        """Damages that the log has: one line each, not one per scrape."""

    def collect(self) -> Iterable[Metric]:
        """All families as they are now."""
        begun = time.monotonic()
        figures = Figures()
        unreadable = dict.fromkeys(KINDS, 0)

        @contextmanager
        def counted(kind: str) -> Iterator[None]:
            try:
                yield
            except (CrystalforgeError, KeyError, TypeError, ValueError) as error:  # the last: a record of another shape
                unreadable[kind] += 1
                self._name(kind, error)

        with counted("dataset"):
            read_datasets(self.home, figures)
        for folder in _runs(self.home.trainings, TRAINING_RECORD):
            with counted("training"):
                read_training(folder, figures, self.unchanged)
        plans: list[tuple[Path, dict[str, Any]]] = []
        with counted("generation"):
            plans = read_generations(self.home)
        for folder, plan in plans:
            with counted("generation"):
                read_generation(folder, plan, figures, self.unchanged)
        for folder in _runs(self.home.screenings, SCREENING_RECORD):
            with counted("screening"):
                read_screening(folder, figures, self.unchanged)
        with counted("ledger"):
            read_queue(self.home, figures)
        for kind, count in unreadable.items():
            figures.add("unreadable_records", count, kind)
        figures.add("home_free_bytes", shutil.disk_usage(nearest_existing(self.home.path)).free)
        figures.add("info", 1, __version__)
        figures.add("read_seconds", time.monotonic() - begun)
        return figures.metrics()

    def _name(self, kind: str, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if text not in self.named:
            self.named.add(text)
            logger.warning("event=record_unreadable kind=%s error=%r", kind, text)


def read_queue(home: Home, figures: Figures) -> None:
    """The queue of calculations; states that none is in are 0, so that an alert on them can be written.

    Raises:
        StorageError: the ledger cannot be opened.
        DamagedFileError: it is none.
    """
    counts = count_ledger(home.validations)
    figures.add("queue_running", held_by(home.validations) is not None)
    found = {(recipe, engine, state): count for recipe, engine, state, count in counts.calculations}
    for recipe, engine in sorted({(recipe, engine) for recipe, engine, *_ in counts.calculations}):
        for each in CalculationState:
            figures.add("calculations", found.get((recipe, engine, each.value), 0), recipe, engine, each.value)
    seen = {(recipe, engine, state) for recipe, engine, state, *_ in counts.attempts}
    for recipe, engine, state, error_class, count in counts.attempts:
        figures.add("attempts", count, recipe, engine, state, error_class)
    for recipe, engine, cpu, wall in counts.seconds:
        figures.add("attempt_cpu_seconds", cpu, recipe, engine)
        figures.add("attempt_wall_seconds", wall, recipe, engine)
        for attempt_state in AttemptState:
            if (recipe, engine, attempt_state.value) not in seen:
                figures.add("attempts", 0, recipe, engine, attempt_state.value, "")


def _runs(parent: Path, record: str) -> list[Path]:
    return sorted(path.parent for path in parent.glob(f"*/{record}"))


def registry_of(home: Home, read: Callable[[Home], Collector] = HomeCollector) -> CollectorRegistry:
    """A registry of this home alone: nothing of this process is among its figures."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(read(home))
    return registry
