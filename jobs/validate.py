"""The dispatcher of the queue: claims what the ledger has ready, works it off on Ray, records what came of it.

The order of things is what makes it safe to kill anywhere: the intent of an attempt is in the ledger before it is
dispatched; its worker writes the result file; the ledger is told last. What an earlier dispatcher left is settled
first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import ray

from crystalforge.errors import UsageError
from crystalforge.home import Home
from crystalforge.jobs.attempt_tasks import dispatch, report_of_task, unfit
from crystalforge.jobs.cluster import connected
from crystalforge.screening.hull import ReferenceHull
from crystalforge.validation.attempt import ORDER_FILE, AttemptOrder
from crystalforge.validation.claims import (
    LEASE_S,
    claim,
    give_up_waiting,
    in_flight,
    note_running,
    record,
    renew_leases,
)
from crystalforge.validation.export import export_ledger
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.leftovers import end_leftovers
from crystalforge.validation.recipe import recipe_from_values
from crystalforge.validation.reconcile import Reconciled, host_of, reconcile, report_of, settle
from crystalforge.validation.stability import judge
from crystalforge.validation.states import IN_FLIGHT, ErrorClass

POLL_S = 0.2
LOOK_AFTER_S = 1.0
EXPORT_SHARE = 0.1
"""Of the time at most goes into exports."""


class Point(StrEnum):
    """Where the dispatcher is with an attempt; told to who observes it."""

    CLAIMED = "claimed"
    """Its intent is in the ledger."""
    DISPATCHED = "dispatched"
    """Ray has it."""
    STARTED = "started"
    """It was seen to begin, and the ledger says so."""
    FINISHED = "finished"
    """Its result file is there; the ledger does not know."""
    RECORDED = "recorded"
    """The ledger knows."""
    EXPORTED = "exported"
    """SQL knows."""


Observer = Callable[[Point, str], None]


@dataclass
class RunSummary:
    """What one run of the dispatcher did."""

    found: Reconciled
    """Of earlier dispatchers."""
    ended: dict[str, int] = field(default_factory=dict)
    """Attempts of this run by the state they ended in."""
    seconds: float = 0.0


def run_queue(
    home: Home,
    *,
    concurrency: int | None = None,
    observe: Observer = lambda *_: None,
    lease_s: float = LEASE_S,
    hull: ReferenceHull | None = None,
) -> RunSummary:
    """Work the queue off until nothing is ready, under way or due again.

    Args:
        home: the home.
        concurrency: most attempts at once; None for one on each CPU of the cluster.
        observe: told where the dispatcher is with each attempt.
        lease_s: after its last sign of life, how long an attempt may be alive where we cannot look.
        hull: that computed crystals are put on as they are recorded; None: formation energies only.

    Raises:
        BusyError: another dispatcher owns the queue.
        UsageError: concurrency below 1.
    """
    require_concurrency(concurrency)
    started = time.monotonic()
    with Ledger(home.validations) as ledger, ledger.owned():
        summary = RunSummary(reconcile(ledger, lease_s=lease_s))
        _publish(ledger, hull)
        if ledger.next_ready_at() is not None or summary.found.waiting:
            with connected(folder=home.validations):
                Dispatcher(ledger, summary, concurrency or _cpus(), observe, lease_s, hull).run()
    summary.seconds = time.monotonic() - started
    return summary


def require_concurrency(concurrency: int | None) -> None:
    """Refuse less than one attempt at a time.

    Raises:
        UsageError: concurrency below 1.
    """
    if concurrency is not None and concurrency < 1:
        raise UsageError(f"--concurrency {concurrency}: expected 1 or more.")


def _publish(ledger: Ledger, hull: ReferenceHull | None) -> None:
    """Judge what can be judged now, and let SQL see it."""
    judge(ledger, hull)
    export_ledger(ledger)


def _cpus() -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


class Dispatcher:
    """Keeps as many attempts under way as it may; see ``run_queue``."""

    def __init__(
        self,
        ledger: Ledger,
        summary: RunSummary,
        concurrency: int,
        observe: Observer,
        lease_s: float,
        hull: ReferenceHull | None,
    ) -> None:
        self.ledger = ledger
        self.summary = summary
        self.concurrency = concurrency
        self.observe = observe
        self.lease_s = lease_s
        self.hull = hull
        self.under_way: dict[Any, AttemptOrder] = {}
        self.unseen: set[str] = set()
        """Attempts that were dispatched and not yet seen to begin."""
        self.changed = False
        self.next_look = self.next_export = self.next_renewal = 0.0
        self.others = True
        """Whether attempts of an earlier dispatcher may be under way elsewhere."""

    def run(self) -> None:
        """Until there is nothing to do."""
        try:
            while self._step():
                pass
        except BaseException:
            self._abandon()
            raise
        finally:
            _publish(self.ledger, self.hull)

    def _step(self) -> bool:
        self._fill()
        self._look_after()
        if self.under_way:
            self._collect()
        elif not self.others:
            ready_at = self.ledger.next_ready_at()
            if ready_at is None:
                return False
            time.sleep(min(max(ready_at - time.time(), 0.0), LOOK_AFTER_S))
        else:
            time.sleep(POLL_S)
        return True

    def _fill(self) -> None:
        """Claim and dispatch as many as there is room for."""
        free = self.concurrency - len(self.under_way)
        for order in claim(self.ledger, free, lease_s=self.lease_s) if free else []:
            self.changed = True
            self.observe(Point.CLAIMED, order.attempt_id)
            resources = recipe_from_values(order.recipe, "in the ledger").corrected(order.corrections)
            if why := unfit(resources):
                self._record(order, {"error_class": ErrorClass.NO_RESOURCES.value, "error_text": why, "result": None})
                continue
            self.under_way[dispatch(order, resources)] = order
            self.unseen.add(order.attempt_id)
            self.observe(Point.DISPATCHED, order.attempt_id)

    def _collect(self) -> None:
        """Record those that ended."""
        done, _ = ray.wait(list(self.under_way), num_returns=1, timeout=POLL_S)
        if done and len(self.under_way) > 1:
            done, _ = ray.wait(list(self.under_way), num_returns=len(self.under_way), timeout=0)
        for reference in done:
            order = self.under_way[reference]
            self.unseen.discard(order.attempt_id)
            report = report_of_task(reference, order)
            self.observe(Point.FINISHED, order.attempt_id)
            self._record(order, report)
            del self.under_way[reference]  # only now: who stops us meanwhile must find it

    def _record(self, order: AttemptOrder, report: dict[str, Any]) -> None:
        state = record(self.ledger, order.attempt_id, report)
        self.summary.ended[state] = self.summary.ended.get(state, 0) + 1
        self.changed = True
        self.observe(Point.RECORDED, order.attempt_id)

    def _look_after(self) -> None:
        """What is due: notes of beginnings, leases, attempts that nobody wants any more, the export."""
        for order in [order for order in self.under_way.values() if order.attempt_id in self.unseen]:
            if (Path(order.folder) / ORDER_FILE).is_file():
                self.unseen.discard(order.attempt_id)
                note_running(self.ledger, order.attempt_id, host_of(Path(order.folder)) or "")
                self.changed = True
                self.observe(Point.STARTED, order.attempt_id)
        now = time.monotonic()
        if now >= self.next_look:
            self.next_look = now + LOOK_AFTER_S
            self._end_unwanted()
        if now >= self.next_renewal:
            self.next_renewal = now + self.lease_s / 4
            renew_leases(self.ledger, [order.attempt_id for order in self.under_way.values()], lease_s=self.lease_s)
        if self.changed and now >= self.next_export:
            _publish(self.ledger, self.hull)
            self.changed = False
            self.next_export = time.monotonic() + max(LOOK_AFTER_S, (time.monotonic() - now) / EXPORT_SHARE)
            self.observe(Point.EXPORTED, "")

    def _end_unwanted(self) -> None:
        """End our attempts whose calculation was cancelled; settle those of earlier dispatchers."""
        ours = {order.attempt_id: reference for reference, order in self.under_way.items()}
        self.others = False
        for row in in_flight(self.ledger):
            wanted = row["calculation_state"] in IN_FLIGHT and row["token"] == row["latest_token"]
            if row["attempt_id"] not in ours:
                self.others |= not settle(self.ledger, row, self.summary.found, lease_s=self.lease_s)
                self.changed = True
            elif not wanted:
                ray.cancel(ours[row["attempt_id"]], force=True)

    def _abandon(self) -> None:
        """End what is under way; it goes back into the queue, and its error counts as none."""
        for reference in self.under_way:
            ray.cancel(reference, force=True)
        if self.under_way:
            ray.wait(list(self.under_way), num_returns=len(self.under_way), timeout=LOOK_AFTER_S)
        for order in self.under_way.values():
            end_leftovers(order.attempt_id)
            report = report_of(Path(order.folder))
            if report is not None:
                record(self.ledger, order.attempt_id, report)
            else:
                give_up_waiting(self.ledger, order.attempt_id, None, "The dispatcher was stopped.")
