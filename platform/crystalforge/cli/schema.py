"""``platform schema``: what can be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crystalforge.cli import complete
from crystalforge.cli.console import add_row, new_table, note, show_json, show_table
from crystalforge.cli.options import JsonOption

if TYPE_CHECKING:
    from crystalforge.catalog.tables import CatalogTable


def schema(
    table: Annotated[
        str | None,
        typer.Argument(metavar="[TABLE]", help="Table; without it all are listed.", autocompletion=complete.tables),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the tables of SQL, or the columns of one with their types, units and meaning.

    [dim]Examples:[/dim]

      platform schema

      platform schema candidates

      platform schema --json
    """
    from crystalforge.catalog.tables import TABLES, find_table

    tables = [find_table(table)] if table else list(TABLES.values())
    if as_json:
        show_json([_describe(entry) for entry in tables])
    elif table:
        _show_columns(tables[0])
    else:
        drawn = new_table("Tables", "table", "columns", "holds", right=("columns",))
        for entry in tables:
            add_row(drawn, entry.name, len(entry.schema), entry.description)
        show_table(drawn)
        note("The columns of one: platform schema TABLE")


def _describe(entry: CatalogTable) -> dict[str, Any]:
    from crystalforge.catalog.tables import columns
    from crystalforge.schemas.versions import schema_label

    described = [
        {"column": column.name, "type": column.sql_type, "unit": column.unit or None, "comment": column.comment}
        for column in columns(entry)
    ]
    return {
        "table": entry.name,
        "holds": entry.description,
        "schema": schema_label(entry.schema),
        "columns": described,
    }


def _show_columns(entry: CatalogTable) -> None:
    from crystalforge.catalog.tables import columns

    drawn = new_table(f"{entry.name}: {entry.description}", "column", "type", "unit", "meaning")
    for column in columns(entry):
        add_row(drawn, column.name, column.sql_type, column.unit, column.comment)
    show_table(drawn)
