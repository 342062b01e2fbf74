"""The dispatcher's half of the ledger: claim what is ready, note what began, record what came of it."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crystalforge import __version__
from crystalforge.files import sha256_of_file
from crystalforge.validation.attempt import RESULT_FILE, AttemptOrder
from crystalforge.validation.ledger import Ledger, move
from crystalforge.validation.retries import decide
from crystalforge.validation.states import IN_FLIGHT, AttemptState, CalculationState, ErrorClass

ATTEMPTS_FOLDER = "attempts"
LEASE_S = 60.0
"""After the last sign of life; a supervisor gives one every 5 s."""

_READY_SQL = """
SELECT calculation_id, crystal, corrections, n_attempts, content AS recipe
FROM calculations JOIN recipes USING (recipe_hash)
WHERE state = 'ready' AND ready_at <= ?
ORDER BY priority DESC, calculation_id LIMIT ?
"""


def claim(ledger: Ledger, limit: int, *, lease_s: float = LEASE_S) -> list[AttemptOrder]:
    """Write down the intent of one attempt on each of the next ready calculations, in one transaction.

    Args:
        ledger: owned.
        limit: most attempts.
        lease_s: of the new attempts (s).

    Returns:
        the orders, by priority; each is to be dispatched now.
    """
    now = time.time()
    with ledger.transaction() as connection:
        ready = connection.execute(_READY_SQL, (now, limit)).fetchall()
        return [_intend(ledger.folder, connection, row, now, lease_s) for row in ready]


def _intend(folder: Path, connection: sqlite3.Connection, row: sqlite3.Row, now: float, lease_s: float) -> AttemptOrder:
    calculation_id, number = row["calculation_id"], row["n_attempts"] + 1
    (token,) = connection.execute("SELECT coalesce(max(token), 0) + 1 FROM attempts").fetchone()
    attempt_id = f"{calculation_id:06d}-{number:02d}-{secrets.token_hex(4)}"
    connection.execute(
        "INSERT INTO attempts (attempt_id, calculation_id, number, token, state, lease_until, corrections, intended_at,"
        " code_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            attempt_id,
            calculation_id,
            number,
            token,
            AttemptState.INTENDED,
            now + lease_s,
            row["corrections"],
            now,
            __version__,
        ),
    )
    connection.execute(
        "UPDATE calculations SET n_attempts = ?, token = ? WHERE calculation_id = ?", (number, token, calculation_id)
    )
    move(connection, calculation_id, CalculationState.DISPATCHING)
    return AttemptOrder(
        attempt_id=attempt_id,
        token=token,
        calculation_id=calculation_id,
        number=number,
        folder=str(folder / ATTEMPTS_FOLDER / attempt_id),
        crystal=json.loads(row["crystal"]),
        recipe=json.loads(row["recipe"]),
        corrections=json.loads(row["corrections"]),
    )


def note_running(ledger: Ledger, attempt_id: str, host: str) -> None:
    """An attempt was seen to begin."""
    with ledger.transaction() as connection:
        changed = connection.execute(
            "UPDATE attempts SET state = ?, host = ?, started_at = ? WHERE attempt_id = ? AND state = ? "
            "RETURNING calculation_id",
            (AttemptState.RUNNING, host, time.time(), attempt_id, AttemptState.INTENDED),
        ).fetchone()
        if changed:
            move(connection, changed["calculation_id"], CalculationState.RUNNING)


def renew_leases(ledger: Ledger, attempt_ids: Iterable[str], *, lease_s: float = LEASE_S) -> None:
    """Attempts gave a sign of life."""
    until = time.time() + lease_s
    with ledger.transaction() as connection:
        connection.executemany(
            "UPDATE attempts SET lease_until = ? WHERE attempt_id = ?", [(until, name) for name in attempt_ids]
        )


def in_flight(ledger: Ledger) -> list[sqlite3.Row]:
    """Attempts that are intended or running.

    Returns:
        attempt_id, calculation_id, token, state, host, lease_until; and of the calculation its state as
        ``calculation_state`` and the token of its latest attempt as ``latest_token``.
    """
    return ledger.rows(
        "SELECT a.attempt_id, a.calculation_id, a.token, a.state, a.host, a.lease_until, c.state AS calculation_state, "
        "c.token AS latest_token FROM attempts a JOIN calculations c USING (calculation_id) WHERE a.state IN (?, ?)",
        [AttemptState.INTENDED, AttemptState.RUNNING],
    )


def record(ledger: Ledger, attempt_id: str, report: Mapping[str, Any]) -> AttemptState:
    """Record what became of an attempt: the one place where a result is accepted.

    A result is accepted if its attempt is the latest of its calculation and that still waits for it. Any other is kept
    as evidence and changes nothing. Recording the same report twice is the same as once.

    Args:
        ledger: owned.
        attempt_id: which.
        report: as ``attempt.run_attempt`` gives it.

    Returns:
        the attempt's state after it.
    """
    path = ledger.folder / ATTEMPTS_FOLDER / attempt_id / RESULT_FILE
    sha256 = sha256_of_file(path) if path.is_file() else None
    with ledger.transaction() as connection:
        row = _attempt(connection, attempt_id)
        if row["state"] not in (AttemptState.INTENDED, AttemptState.RUNNING):
            return _note_late(connection, row, report, sha256)
        _note_report(connection, attempt_id, report, sha256)
        if row["token"] != row["latest_token"] or row["calculation_state"] not in IN_FLIGHT:
            return _finish(connection, attempt_id, AttemptState.SUPERSEDED)
        if report["error_class"] is None:
            move(connection, row["calculation_id"], CalculationState.VALIDATED)
            return _finish(connection, attempt_id, AttemptState.ACCEPTED)
        _finish(connection, attempt_id, AttemptState.FAILED)
        _follow_error(connection, row)
        return AttemptState.FAILED


def give_up_waiting(ledger: Ledger, attempt_id: str, error_class: ErrorClass | None, text: str) -> None:
    """Supersede an attempt that left no result: its calculation goes on without it.

    Args:
        ledger: owned.
        attempt_id: which.
        error_class: what the table of retries is asked about; None if it was stopped on purpose, which counts as none.
        text: why.
    """
    with ledger.transaction() as connection:
        row = _attempt(connection, attempt_id)
        if row["state"] not in (AttemptState.INTENDED, AttemptState.RUNNING):
            return
        connection.execute(
            "UPDATE attempts SET error_class = ?, error_text = ? WHERE attempt_id = ?", (error_class, text, attempt_id)
        )
        _finish(connection, attempt_id, AttemptState.SUPERSEDED)
        if row["token"] == row["latest_token"] and row["calculation_state"] in IN_FLIGHT:
            if error_class is None:
                move(connection, row["calculation_id"], CalculationState.READY)
            else:
                _follow_error(connection, row)


def _note_report(
    connection: sqlite3.Connection, attempt_id: str, report: Mapping[str, Any], sha256: str | None
) -> None:
    ending, result = report.get("ending") or {}, report.get("result") or {}
    connection.execute(
        "UPDATE attempts SET host = ?, error_class = ?, error_text = ?, energy_ev = ?, n_atoms = ?, wall_s = ?, "
        "cpu_s = ?, max_memory_mb = ?, exit_code = ?, result_sha256 = ? WHERE attempt_id = ?",
        (
            report.get("host"),
            report["error_class"],
            report["error_text"],
            result.get("energy_ev"),
            len(result["atomic_numbers"]) if result else None,
            ending.get("wall_s"),
            ending.get("cpu_s"),
            ending.get("max_memory_mb"),
            ending.get("exit_code"),
            sha256,
            attempt_id,
        ),
    )


def _note_late(
    connection: sqlite3.Connection, row: sqlite3.Row, report: Mapping[str, Any], sha256: str | None
) -> AttemptState:
    if row["state"] == AttemptState.SUPERSEDED and sha256 and report["error_class"] is None:
        connection.execute(
            "UPDATE attempts SET late_result = 1, result_sha256 = ? WHERE attempt_id = ?", (sha256, row["attempt_id"])
        )
    return AttemptState(row["state"])


def _finish(connection: sqlite3.Connection, attempt_id: str, state: AttemptState) -> AttemptState:
    connection.execute(
        "UPDATE attempts SET state = ?, finished_at = ? WHERE attempt_id = ?", (state, time.time(), attempt_id)
    )
    return state


def _follow_error(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    """Let the table of retries say what becomes of a calculation after an attempt's error."""
    calculation_id = row["calculation_id"]
    errors = connection.execute(
        "SELECT error_class, error_text FROM attempts "
        "WHERE calculation_id = ? AND number > ? AND error_class IS NOT NULL ORDER BY number",
        (calculation_id, row["retried_after"]),
    ).fetchall()
    decision = decide([ErrorClass(error["error_class"]) for error in errors], json.loads(row["corrections"]))
    last = errors[-1]
    reason = None if decision.state is CalculationState.READY else f"{last['error_class']}: {last['error_text']}"
    move(connection, calculation_id, decision.state, reason)
    connection.execute(
        "UPDATE calculations SET ready_at = ?, corrections = ? WHERE calculation_id = ?",
        (time.time() + decision.wait_s, json.dumps(dict(decision.corrections)), calculation_id),
    )


def _attempt(connection: sqlite3.Connection, attempt_id: str) -> sqlite3.Row:
    """An attempt beside the state of its calculation."""
    row: sqlite3.Row = connection.execute(
        "SELECT a.*, c.state AS calculation_state, c.token AS latest_token, c.retried_after "
        "FROM attempts a JOIN calculations c USING (calculation_id) WHERE attempt_id = ?",
        (attempt_id,),
    ).fetchone()
    return row
