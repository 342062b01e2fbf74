"""The dispatcher killed anywhere between claim and record: one result each, none lost, no process left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from small_queue import crystals, processes_of, stand_in_recipe

from crystalforge.catalog.query import open_catalog
from crystalforge.errors import BusyError
from crystalforge.files import read_json
from crystalforge.home import Home
from crystalforge.jobs.validate import Point, run_queue
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.requests import Request, change, enqueue
from crystalforge.validation.states import CalculationState

pytestmark = pytest.mark.ray

DISPATCHER = """
import os, signal, sys
from crystalforge.home import Home
from crystalforge.jobs.validate import run_queue

home, point = sys.argv[1:]

def observe(reached, attempt_id):
    print(reached, attempt_id, flush=True)
    if reached == point:
        os.kill(os.getpid(), signal.SIGKILL)

run_queue(Home.locate(home), concurrency=2, observe=observe)
"""
DEADLINE_S = 60
COUNT = 3


@pytest.fixture
def address(ray_session: None) -> str:
    import ray

    return str(ray.get_runtime_context().gcs_address)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.locate(tmp_path / "home")


def _fill(home: Home, *, count: int = COUNT, **options: object) -> None:
    with Ledger(home.validations) as ledger:
        assert enqueue(ledger, crystals(count), stand_in_recipe(**options)).added == count


def _dispatcher(home: Home, point: str, address: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", "-c", DISPATCHER, str(home.path), point]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"RAY_ADDRESS": address})


def _until(ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _check(home: Home, *, count: int = COUNT) -> list[tuple[str, int]]:
    """One accepted result for each calculation, with its file, no process; returns states of attempts with counts."""
    with Ledger(home.validations) as ledger:
        assert ledger.counts() == {CalculationState.VALIDATED: count}
        accepted = ledger.rows("SELECT * FROM attempts WHERE state = 'accepted'")
        assert sorted(row["calculation_id"] for row in accepted) == list(range(1, count + 1))
        for row in accepted:
            report = read_json(home.validations / "attempts" / row["attempt_id"] / "result.json")
            assert (report["token"], report["result"]["energy_ev"]) == (row["token"], row["energy_ev"])
        states = ledger.rows("SELECT state, count(*) AS n FROM attempts GROUP BY state ORDER BY state")
        folders = {folder.name for folder in (home.validations / "attempts").iterdir()}
        assert folders <= {row["attempt_id"] for row in ledger.rows("SELECT attempt_id FROM attempts")}
    _until(lambda: not processes_of(home.validations))
    return [(row["state"], row["n"]) for row in states]


def test_a_mixed_queue_ends_as_its_tables_say_and_sql_sees_it_run(home: Home, ray_session: None) -> None:
    behaviours = {"X1": ["fail", "replay"], "X2": "nan", "X3": "wrong_crystal", "X4": "empty"}
    _fill(home, count=8, seconds=0.2, by_formula=behaviours)
    with Ledger(home.validations) as ledger:
        enqueue(ledger, crystals(1, "large"), stand_in_recipe(resources={"cores": 4000}))
        enqueue(ledger, crystals(1, "urgent"), stand_in_recipe(seconds=0.2), priority=5.0)
    claimed, under_way, most, seen = [], set(), 0, []

    def observe(point: Point, attempt_id: str) -> None:
        nonlocal most
        if point is Point.CLAIMED:
            claimed.append(int(attempt_id.split("-")[0]))
            under_way.add(attempt_id)
            most = max(most, len(under_way))
        elif point is Point.RECORDED:
            under_way.discard(attempt_id)
        elif point is Point.EXPORTED:
            with open_catalog(home) as catalog:
                query = "SELECT count(*) FILTER (state = 'running') AS running, count(*) AS n FROM validations"
                seen.extend(catalog.query(query).to_pylist())

    run_queue(home, concurrency=3, observe=observe)
    assert claimed[0] == 10, "the most urgent first, though enqueued last"
    assert most <= 3
    assert any(row["running"] for row in seen)
    assert {row["n"] for row in seen} == {10}
    with open_catalog(home) as catalog:
        rows = catalog.query("SELECT formula, state, n_attempts FROM validations").to_pylist()
        classes = catalog.query("SELECT DISTINCT error_class FROM attempts WHERE error_class IS NOT NULL")
    ended = {row["formula"]: (row["state"], row["n_attempts"]) for row in rows}
    assert ended == {f"X{index}": ("validated", 1) for index in (0, 5, 6, 7)} | {
        "X1": ("validated", 2),
        "X2": ("failed", 2),
        "X3": ("quarantined", 1),
        "X4": ("failed", 2),
        "large0": ("failed", 1),
        "urgent0": ("validated", 1),
    }
    expected = {"exited", "not_a_number", "impossible_result", "no_output", "no_resources"}
    assert set(classes["error_class"].to_pylist()) == expected


@pytest.mark.parametrize("point", Point)
def test_a_dispatcher_that_is_killed_loses_nothing_and_doubles_nothing(home: Home, address: str, point: Point) -> None:
    _fill(home, seconds=0.4)
    with _dispatcher(home, point, address) as process:
        output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == -signal.SIGKILL, output
    assert output.splitlines()[-1].split()[0] == point
    run_queue(home, concurrency=2)
    attempts = dict(_check(home))
    assert attempts["accepted"] == COUNT
    assert set(attempts) <= {"accepted", "superseded"}
    if point is Point.CLAIMED:
        assert attempts["superseded"] == 2, "both were intended, neither was dispatched"
    again = run_queue(home)
    assert again.ended == {}, "what is done is not done again"


def test_a_kill_inside_the_transaction_that_records_leaves_none_of_it(home: Home, address: str) -> None:
    _fill(home, count=1)
    program = DISPATCHER.replace(
        "run_queue(Home",
        """
