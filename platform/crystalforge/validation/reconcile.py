"""What a dispatcher does first with attempts that an earlier one left: result file first, ledger second."""

from __future__ import annotations

import platform
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystalforge.errors import DamagedFileError
from crystalforge.files import read_json, read_record
from crystalforge.validation.attempt import ORDER_FILE, RESULT_FILE, RESULT_KEYS
from crystalforge.validation.claims import ATTEMPTS_FOLDER, LEASE_S, give_up_waiting, in_flight, record
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.leftovers import end_leftovers
from crystalforge.validation.states import AttemptState, ErrorClass
from crystalforge.validation.supervisor import HEARTBEAT_FILE

WORKER_ENDS_S = 10.0
"""How long workers of this machine may take to notice that their dispatcher is gone."""


@dataclass
class Reconciled:
    """What was found."""

    recorded: int = 0
    """Results that were there and are now in the ledger."""
    superseded: int = 0
    """Attempts without a result, whose calculations go on."""
    waiting: int = 0
    """Attempts on other machines whose lease has not ended."""
    ended: int = 0
    """Processes that were left over."""
    late: int = 0
    """Results of superseded attempts: evidence only."""


def reconcile(ledger: Ledger, *, lease_s: float = LEASE_S) -> Reconciled:
    """Bring the ledger to what the attempts' folders say. Doing it twice is the same as once.

    Args:
        ledger: owned, with no attempt of this dispatcher in flight.
        lease_s: after an attempt's last sign of life, how long it may be alive on a machine where we cannot look.
    """
    found = Reconciled()
    rows = in_flight(ledger)
    deadline = time.monotonic() + WORKER_ENDS_S
    for row in rows:
        folder = ledger.folder / ATTEMPTS_FOLDER / row["attempt_id"]
        if on_this_machine(folder):
            _wait_for_worker(folder, deadline)
        settle(ledger, row, found, lease_s=lease_s)
    found.late = _note_late_results(ledger)
    return found


def _note_late_results(ledger: Ledger) -> int:
    """Results that came after their attempts were superseded: noted as evidence, never accepted."""
    superseded = ledger.rows(
        "SELECT attempt_id FROM attempts WHERE state = ? AND late_result = 0", [AttemptState.SUPERSEDED]
    )
    late = 0
    for row in superseded:
        report = report_of(ledger.folder / ATTEMPTS_FOLDER / row["attempt_id"])
        if report is not None and report["error_class"] is None:
            record(ledger, row["attempt_id"], report)
            late += 1
    return late


def settle(ledger: Ledger, row: sqlite3.Row, found: Reconciled, *, lease_s: float = LEASE_S) -> bool:
    """Record, supersede or leave one attempt that no worker of ours works on; False where it must be waited for."""
    folder = ledger.folder / ATTEMPTS_FOLDER / row["attempt_id"]
    report = report_of(folder)
    if report is None and not on_this_machine(folder) and time.time() < _lease_end(folder, row, lease_s):
        found.waiting += 1
        return False
    if report is not None:
        state = record(ledger, row["attempt_id"], report)
        found.recorded += state is not AttemptState.SUPERSEDED
        found.superseded += state is AttemptState.SUPERSEDED
        return True
    found.ended += end_leftovers(row["attempt_id"])
    give_up_waiting(ledger, row["attempt_id"], ErrorClass.DISPATCHER_LOST, "Its dispatcher ended; it left no result.")
    found.superseded += 1
    return True


def report_of(folder: Path) -> dict[str, Any] | None:
    """What an attempt's result file says; None where there is none.

    A damaged file is an attempt that failed: its error says so.
    """
    path = folder / RESULT_FILE
    if not path.is_file():
        return None
    try:
        return read_record(path, RESULT_KEYS)
    except DamagedFileError as error:
        return {"error_class": ErrorClass.NO_OUTPUT.value, "error_text": str(error), "result": None}


def on_this_machine(folder: Path) -> bool:
    """Whether an attempt began here, or nowhere as far as can be seen."""
    return host_of(folder) in (None, platform.node())


def host_of(folder: Path) -> str | None:
    """The machine on which an attempt began; None if it is not known to have begun."""
    order = _order(folder)
    return None if order is None else str(order.get("host"))


def _order(folder: Path) -> dict[str, Any] | None:
    path = folder / ORDER_FILE
    try:
        return dict(read_json(path)) if path.is_file() else None
    except DamagedFileError:
        return None


def _lease_end(folder: Path, row: sqlite3.Row, lease_s: float) -> float:
    heartbeat = folder / HEARTBEAT_FILE
    seen = heartbeat.stat().st_mtime + lease_s if heartbeat.is_file() else 0.0
    return max(float(row["lease_until"]), seen)


def _wait_for_worker(folder: Path, deadline: float) -> None:
    """A worker that outlives its dispatcher for a moment may still write its result."""
    import psutil

    order = _order(folder)
    while (
        order is not None
        and time.monotonic() < deadline
        and not (folder / RESULT_FILE).is_file()
        and psutil.pid_exists(int(order["pid"]))
    ):
        time.sleep(0.1)
