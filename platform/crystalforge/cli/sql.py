"""``platform sql``: ask the catalog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crystalforge.cli import complete
from crystalforge.cli.console import note, show_table
from crystalforge.cli.options import HomeOption, JsonOption
from crystalforge.errors import UsageError
from crystalforge.home import Home

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST_NUMBER = 18
"""Digits; a longer text is a name, such as a crystal_id whose hexadecimal digits happen to read as a number."""


def sql(
    statement: Annotated[str, typer.Argument(metavar="SELECT", help='One SELECT, in quotes; "-" reads it from stdin.')],
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV to standard output.")] = False,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", metavar="FILE", help="Write the result to a Parquet file.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            metavar="NAME=VALUE",
            help="Value of $NAME in the statement; JSON (a number, true, null, a list) or else text. Repeatable.",
        ),
    ] = None,
    generation: Annotated[
        list[str] | None,
        typer.Option(
            "--generation",
            metavar="ID",
            help="Only the samples of this generation. Repeatable.",
            autocompletion=complete.generations,
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option("--timeout", "--time-limit", metavar="SECONDS", min=0.001, help="Stop the query after this time."),
    ] = 30.0,
    memory_limit: Annotated[
        str, typer.Option("--memory-limit", metavar="SIZE", help="Memory that the query and its result may take.")
    ] = "2GB",
    max_rows: Annotated[
        int, typer.Option("--max-rows", metavar="N", min=1, help="Rows that the table on the screen shows.")
    ] = 50,
    home: HomeOption = None,
) -> None:
    """Ask in SQL: samples, candidates, rejections, materials, generations.

    `platform schema` lists the columns. The catalog is only read; a statement that does more is refused.

    [dim]Examples:[/dim]

      platform sql "SELECT formula, density FROM candidates ORDER BY density DESC LIMIT 10"

      platform sql 'SELECT count(*) FROM candidates WHERE space_group_number = $g' --param g=225

      platform sql "SELECT * FROM stabilities WHERE is_nearly_stable" --csv > stable.csv

      platform sql "SELECT reject_reason, count(*) FROM rejections GROUP BY ALL" --json

      platform sql - --parquet candidates.parquet < question.sql
    """
    if sum((as_json, as_csv, parquet is not None)) > 1:
        raise UsageError("Expected at most one of --json, --csv and --parquet.")
    parameters = dict(parse_parameter(text) for text in param or [])
    text = typer.get_text_stream("stdin").read() if statement == "-" else statement

    from crystalforge.catalog.query import open_catalog

    with open_catalog(
        Home.locate(home, store=True), generations=generation or None, memory_limit=memory_limit
    ) as catalog:
        result = catalog.query(text, parameters, time_limit_s=timeout)
    _write(result, as_json=as_json, as_csv=as_csv, parquet=parquet, max_rows=max_rows)


def parse_parameter(text: str) -> tuple[str, Any]:
    """Split ``name=value`` and read the value.

    Raises:
        UsageError: there is no name.
    """
    name, separator, value = text.partition("=")
    name = name.removeprefix("$")
    if not separator or not name.isidentifier():
        raise UsageError(f"--param {text!r}: expected NAME=VALUE, such as g=225, where the statement says $g.")
    return name, _value(value)


def _value(text: str) -> Any:
    """JSON if it is JSON, else the text itself; NaN, objects and very long numbers are text."""
    try:
        value = json.loads(text, parse_constant=lambda _: text)
    except ValueError:
        return text
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return text if isinstance(value, dict) or (is_number and len(text) > LONGEST_NUMBER) else value


def _write(result: pa.Table, *, as_json: bool, as_csv: bool, parquet: Path | None, max_rows: int) -> None:
    from crystalforge.catalog.output import OutputFormat, render_table, render_text, write_parquet

    if parquet is not None:
        write_parquet(result, parquet)
        note(f"{result.num_rows:,} rows written to {parquet}")
    elif as_json or as_csv:
        typer.echo(render_text(result, OutputFormat.JSON if as_json else OutputFormat.CSV), nl=False)
    else:
        show_table(render_table(result, max_rows))
        cut = f" (the first {max_rows:,} are shown: --max-rows, --csv, --json)" if result.num_rows > max_rows else ""
        note(f"{result.num_rows:,} {'row' if result.num_rows == 1 else 'rows'}{cut}")
