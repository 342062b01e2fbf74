"""Progress on stderr: a bar in a terminal, a line now and then in a file, a pipe or a terminal that draws no bar.

NO_COLOR and TERM=dumb are honoured: rich does so for colours, we for the bar.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import Protocol

import typer

SECONDS_BETWEEN_LINES = 10.0


class Update(Protocol):
    """Tells how much is done."""

    def __call__(self, done: int, note: str = "", total: int | None = None) -> None:
        """So much is done; with a word on it, and the amount of work in all where that was not known before."""


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Update]:
    """Show how far a long work has come, as long as the ``with`` lasts.

    Args:
        what: name of the work.
        total: amount of work, 0 if it is not known yet; done when an update reaches it.
    """
    live = sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    with _bar(what, total) if live else _lines(what, total) as update:
        yield update


@contextlib.contextmanager
def _bar(what: str, total: int) -> Iterator[Update]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as display:
        task = display.add_task(what, total=total or None, note="")

        def update(done: int, note: str = "", total: int | None = None) -> None:
            display.update(task, completed=done, note=note, total=total)

        yield update


@contextlib.contextmanager
def _lines(what: str, total: int) -> Iterator[Update]:
    last_line = time.monotonic()
    in_all = total

    def update(done: int, note: str = "", total: int | None = None) -> None:
        nonlocal last_line, in_all
        in_all = total or in_all
        at_the_end = 0 < in_all <= done
        if not at_the_end and time.monotonic() - last_line < SECONDS_BETWEEN_LINES:
            return
        last_line = time.monotonic()
        typer.echo(f"{what}: {done}{f'/{in_all}' if in_all else ''} {note}".rstrip(), err=True)

    yield update
