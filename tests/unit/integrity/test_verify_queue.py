"""What a verification finds in a real small queue, each wrong in one way."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from small_catalog import digest
from small_queue import crystals, stand_in_recipe, work_off

from crystalforge.files import read_json, write_json
from crystalforge.home import Home
from crystalforge.integrity import Kind, verify_home
from crystalforge.jobs.repair import repair_home
from crystalforge.locks import exclusive
from crystalforge.validation.claims import claim
from crystalforge.validation.export import export_ledger
from crystalforge.validation.ledger import LEDGER_FILE, Ledger
from crystalforge.validation.requests import enqueue


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two accepted results and, of another recipe, an attempt that is intended and a calculation that waits."""
    home = Home.locate(tmp_path_factory.mktemp("queue") / "home")
    with Ledger(home.validations) as ledger:
        enqueue(ledger, crystals(2), stand_in_recipe())
        work_off(ledger)
        enqueue(ledger, crystals(2, "Y"), stand_in_recipe("later", seconds=1))
        claim(ledger, 1)
        export_ledger(ledger)
    return home


@pytest.fixture
def home(queue: Home, tmp_path: Path) -> Home:
    return Home.locate(shutil.copytree(queue.path, tmp_path / "home"))


def kinds(home: Home) -> list[tuple[Kind, str]]:
    return [(finding.kind, finding.path) for finding in verify_home(home).findings]


def change(home: Home, *statements: str) -> None:
    """Change the ledger as no command does; its own rules are put aside first."""
    with closing(sqlite3.connect(home.validations / LEDGER_FILE)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            connection.execute(statement)


def test_a_sound_queue_is_sound_and_stays_as_it_was(home: Home) -> None:
    before = digest(home.path)
    report = verify_home(home)
    assert report.findings == []
    assert (report.counts["attempts"], report.counts["queue tables"]) == (3, 2)
    assert digest(home.path) == before


@pytest.mark.parametrize(
    ("statements", "text"),
    [
        (["UPDATE calculations SET state = 'validated' WHERE state = 'ready'"], "done without one"),
        (["UPDATE calculations SET state = 'ready' WHERE calculation_id = 1"], "not done"),
        (["UPDATE calculations SET state = 'running' WHERE state = 'dispatching'"], "latest attempt is not"),
        (["UPDATE attempts SET state = 'failed' WHERE state = 'intended'"], "latest attempt is not"),
        (["UPDATE calculations SET n_attempts = 4 WHERE calculation_id = 1"], "other attempts than they count"),
        (
            [
                "DROP INDEX one_result",
                "UPDATE attempts SET calculation_id = 1, number = 2 WHERE calculation_id = 2",
            ],
            "more than one accepted attempt: 1 (2)",
        ),
    ],
)
def test_states_that_no_command_leaves_are_found(home: Home, statements: list[str], text: str) -> None:
    change(home, *statements)
    messages = [finding.message for finding in verify_home(home).problems if finding.kind is Kind.STATE]
    assert any(text in message for message in messages), messages


def test_a_state_that_there_is_not_is_found(home: Home) -> None:
    change(home, "UPDATE attempts SET state = 'dreamt' WHERE state = 'intended'")
    assert Kind.DAMAGED in {finding.kind for finding in verify_home(home).problems}


DAMAGES: dict[str, tuple[Callable[[Path], object], Kind]] = {
    "lost": (Path.unlink, Kind.MISSING),
    "empty": (lambda path: path.write_bytes(b""), Kind.DAMAGED),
    "changed": (lambda path: write_json(path, read_json(path) | {"token": 7}), Kind.DAMAGED),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_result_that_is_not_the_accepted_one_is_found(home: Home, damage: str) -> None:
    path = sorted(home.validations.glob("attempts/*/result.json"))[0]
    inflict, kind = DAMAGES[damage]
    inflict(path)
    assert kinds(home) == [(kind, path.relative_to(home.path).as_posix())]


def test_a_result_that_tells_of_another_energy_is_found(home: Home) -> None:
    change(home, "UPDATE attempts SET energy_ev = energy_ev + 1 WHERE calculation_id = 1")
    assert Kind.ROWS in {finding.kind for finding in verify_home(home).problems}


def test_a_damaged_ledger_is_found(home: Home) -> None:
    path = home.validations / LEDGER_FILE
    content = path.read_bytes()
    path.write_bytes(b"no ledger" + content[9:])
    assert kinds(home) == [(Kind.DAMAGED, f"validations/{LEDGER_FILE}")]
    path.write_bytes(content[: len(content) // 2])
    assert kinds(home) == [(Kind.DAMAGED, f"validations/{LEDGER_FILE}")]
    path.unlink()
    assert kinds(home) == [(Kind.MISSING, f"validations/{LEDGER_FILE}")]


def test_tables_that_are_not_the_ledger_are_found_and_exported_again(home: Home) -> None:
    change(home, "UPDATE calculations SET priority = 3")
    report = verify_home(home)
    assert [(finding.kind, finding.path) for finding in report.problems] == [(Kind.ROWS, "validations/export.json")]
    assert repair_home(home, report).exported
    assert verify_home(home).findings == []
    (table,) = home.validations.glob(read_json(home.validations / "export.json")["tables"]["attempts"]["file"])
    table.write_bytes(table.read_bytes()[:-9])
    report = verify_home(home)
    assert [finding.kind for finding in report.problems] == [Kind.DAMAGED]
    assert repair_home(home, report).exported
    assert verify_home(home).findings == []
    (home.validations / "export.json").unlink()
    report = verify_home(home)
    assert [finding.kind for finding in report.problems] == [Kind.MISSING]
    assert repair_home(home, report).exported
    assert verify_home(home).findings == []


def test_a_queue_that_is_worked_off_is_not_looked_at(home: Home) -> None:
    change(home, "UPDATE calculations SET state = 'ready'")
    with exclusive(home.validations, "The queue"):
        report = verify_home(home)
        assert [finding.kind for finding in report.findings] == [Kind.IN_PROGRESS]
        assert str(os.getpid()) in report.findings[0].message
        assert report.problems == []
    assert verify_home(home).problems


def test_what_a_killed_dispatcher_left_in_its_log_counts(home: Home) -> None:
    """SQLite keeps the last changes in a file beside the ledger; a verification reads them and leaves them there."""
    reader = os.fork()
    if reader == 0:
        connection = sqlite3.connect(home.validations / LEDGER_FILE, isolation_level=None)
        connection.execute("UPDATE calculations SET priority = 3")
        os._exit(0)
    os.waitpid(reader, 0)
    assert (home.validations / f"{LEDGER_FILE}-wal").stat().st_size > 0
    before = digest(home.path)
    assert [finding.kind for finding in verify_home(home).problems] == [Kind.ROWS]
    assert digest(home.path) == before