import crystalforge.validation.claims as claims
from crystalforge.validation.ledger import Ledger

def _kill_before_commit(ledger):
    def look(statement):
        if "result_sha256" in statement:
            ledger.seen = True
        if statement == "COMMIT" and getattr(ledger, "seen", False):
            os.kill(os.getpid(), signal.SIGKILL)
    ledger.connection.set_trace_callback(look)

enter = Ledger.__enter__
Ledger.__enter__ = lambda ledger: (_kill_before_commit(ledger), enter(ledger))[1]
run_queue(Home""",
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(home.path), "never"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"RAY_ADDRESS": address}) as process:
        process.communicate(timeout=DEADLINE_S)
    assert process.returncode == -signal.SIGKILL
    with Ledger(home.validations) as ledger:
        (attempt,) = ledger.rows("SELECT * FROM attempts")
        assert (attempt["state"], attempt["energy_ev"]) in {("running", None), ("intended", None)}
    summary = run_queue(home)
    assert (summary.found.recorded, summary.ended) == (1, {}), "the result file was there: nothing was computed twice"
    assert _check(home, count=1) == [("accepted", 1)]


def test_a_worker_that_is_killed_costs_one_attempt(home: Home, ray_session: None) -> None:
    _fill(home, count=1, seconds=1.5)
    killed = []

    def observe(point: Point, attempt_id: str) -> None:
        if point is Point.STARTED and not killed:
            order = read_json(home.validations / "attempts" / attempt_id / "order.json")
            killed.append(order["pid"])
            psutil.Process(order["pid"]).kill()

    summary = run_queue(home, observe=observe)
    assert summary.ended == {"failed": 1, "accepted": 1}
    assert _check(home, count=1) == [("accepted", 1), ("failed", 1)]
    with Ledger(home.validations) as ledger:
        (row,) = ledger.rows("SELECT error_class FROM attempts WHERE state = 'failed'")
    assert row["error_class"] == "worker_lost"


def test_the_second_dispatcher_stops_and_names_the_first(home: Home, address: str) -> None:
    _fill(home, count=1, seconds=3)
    with _dispatcher(home, "never", address) as first:
        assert first.stdout is not None
        first.stdout.readline()
        with pytest.raises(BusyError, match=f"process {first.pid}"):
            run_queue(home)
        first.communicate(timeout=DEADLINE_S)
    assert first.returncode == 0
    assert _check(home, count=1) == [("accepted", 1)]


def test_stopping_and_cancelling_end_what_runs(home: Home, address: str) -> None:
    _fill(home, count=2, behaviour="hang", resources={"walltime_s": 600, "grace_s": 0.2})
    with _dispatcher(home, "never", address) as process:
        _until(lambda: len(processes_of(home.validations)) == 6)
        with Ledger(home.validations) as ledger:
            assert change(ledger, Request.CANCEL, [1]) == ([1], [])
        _until(lambda: len(processes_of(home.validations)) == 3)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_S)
    assert process.returncode == -signal.SIGINT, "as by Ctrl-C: in good order"
    _until(lambda: not processes_of(home.validations))
    with Ledger(home.validations) as ledger:
        assert ledger.counts() == {CalculationState.READY: 1, CalculationState.CANCELLED: 1}
        rows = ledger.rows("SELECT state FROM attempts")
        assert [row["state"] for row in rows] == ["superseded", "superseded"]
