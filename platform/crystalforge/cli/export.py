"""``platform export``: crystals to other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from crystalforge.cli import complete
from crystalforge.cli.console import json_of, note, show_dry_run, show_json
from crystalforge.cli.options import DryRunOption, HomeOption, JsonOption
from crystalforge.export.choices import CellKind, FormatName
from crystalforge.validation.states import Structure

CHOICE = "Which crystals"
FILES = "What is written"


def export(
    file_format: Annotated[
        FormatName,
        typer.Option(
            "--format",
            help="cif and poscar: a folder with a file for each crystal; the others: one file.",
            rich_help_panel=FILES,
        ),
    ] = FormatName.CIF,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder or file to make; a name that ends in .cif takes all CIFs into one file.",
            metavar="PATH",
            show_default="./crystals-FORMAT, or ./crystals.SUFFIX",
            rich_help_panel=FILES,
        ),
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="SQL condition on the rows.", metavar="CONDITION", rich_help_panel=CHOICE)
    ] = None,
    order_by: Annotated[
        str | None,
        typer.Option(
            "--order-by",
            help="SQL order, the best first: it becomes the rank in the names.",
            metavar="EXPRESSION",
            show_default="the lowest energy above hull",
            rich_help_panel=CHOICE,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Most crystals.", metavar="N", show_default="all", rich_help_panel=CHOICE)
    ] = None,
    table: Annotated[
        str,
        typer.Option(
            "--table",
            "--from",
            help="candidates, samples, materials, crystals (both), relaxations, stabilities, discoveries; or "
            "validations: the cells that calculations ended in.",
            metavar="TABLE",
            rich_help_panel=CHOICE,
            autocompletion=complete.one_of(complete.EXPORTED),
        ),
    ] = "candidates",
    structure: Annotated[
        Structure | None,
        typer.Option(
            help="Which cell: as it was generated (or tabulated), or as a screening relaxed it; crystals that none "
            "relaxed are then left out.",
            show_default="as the table has it",
            rich_help_panel=CHOICE,
        ),
    ] = None,
    cell: Annotated[
        CellKind, typer.Option(help="Cell of the atoms; cif and csv have the conventional one.", rich_help_panel=FILES)
    ] = CellKind.CONVENTIONAL,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier export of that name.", rich_help_panel=FILES)
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.001, help="Stop a query after this time.")
    ] = 300.0,
    memory_limit: Annotated[
        str, typer.Option("--memory-limit", metavar="SIZE", help="Memory that a query and its result may take.")
    ] = "2GB",
    dry_run: DryRunOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the crystals that an SQL condition chooses as files for other programs.

    CIFs are symmetrised: with operations, Wyckoff letters, one site of each orbit. Names begin with the rank.

    A manifest holds the question, the sources and each file's checksum. An export appears whole or not at all.

    [dim]Examples:[/dim]

      platform export --where "space_group_number = 225" --limit 100

      platform export --where "energy_above_hull < 0.05 AND NOT is_known" --structure relaxed --out best

      platform export --format poscar --cell primitive --order-by "density DESC" --limit 20

      platform export --table materials --where "band_gap > 3" --format extxyz --out insulators.extxyz

      platform export --format optimade-jsonl --out candidates.jsonl

      platform export --table validations --where "state = 'validated'" --out computed

      platform export --format csv --where "space_group_number = 225" --dry-run
    """
    from crystalforge.cli.progress import progress
    from crystalforge.export import CrystalQuery, export_crystals
    from crystalforge.home import Home

    place = Home.locate(home, store=True)
    query = CrystalQuery(table, where, order_by, limit, structure)
    choices: dict[str, Any] = {
        "cell": cell,
        "overwrite": overwrite,
        "memory_limit": memory_limit,
        "time_limit_s": timeout,
    }
    if dry_run:
        from crystalforge.cli.dry_results import dry_export

        show_dry_run(dry_export(place, query, file_format, out, **choices), as_json=as_json)
        return
    with progress("crystals", 0) as update:
        done = export_crystals(
            place,
            query,
            file_format,
            out,
            **choices,
            progress=lambda written, total: update(written, total=total),
        )
    if as_json:
        show_json(json_of(done))
        return
    what = "1 file" if done.files == 1 else f"{done.files:,} files"
    typer.echo(f"{done.path}: {done.crystals:,} crystals as {done.format}, {what}, {done.bytes / 2**20:.1f} MiB")
    for reason, count in done.left_out.items():
        note(f"{count:,} rows fit, but are left out: {reason}.")
    note(f"What was asked, sources and checksums: {done.manifest} ({done.seconds:.1f} s).")
