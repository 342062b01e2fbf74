"""The queue of calculations: its ledger, the results that it accepted, and the tables that SQL reads."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pyarrow as pa

from crystalforge.catalog.validations import QUEUE_TABLES, exported_queue
from crystalforge.errors import CrystalforgeError, DamagedFileError
from crystalforge.files import check_sha256, path_within, read_record, storage_errors
from crystalforge.home import VALIDATIONS_EXPORT, Home
from crystalforge.integrity.files import check_table
from crystalforge.integrity.findings import Kind, Report
from crystalforge.locks import held_by
from crystalforge.validation.attempt import RESULT_FILE, RESULT_KEYS
from crystalforge.validation.claims import ATTEMPTS_FOLDER
from crystalforge.validation.export import EXPORTS, table_of
from crystalforge.validation.ledger import LEDGER_FILE, Ledger
from crystalforge.validation.states import DONE, AttemptState, CalculationState

EXPORT = "Run `platform validate status` to export the ledger anew."
BY_HAND = "No command leaves it so: restore the ledger from a copy."
MOST_NAMED = 5


SUMMARY = """
WITH calculation_states AS (SELECT value FROM json_each(?)),
attempt_states AS (SELECT value FROM json_each(?)),
done AS (SELECT value FROM json_each(?)),
summary AS (
    SELECT c.calculation_id, c.state, c.n_attempts, c.token,
           count(a.attempt_id) AS n_found,
           count(a.attempt_id) FILTER (WHERE a.state = 'accepted') AS n_accepted,
           coalesce(max(a.token), 0) AS latest_token,
           max(a.state) FILTER (WHERE a.token = c.token) AS latest_state
    FROM calculations c LEFT JOIN attempts a USING (calculation_id)
    GROUP BY c.calculation_id
)
"""
FORBIDDEN = {
    "calculations are in a state that there is not": """
        SELECT calculation_id, state FROM calculations WHERE state NOT IN calculation_states""",
    "attempts are in a state that there is not": """
        SELECT attempt_id, state FROM attempts WHERE state NOT IN attempt_states""",
    "calculations have more than one accepted attempt": """
        SELECT calculation_id, n_accepted FROM summary WHERE n_accepted > 1""",
    "calculations have an accepted attempt and are not done, or are done without one": """
        SELECT calculation_id, state FROM summary WHERE (n_accepted > 0) <> (state IN done)""",
    "calculations are under way and their latest attempt is not": """
        SELECT calculation_id, latest_state FROM summary
        WHERE (state = 'dispatching' AND latest_state IS NOT 'intended')
           OR (state = 'running' AND latest_state IS NOT 'running')""",
    "calculations have other attempts than they count": """
        SELECT calculation_id, n_found FROM summary WHERE n_found <> n_attempts OR latest_token <> token""",
}
"""What no ledger may hold, and the names of those that do."""


def verify_queue(report: Report, home: Home) -> None:
    """Check ledger, results and exported tables; nothing is read while a dispatcher changes them."""
    holder = held_by(home.validations)
    if holder:
        found = f"Process {holder} is working the queue off: it was not looked at. Verify again when it has ended."
        report.add(Kind.IN_PROGRESS, home.validations, found)
        return
    path = home.validations / LEDGER_FILE
    exported = _exported(report, home)
    if not path.is_file():
        if exported or (home.validations / ATTEMPTS_FOLDER).is_dir():
            report.add(Kind.MISSING, path, "Expected the ledger of the attempts, found no file. Restore it.")
        return
    with tempfile.TemporaryDirectory(prefix="crystalforge-ledger-") as folder:
        try:
            _copy(path, Path(folder))
            with Ledger(Path(folder)) as ledger:
                _verify_ledger(report, home, ledger, exported)
        except CrystalforgeError as error:
            report.add(Kind.DAMAGED, path, str(error).replace(folder, str(home.validations)))


def _copy(path: Path, folder: Path) -> None:
    """Opening a ledger writes beside it, even to read: a copy is read, with what a killed process left in its log."""
    with storage_errors(path):
        for name in (path.name, f"{path.name}-wal"):
            if path.with_name(name).is_file():
                shutil.copyfile(path.with_name(name), folder / name)


def _exported(report: Report, home: Home) -> dict[str, pa.Table]:
    """Sound tables of the last export, by name."""
    found: dict[str, pa.Table] = {}
    try:
        exported = exported_queue(home)
    except CrystalforgeError as error:
        report.add(Kind.RECORD, home.validations / VALIDATIONS_EXPORT, str(error))
        return found
    for view, files in exported.items():
        name, schema = QUEUE_TABLES[view]
        for file in files:
            record = {"sha256": file.sha256, "bytes": file.bytes, "schema": file.schema}
            table = check_table(report, file.path, record, schema, repair=file.repair)
            report.counts["queue tables"] += 1
            if table is not None:
                found[name] = table
    return found


def _verify_ledger(report: Report, home: Home, ledger: Ledger, exported: dict[str, pa.Table]) -> None:
    path = home.validations / LEDGER_FILE
    for row in ledger.rows("PRAGMA quick_check"):
        if row[0] != "ok":
            report.add(Kind.DAMAGED, path, f"SQLite finds it damaged: {row[0]}. Restore it from a copy.")
            return
    states = [json.dumps([state.value for state in group]) for group in (CalculationState, AttemptState, DONE)]
    for what, sql in FORBIDDEN.items():
        if rows := ledger.rows(SUMMARY + sql, states):
            some = ", ".join(f"{row[0]} ({row[1]})" for row in rows[:MOST_NAMED])
            more = ", …" if len(rows) > MOST_NAMED else ""
            report.add(Kind.STATE, path, f"{len(rows)} {what}: {some}{more}. {BY_HAND}")
    for row in ledger.rows("SELECT * FROM attempts WHERE state = ?", [AttemptState.ACCEPTED]):
        _verify_result(report, home, row)
    report.counts["attempts"] += ledger.rows("SELECT count(*) FROM attempts")[0][0]
    _verify_export(report, home, ledger, exported)


def _verify_result(report: Report, home: Home, row: sqlite3.Row) -> None:
    """Check that an accepted attempt has the result file that the ledger took it from."""
    path = home.validations / ATTEMPTS_FOLDER / row["attempt_id"] / RESULT_FILE
    repair = f"Restore it: calculation {row['calculation_id']} rests on it."
    try:
        path = path_within(home.validations, path.relative_to(home.validations).as_posix(), source=home.validations)
        check_sha256(path, str(row["result_sha256"]), repair)
        result = read_record(path, RESULT_KEYS)
    except DamagedFileError as error:
        report.add(Kind.DAMAGED if path.is_file() else Kind.MISSING, path, str(error))
        return
    told = (result["attempt_id"], result["token"], (result["result"] or {}).get("energy_ev"))
    noted = (row["attempt_id"], row["token"], row["energy_ev"])
    if told != noted:
        report.add(Kind.ROWS, path, f"Expected attempt, token and energy {noted} of the ledger, found {told}. {repair}")


def _verify_export(report: Report, home: Home, ledger: Ledger, exported: dict[str, pa.Table]) -> None:
    """Check that SQL sees what the ledger holds."""
    record = home.validations / VALIDATIONS_EXPORT
    if not record.is_file():
        report.add(Kind.MISSING, record, f"Expected the tables of the ledger, found none. {EXPORT}")
    for name in EXPORTS.keys() & exported.keys():
        if exported[name].to_pylist() != table_of(ledger, name).to_pylist():
            report.add(Kind.ROWS, record, f"Table {name} holds other rows than the ledger. {EXPORT}")
