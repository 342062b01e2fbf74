"""The ledger: every calculation and attempt in one SQLite file, every change in one transaction.

One dispatcher owns it (``owned``): it alone claims, records and supersedes. Other commands enqueue, pause, retry and
cancel in short transactions of their own, at any time. Which state may follow which is checked in the very statement
that changes it, against ``states.TRANSITIONS``.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from crystalforge.errors import DamagedFileError, SchemaVersionError, StorageError
from crystalforge.local_disk import require_local_disk
from crystalforge.locks import exclusive
from crystalforge.validation.ledger_tables import LEDGER_VERSION, MIGRATIONS, TABLES_SQL
from crystalforge.validation.states import CalculationState, sources_of

LEDGER_FILE = "ledger.sqlite"
BUSY_S = 30.0
"""How long a transaction waits for another process's."""


class Ledger:
    """An open ledger; use it in a ``with`` statement.

    Args:
        folder: ``validations`` of a home; made with an empty ledger if it is missing.

    Raises:
        StorageError: it cannot be opened or written.
        DamagedFileError: the file is no ledger.
        SchemaVersionError: it is of a later crystalforge.
    """

    def __init__(self, folder: Path) -> None:
        require_local_disk(
            folder,
            "The ledger of calculations",
            "Copy the generation, its training and its dataset into a home on one, and validate there",
        )
        self.folder = folder
        self.path = folder / LEDGER_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
            self.connection.row_factory = sqlite3.Row
            with self._explained():
                self.connection.execute("PRAGMA journal_mode = WAL")
                self.connection.execute("PRAGMA synchronous = FULL")
                self.connection.execute("PRAGMA foreign_keys = ON")
                self._create()
        except OSError as error:
            raise StorageError(f"Cannot use {self.path}: {error.strerror}.") from error

    def _create(self) -> None:
        with self.transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in TABLES_SQL.split(";\n"):
                    if statement.strip():
                        connection.execute(statement)
            for earlier in range(version or LEDGER_VERSION, LEDGER_VERSION):
                for statement in MIGRATIONS[earlier]:
                    connection.execute(statement)
            if version < LEDGER_VERSION:
                connection.execute(f"PRAGMA user_version = {LEDGER_VERSION}")
            elif version > LEDGER_VERSION:
                raise SchemaVersionError(
                    f"{self.path} is of version {version}: this crystalforge reads up to {LEDGER_VERSION}. Install the "
                    "newer one that wrote it."
                )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StorageError(
                f"Cannot use {self.path}: {error}. Check the free space, and that the file is yours to write."
            ) from error
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.IntegrityError):
                raise
            raise DamagedFileError(f"{self.path} is damaged: expected a ledger ({error}). Restore it.") from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; the lock for writing is taken at the start, so that what is read stays true.

        Raises:
            StorageError: no space, or another process held it too long.
            DamagedFileError: the file is no ledger.
        """
        with self._explained():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Be the one dispatcher; the kernel lets go of the lock however the process ends.

        Raises:
            BusyError: another process is; the message gives its process id.
        """
        with exclusive(self.folder, "The queue of calculations"):
            yield

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """The rows of a SELECT of ours."""
        with self._explained():
            return self.connection.execute(sql, tuple(parameters)).fetchall()

    def counts(self) -> dict[CalculationState, int]:
        """Calculations in each state, those without any left out."""
        rows = self.rows("SELECT state, count(*) AS n FROM calculations GROUP BY state")
        found = {row["state"]: row["n"] for row in rows}
        return {state: found[state.value] for state in CalculationState if state.value in found}

    def next_ready_at(self) -> float | None:
        """When the next ready calculation may be dispatched (s since 1970); None if none is ready."""
        found: float | None = self.rows(
            "SELECT min(ready_at) AS at FROM calculations WHERE state = ?", [CalculationState.READY]
        )[0]["at"]
        return found

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def move(
    connection: sqlite3.Connection, calculation_id: int, target: CalculationState, reason: str | None = None
) -> bool:
    """Bring a calculation into a state, if the table of transitions allows it from where it is.

    Args:
        connection: within a transaction.
        calculation_id: which.
        target: the state.
        reason: why, for a person.

    Returns:
        whether it was allowed, and so done.
    """
    sources = sources_of(target)
    marks = ", ".join("?" * len(sources))
    changed = connection.execute(
        f"UPDATE calculations SET state = ?, reason = ?, changed_at = ? "  # noqa: S608 (question marks only)
        f"WHERE calculation_id = ? AND state IN ({marks})",
        (target, reason, time.time(), calculation_id, *sources),
    )
    return changed.rowcount == 1
