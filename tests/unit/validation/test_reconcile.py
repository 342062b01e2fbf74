from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from small_queue import crystals, stand_in_recipe

from crystalforge.files import read_json, write_json
from crystalforge.validation.attempt import ORDER_FILE, RESULT_FILE, AttemptOrder, run_attempt
from crystalforge.validation.claims import claim
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.reconcile import Reconciled, reconcile
from crystalforge.validation.requests import enqueue
from crystalforge.validation.states import CalculationState

S = CalculationState


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger(tmp_path) as opened:
        enqueue(opened, crystals(1), stand_in_recipe())
        yield opened


def _begin_elsewhere(order: AttemptOrder) -> Path:
    """As a worker of another machine leaves its folder while it computes."""
    folder = Path(order.folder)
    folder.mkdir(parents=True)
    write_json(folder / ORDER_FILE, {"host": "another-machine", "pid": 1})
    return folder


def test_a_result_that_is_there_is_recorded(ledger: Ledger) -> None:
    (order,) = claim(ledger, 1)
    run_attempt(order)
    assert reconcile(ledger) == Reconciled(recorded=1)
    assert reconcile(ledger) == Reconciled()
    assert ledger.counts() == {S.VALIDATED: 1}


def test_an_intent_that_was_never_dispatched_is_superseded(ledger: Ledger) -> None:
    claim(ledger, 1)
    assert reconcile(ledger) == Reconciled(superseded=1)
    assert ledger.counts() == {S.READY: 1}


def test_an_attempt_elsewhere_is_waited_for_until_its_lease_ends(ledger: Ledger) -> None:
    (order,) = claim(ledger, 1, lease_s=0.0)
    folder = _begin_elsewhere(order)
    (folder / "heartbeat").touch()
    assert reconcile(ledger, lease_s=30) == Reconciled(waiting=1), "it gave a sign of life"
    assert ledger.counts() == {S.DISPATCHING: 1}
    long_ago = time.time() - 31
    os.utime(folder / "heartbeat", (long_ago, long_ago))
    assert reconcile(ledger, lease_s=30) == Reconciled(superseded=1)
    assert ledger.counts() == {S.READY: 1}


def test_a_result_after_the_lease_is_evidence_and_the_next_one_counts(ledger: Ledger) -> None:
    (first,) = claim(ledger, 1, lease_s=0.0)
    _begin_elsewhere(first)
    assert reconcile(ledger, lease_s=0.0).superseded == 1
    (second,) = claim(ledger, 1)
    run_attempt(first)
    run_attempt(second)
    assert reconcile(ledger) == Reconciled(recorded=1, late=1)
    rows = ledger.rows("SELECT attempt_id, state, late_result FROM attempts ORDER BY token")
    assert [tuple(row) for row in rows] == [(first.attempt_id, "superseded", 1), (second.attempt_id, "accepted", 0)]
    assert ledger.counts() == {S.VALIDATED: 1}


def test_a_damaged_result_file_is_an_error_of_its_attempt(ledger: Ledger) -> None:
    (order,) = claim(ledger, 1)
    run_attempt(order)
    path = Path(order.folder) / RESULT_FILE
    path.write_bytes(path.read_bytes()[:-40])
    assert reconcile(ledger).recorded == 1
    (row,) = ledger.rows("SELECT state, error_class, error_text FROM attempts")
    assert (row["state"], row["error_class"]) == ("failed", "no_output")
    assert "is damaged" in row["error_text"]
    assert ledger.counts() == {S.READY: 1}


def test_the_order_of_a_finished_attempt_says_all_that_it_was_given(ledger: Ledger) -> None:
    (order,) = claim(ledger, 1)
    run_attempt(order)
    kept = read_json(Path(order.folder) / ORDER_FILE)
    assert kept["recipe"] == dict(order.recipe)
    assert kept["crystal"] == dict(order.crystal)
    assert (kept["token"], kept["number"], kept["corrections"]) == (order.token, 1, {})
