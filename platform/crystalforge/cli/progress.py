"""Progress on stderr: a bar in a terminal, a line now and then in a file."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import typer

SECONDS_BETWEEN_LINES = 10.0

Update = Callable[[int, str], None]
"""Takes how much is done and a word on it."""


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Update]:
    """Show how far a long work has come, as long as the ``with`` lasts.

    Args:
        what: name of the work.
        total: amount of work; done when an update reaches it.
    """
    with _bar(what, total) if sys.stderr.isatty() else _lines(what, total) as update:
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
        task = display.add_task(what, total=total, note="")
        yield lambda done, note: display.update(task, completed=done, note=note)


@contextlib.contextmanager
def _lines(what: str, total: int) -> Iterator[Update]:
    last_line = -SECONDS_BETWEEN_LINES

    def update(done: int, note: str) -> None:
        nonlocal last_line
        if done < total and time.monotonic() - last_line < SECONDS_BETWEEN_LINES:
            return
        last_line = time.monotonic()
        typer.echo(f"{what}: {done}/{total} {note}".rstrip(), err=True)

    yield update
