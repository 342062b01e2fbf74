from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_queue import crystals, stand_in_recipe, work_off

from crystalforge.errors import BusyError, DamagedFileError, SchemaVersionError, UsageError
from crystalforge.validation.attempt import run_attempt
from crystalforge.validation.claims import claim, give_up_waiting, in_flight, note_running, record
from crystalforge.validation.export import export_ledger, exported
from crystalforge.validation.ledger import LEDGER_FILE, Ledger
from crystalforge.validation.requests import Request, change, enqueue
from crystalforge.validation.states import AttemptState, CalculationState, ErrorClass

S = CalculationState


def states(ledger: Ledger) -> dict[str, str]:
    return {row["formula"]: row["state"] for row in ledger.rows("SELECT formula, state FROM calculations")}


def test_enqueuing_twice_is_the_same_as_once_and_each_recipe_has_its_own(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        first = enqueue(ledger, crystals(3), stand_in_recipe())
        again = enqueue(ledger, crystals(5), stand_in_recipe(resources={"walltime_s": 9}))
        other = enqueue(ledger, crystals(3), stand_in_recipe(seconds=0.1))
        assert (first.added, first.known, again.added, again.known, other.added) == (3, 0, 2, 3, 3)
        assert ledger.counts() == {S.READY: 8}
        (order, *_) = claim(ledger, 1)
        assert order.recipe["resources"]["walltime_s"] == 9, "the resources are those of the last enqueuing"


def test_what_the_engine_cannot_compute_is_refused_with_its_reason(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        done = enqueue(ledger, crystals(1), stand_in_recipe(behaviour="dance"))
        assert done.added == 0
        assert "X0: the stand-in cannot 'dance'" in done.refused[0]


def test_the_order_is_by_priority_then_by_rank(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        enqueue(ledger, crystals(2, "late"), stand_in_recipe())
        enqueue(ledger, crystals(2, "soon"), stand_in_recipe(), priority=1.0)
        assert [order.crystal["formula"] for order in claim(ledger, 3)] == ["soon0", "soon1", "late0"]
        assert [order.token for order in claim(ledger, 3)] == [4]


def test_a_result_is_accepted_once_and_its_report_may_come_twice(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        enqueue(ledger, crystals(1), stand_in_recipe())
        (order,) = claim(ledger, 5)
        assert (claim(ledger, 5), ledger.counts()) == ([], {S.DISPATCHING: 1})
        note_running(ledger, order.attempt_id, "here")
        assert ledger.counts() == {S.RUNNING: 1}
        report = run_attempt(order)
        assert record(ledger, order.attempt_id, report) is AttemptState.ACCEPTED
        assert record(ledger, order.attempt_id, report) is AttemptState.ACCEPTED
        note_running(ledger, order.attempt_id, "there")
        (row,) = ledger.rows("SELECT * FROM attempts")
        assert (ledger.counts(), row["host"]) == ({S.VALIDATED: 1}, report["host"])
        assert row["energy_ev"] == report["result"]["energy_ev"]
        assert change(ledger, Request.RETRY, [1]) == ([], [1]), "what has its result is not computed again"


def test_a_late_result_of_a_superseded_attempt_is_evidence_only(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        enqueue(ledger, crystals(1), stand_in_recipe())
        (first,) = claim(ledger, 1)
        give_up_waiting(ledger, first.attempt_id, ErrorClass.DISPATCHER_LOST, "gone")
        (second,) = claim(ledger, 1)
        assert second.token > first.token
        late = run_attempt(first)
        assert record(ledger, first.attempt_id, late) is AttemptState.SUPERSEDED
        assert ledger.counts() == {S.DISPATCHING: 1}
        assert record(ledger, second.attempt_id, run_attempt(second)) is AttemptState.ACCEPTED
        rows = ledger.rows("SELECT state, late_result, result_sha256 IS NOT NULL AS kept FROM attempts ORDER BY token")
        assert [tuple(row) for row in rows] == [("superseded", 1, 1), ("accepted", 0, 1)]


def test_the_ledger_itself_refuses_a_second_result(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        enqueue(ledger, crystals(1), stand_in_recipe())
        (first,) = claim(ledger, 1)
        give_up_waiting(ledger, first.attempt_id, ErrorClass.DISPATCHER_LOST, "gone")
        work_off(ledger)
        with pytest.raises(sqlite3.IntegrityError), ledger.transaction() as connection:
            connection.execute("UPDATE attempts SET state = 'accepted'")


def test_errors_are_repeated_with_corrections_then_given_up_and_forgiven_by_a_person(tmp_path: Path) -> None:
    recipe = stand_in_recipe(behaviour="nan")
    with Ledger(tmp_path) as ledger:
        enqueue(ledger, crystals(1), recipe)
        assert work_off(ledger) == [("X0", AttemptState.FAILED)]
        (order,) = claim(ledger, 1)
        assert (order.number, dict(order.corrections)) == (2, {"slower_mixing": 2.0})
        record(ledger, order.attempt_id, run_attempt(order))
        assert states(ledger) == {"X0": "failed"}
        (row,) = ledger.rows("SELECT reason FROM calculations")
        assert "not_a_number: Expected finite numbers" in row["reason"]
        assert change(ledger, Request.RETRY, [1]) == ([1], [])
        (order,) = claim(ledger, 1)
        assert (order.number, dict(order.corrections)) == (3, {})


def test_a_wait_is_kept(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        enqueue(ledger, crystals(1), stand_in_recipe(behaviour="crash"))
        assert work_off(ledger) == [("X0", AttemptState.FAILED)]
        assert claim(ledger, 1) == []
        wait = ledger.next_ready_at()
        assert wait is not None
        assert 3 < wait - time.time() <= 5


def test_pause_cancel_retry_as_far_as_the_states_allow(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        enqueue(ledger, crystals(3), stand_in_recipe())
        (running,) = claim(ledger, 1)
        assert change(ledger, Request.PAUSE, [1, 2]) == ([2], [1])
        assert change(ledger, Request.CANCEL, [1, 2]) == ([1, 2], [])
        assert states(ledger) == {"X0": "cancelled", "X1": "cancelled", "X2": "ready"}
        (row,) = in_flight(ledger)
        assert (row["attempt_id"], row["calculation_state"]) == (running.attempt_id, "cancelled")
        assert record(ledger, running.attempt_id, run_attempt(running)) is AttemptState.SUPERSEDED
        assert change(ledger, Request.RETRY, [1]) == ([1], [])
        assert sorted(work_off(ledger)) == [("X0", AttemptState.ACCEPTED), ("X2", AttemptState.ACCEPTED)]
        with pytest.raises(UsageError, match="No calculation 77"):
            change(ledger, Request.CANCEL, [77])


def test_one_owner_and_the_second_learns_who(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from crystalforge.validation.ledger import Ledger\n"
        "with Ledger(Path(sys.argv[1])) as ledger, ledger.owned():\n    print('mine', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"mine\n"
        with Ledger(tmp_path) as ledger:
            with pytest.raises(BusyError, match=f"process {owner.pid}"), ledger.owned():
                pass
            assert enqueue(ledger, crystals(1), stand_in_recipe()).added == 1, "others may ask all the same"
        owner.kill()
    with Ledger(tmp_path) as ledger, ledger.owned():
        assert ledger.counts() == {S.READY: 1}


def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / LEDGER_FILE).write_bytes(b"not a ledger " * 100)
    with pytest.raises(DamagedFileError, match="expected a ledger"):
        Ledger(tmp_path)
    (tmp_path / LEDGER_FILE).unlink()
    with Ledger(tmp_path) as ledger:
        ledger.connection.execute("PRAGMA user_version = 99")
    with pytest.raises(SchemaVersionError, match="version 99"):
        Ledger(tmp_path)


def test_the_export_is_what_the_ledger_says(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        enqueue(ledger, crystals(3), stand_in_recipe(by_formula={"X1": "wrong_crystal"}))
        work_off(ledger)
        export_ledger(ledger)
        record_of = exported(tmp_path)["tables"]
        assert {name: record_of[name]["rows"] for name in record_of} == {"attempts": 3, "validations": 3}
        assert record_of["validations"]["schema"] == "validations/2"
        before = (tmp_path / record_of["attempts"]["file"]).read_bytes()
        export_ledger(ledger)
        assert (tmp_path / exported(tmp_path)["tables"]["attempts"]["file"]).read_bytes() == before
