"""How far the queue is, in calculations: attempts repeat and the queue grows, so both numbers are the ledger's own."""

from __future__ import annotations

from crystalforge.cli.progress import Update
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.states import IN_FLIGHT, CalculationState

OPEN = (CalculationState.READY, *IN_FLIGHT)
"""States of calculations that wait or run."""


class QueueProgress:
    """Tells how many calculations have come to an end since it was made, of these and those that are open now."""

    def __init__(self, ledger: Ledger, update: Update) -> None:
        self.ledger = ledger
        self.update = update
        self.ended_before, n_open = self._counts()
        if n_open:
            update(0, total=n_open)

    def tell(self) -> None:
        """An attempt was recorded: look again."""
        ended, n_open = self._counts()
        done = max(0, ended - self.ended_before)
        self.update(done, f"{n_open} left" if n_open else "", total=done + n_open)

    def _counts(self) -> tuple[int, int]:
        """Calculations that came to an end, and those that are open; what a person paused is neither."""
        counts = self.ledger.counts()
        n_open = sum(counts.get(state, 0) for state in OPEN)
        return sum(counts.values()) - n_open - counts.get(CalculationState.PAUSED, 0), n_open
