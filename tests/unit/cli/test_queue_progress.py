"""The counter of `platform validate run`: never more done than there is, whatever repeats or is added meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_queue import crystals, stand_in_recipe

from crystalforge.cli import progress as module
from crystalforge.cli.progress import progress
from crystalforge.cli.queue_progress import QueueProgress
from crystalforge.validation.attempt import run_attempt
from crystalforge.validation.claims import claim, record
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.requests import Request, change, enqueue


def test_the_total_is_live_through_retries_and_further_calculations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three calculations of which each needs two attempts; one more is enqueued, and one paused, while they run."""
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
    recipe = stand_in_recipe(behaviour=["nan", "replay"])
    n_attempts = 0
    with Ledger(tmp_path) as ledger, progress("calculations", 0) as update:
        enqueue(ledger, crystals(3), recipe)
        counted = QueueProgress(ledger, update)
        while orders := claim(ledger, 1):
            record(ledger, orders[0].attempt_id, run_attempt(orders[0]))
            n_attempts += 1
            counted.tell()
            if n_attempts == 2:
                enqueue(ledger, crystals(2, "Y"), recipe)
                change(ledger, Request.PAUSE, [5])
    counts = [tuple(map(int, line.split()[1].split("/"))) for line in capsys.readouterr().err.splitlines()]
    assert n_attempts == 8
    assert counts[0] == (0, 3)
    assert counts[-1] == (4, 4)
    assert all(done <= total for done, total in counts)
    assert [done for done, _ in counts] == sorted(done for done, _ in counts)
