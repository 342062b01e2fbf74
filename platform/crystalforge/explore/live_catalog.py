"""The catalog as the page sees it: one snapshot for all its queries, and a newer one when rows were committed since."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from crystalforge.catalog.changes import committed_state
from crystalforge.catalog.query import DEFAULT_MEMORY_LIMIT, Catalog, open_catalog
from crystalforge.errors import CrystalforgeError, QueryError
from crystalforge.explore.questions import Question
from crystalforge.home import Home

KEPT = ("crystals",)
"""What nearly every query asks: from memory 60,000 rows answer in milliseconds, from Parquet in 0.25 s."""
REMEMBERED_ANSWERS, REMEMBERED_BYTES = 200, 100_000
"""How many answers, and how large at most."""
TIME_LIMIT_S = 10.0
"""Of a query: nobody looks at a page for longer, and the next one waits."""


class LiveCatalog:
    """A catalog that many threads ask, and that can be opened anew while they do.

    Pages of one list are of one snapshot, so that no row is seen twice or missed; ``refresh`` takes the next.
    """

    def __init__(self, home: Home, memory_limit: str = DEFAULT_MEMORY_LIMIT) -> None:
        self.home = home
        self.number = 1
        """Of the snapshot."""
        self.problem: str | None = None
        """Why the last refresh failed; None if it did not."""
        self._memory_limit = memory_limit
        self._remembered: dict[tuple[int, str, str], pa.Table] = {}
        self._asking, self._refreshing = threading.Lock(), threading.Lock()
        self._state = committed_state(home)
        self._catalog = self._open()

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """Run one SELECT on the present snapshot.

        Raises:
            QueryError: refused, wrong, too long or too large.
        """
        with self._asking:  # the process answers one after another
            return self._catalog.query(sql, params, TIME_LIMIT_S)

    def table(self, question: Question) -> pa.Table:
        """The answer to a question; a small one is remembered, for a person goes back and forth."""
        key = self.number, question.sql, json.dumps(question.values)
        if (known := self._remembered.get(key)) is not None:
            return known
        answer = self.query(question.sql, question.values)
        if answer.nbytes <= REMEMBERED_BYTES and key[0] == self.number:
            while len(self._remembered) >= REMEMBERED_ANSWERS:
                self._remembered.pop(next(iter(self._remembered)), None)
            self._remembered[key] = answer
        return answer

    def ask(self, question: Question) -> list[dict[str, Any]]:
        """The rows of the answer."""
        rows: list[dict[str, Any]] = self.table(question).to_pylist()
        return rows

    def has_changed(self) -> bool:
        """Whether something was committed since the snapshot."""
        return committed_state(self.home) != self._state

    def refresh(self) -> None:
        """Take a new snapshot if something was committed; the old one answers until the new one is there.

        A home that cannot be read any more, because a file is damaged, leaves the old one, with the reason in
        ``problem``.
        """
        with self._refreshing:
            state = committed_state(self.home)
            if state == self._state:
                return
            try:
                catalog = self._open()
            except CrystalforgeError as error:
                self.problem = str(error)
                return
            with self._asking:
                old, self._catalog = self._catalog, catalog
                self._state, self.number, self.problem = state, self.number + 1, None
                self._remembered.clear()
            old.close()

    def close(self) -> None:
        """End the process of SQL."""
        self._catalog.close()

    def _open(self) -> Catalog:
        try:
            return open_catalog(self.home, memory_limit=self._memory_limit, kept=KEPT)
        except QueryError as error:
            if "Out of Memory" not in str(error):
                raise
            raise QueryError(
                f"The crystals of {self.home.path} need more memory than {self._memory_limit}: expected that all of "
                "them fit. Give more with --memory-limit."
            ) from error
