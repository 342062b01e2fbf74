"""Where output goes: results to stdout, everything else to stderr; rich is imported when a table is drawn."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from crystalforge.cli.dry_runs import DryRun
    from crystalforge.jobs.node_watch import NodeEvent

WIDE = 10_000
"""Width (columns) for a pipe or a file, where a folded or shortened line would lose data."""


def show_table(table: Table) -> None:
    """Draw a table on stdout: in the width of the terminal, or unfolded into a pipe."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else WIDE, highlight=False).print(table)


def new_table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table with a title; the columns named in ``right`` hold numbers."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title) if title else None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    for column in columns:
        table.add_column(Text(column), justify="right" if column in right else "left", overflow="fold")
    return table


def add_row(table: Table, *values: object) -> None:
    """Add a row whose texts are shown as they are; None is an empty cell."""
    from rich.text import Text

    table.add_row(*(Text("" if value is None else str(value)) for value in values))


def show_json(value: Any) -> None:
    """Write a value as readable JSON on stdout."""
    import json

    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def json_of(summary: Any) -> Any:
    """A summary's dataclass as JSON has it: paths as texts, keys as texts."""
    import dataclasses
    import json

    return json.loads(json.dumps(dataclasses.asdict(summary), default=str))


def show_dry_run(found: DryRun, *, as_json: bool) -> None:
    """Say what a command would do; nothing was done."""
    if as_json:
        show_json(json_of(found) | {"dry_run": True})
        return
    typer.echo(found.what)
    for line in found.lines():
        typer.echo(f"  {line}")
    note("Nothing was written: this was a dry run.")


def note_nodes(nodes: list[NodeEvent]) -> None:
    """Say on stderr which nodes of the cluster joined or were lost during the command."""
    for event in nodes:
        note(event.describe())


def tell_address(url: str, *, as_json: bool) -> None:
    """Say where a server that has started is reached, and how it is ended."""
    if as_json:
        show_json({"url": url})
    else:
        typer.echo(url)
    note("Press Ctrl-C to stop.")


def note(message: str) -> None:
    """Say something on stderr that is not a result."""
    typer.echo(message, err=True)
