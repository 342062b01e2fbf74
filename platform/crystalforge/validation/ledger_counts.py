"""The ledger summed up by somebody who only looks: nothing is created, migrated or locked."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from crystalforge.errors import DamagedFileError, StorageError
from crystalforge.validation.ledger import BUSY_S, LEDGER_FILE

CALCULATIONS_SQL = """
SELECT r.name, r.engine, c.state, count(*) FROM calculations c JOIN recipes r USING (recipe_hash) GROUP BY 1, 2, 3
"""
ATTEMPTS_SQL = """
SELECT r.name, r.engine, a.state, coalesce(a.error_class, ''), count(*)
FROM attempts a JOIN calculations c USING (calculation_id) JOIN recipes r USING (recipe_hash) GROUP BY 1, 2, 3, 4
"""
TIMES_SQL = """
SELECT r.name, r.engine, coalesce(sum(a.cpu_s), 0), coalesce(sum(a.wall_s), 0)
FROM attempts a JOIN calculations c USING (calculation_id) JOIN recipes r USING (recipe_hash) GROUP BY 1, 2
"""


@dataclass(frozen=True)
class LedgerCounts:
    """What a ledger holds, by recipe and engine."""

    calculations: list[tuple[str, str, str, int]]
    """Recipe, engine, state, number."""
    attempts: list[tuple[str, str, str, str, int]]
    """Recipe, engine, state, error class (empty without one), number."""
    seconds: list[tuple[str, str, float, float]]
    """Recipe, engine, CPU time and duration of the attempts that ended (s)."""


def count_ledger(folder: Path) -> LedgerCounts:
    """Sum up the ledger of a folder, in one transaction; an absent one is empty.

    Raises:
        StorageError: it cannot be opened.
        DamagedFileError: the file is no ledger.
    """
    path = folder / LEDGER_FILE
    if not path.is_file():
        return LedgerCounts([], [], [])
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as connection:
            connection.execute("BEGIN")
            return LedgerCounts(
                *(connection.execute(sql).fetchall() for sql in (CALCULATIONS_SQL, ATTEMPTS_SQL, TIMES_SQL))
            )
    except sqlite3.OperationalError as error:
        raise StorageError(f"Cannot read {path}: {error}.") from error
    except sqlite3.DatabaseError as error:
        raise DamagedFileError(f"{path} is damaged: expected a ledger ({error}). Restore it.") from error
