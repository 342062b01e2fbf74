"""``platform report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crystalforge.cli import complete
from crystalforge.cli.console import json_of, note, show_json
from crystalforge.cli.options import HomeOption, JsonOption
from crystalforge.home import Home

BEST = "Which crystals are the best"


def report(
    generation: Annotated[
        str | None,
        typer.Option(
            "--generation",
            help="Generation, by identifier; the newest by default.",
            autocompletion=complete.generations,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="HTML file to write, or a folder for it.",
            show_default="./report-GENERATION.html",
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            help="SQL condition on the view crystals.",
            metavar="SQL",
            show_default="NOT is_known",
            rich_help_panel=BEST,
        ),
    ] = None,
    order_by: Annotated[
        str | None,
        typer.Option(
            help="SQL expressions; the best first.",
            metavar="SQL",
            show_default="validated, then by energy above hull",
            rich_help_panel=BEST,
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=100, help="How many.", rich_help_panel=BEST)] = 20,
    alike: Annotated[
        bool, typer.Option("--alike", help="Also crystals that equal a better one.", rich_help_panel=BEST)
    ] = False,
    open_it: Annotated[bool, typer.Option("--open", help="Open the file in a browser.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write one HTML file that tells what a generation came to; it asks nothing of a network.

    From drawn to validated beside the nulls, each space group, energies, volumes and contacts, elements, Wyckoff
    templates, training curves, and the best crystals in 3D with their data and how they came to be. What the home does
    not have yet, the page says how to make.

    [dim]Examples:[/dim]

      platform report

      platform report --generation 94b1055ab0 --out reports/ --open

      platform report --where "list_contains(elements, 'Li') AND energy_above_hull < 0.05" --top 50

      platform report --order-by "abs(density - 3)" --top 10 --json
    """
    from crystalforge.report import Choice, write_report

    summary = write_report(
        Home.locate(home, store=True),
        generation=generation,
        out=out,
        choice=Choice(where, order_by, top, alike),
        say=note,
    )
    for key, why in summary.sections.items():
        if why:
            note(f"Section {key} is empty: {why}" + "".join(f"\n  {one}" for one in summary.commands[key]))
    if open_it:
        from crystalforge.cli.explore import open_browser

        open_browser(summary.path.as_uri())
    if as_json:
        show_json(json_of(summary))
        return
    typer.echo(f"{summary.path}  ({summary.bytes / 1e6:.1f} MB)")
