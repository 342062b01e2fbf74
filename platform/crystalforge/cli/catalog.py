"""``platform catalog``: the catalog as a file for other clients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crystalforge.cli.console import json_of, note, show_json
from crystalforge.cli.options import HomeOption, JsonOption
from crystalforge.home import Home

app = typer.Typer(no_args_is_help=True, help="Take the catalog to another client.")


@app.callback()
def _catalog() -> None:
    """Keep ``export`` a command of its own name while it is the only one."""


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE.duckdb", help="File to write; an older export is replaced.")],
    memory_limit: Annotated[
        str, typer.Option("--memory-limit", metavar="SIZE", help="Memory that DuckDB may take.")
    ] = "2GB",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write every table and view into a DuckDB file, with the meaning and unit of each column as its comment.

    The file is a copy: it appears whole or not at all, and does not change when more is generated.

    [dim]Examples:[/dim]

      platform catalog export crystals.duckdb

      platform catalog export crystals.duckdb --memory-limit 8GB --json
    """
    from crystalforge.catalog.export import export_catalog

    summary = export_catalog(Home.locate(home, store=True), file, memory_limit=memory_limit)
    if as_json:
        show_json(json_of(summary))
        return
    for name, rows in summary.rows.items():
        typer.echo(f"{name}: {rows:,} rows")
    note(f"{summary.bytes / 2**20:.1f} MiB written to {summary.file}")
