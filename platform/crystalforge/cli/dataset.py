"""``platform dataset``: build a dataset of known crystals, list those there are, show one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crystalforge.cli.console import add_row, new_table, show_json, show_table
from crystalforge.cli.options import HomeOption, JsonOption, parse_space_groups
from crystalforge.cli.progress import progress

if TYPE_CHECKING:
    from crystalforge.dataset import Dataset

app = typer.Typer(no_args_is_help=True, help="Build, list and show datasets of known crystals.")


@app.command()
def build(
    source: Annotated[
        str,
        typer.Argument(
            help="'bundled', a Parquet file of standardised crystals, a CSV with a CIF column, or a folder of CIFs.",
            metavar="SOURCE",
        ),
    ],
    name: Annotated[str | None, typer.Option("--name", help="Name of the dataset; default the source's.")] = None,
    space_groups: Annotated[
        str | None,
        typer.Option("--space-groups", help="Space groups to keep, as 225,62; default the paper's 12.", metavar="N,N"),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Curate known crystals into a dataset; what is left out is listed with its reason."""
    from crystalforge.dataset import build_or_find, find_dataset
    from crystalforge.home import Home
    from crystalforge.symmetry import SPACE_GROUPS

    place = Home.locate(home)
    groups = parse_space_groups(space_groups) or SPACE_GROUPS
    with progress(f"curating {source}", total=0) as update:
        outcome = build_or_find(
            place, source, name=name, space_groups=groups, progress=lambda done, total: update(done, "", total)
        )
    manifest = outcome.manifest
    if not outcome.was_built:
        typer.echo(f"Dataset {manifest.dataset_id} exists already: nothing to do.", err=True)
    _show(find_dataset(place, manifest.dataset_id), as_json)
    if not as_json:
        typer.echo(f"Dataset {manifest.dataset_id} in {place.datasets / manifest.dataset_id}")


@app.command("list")
def list_command(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the datasets of the home folder, newest first."""
    from crystalforge.dataset import list_datasets
    from crystalforge.home import Home

    place = Home.locate(home)
    manifests = list_datasets(place)
    if as_json:
        show_json([manifest.to_json() for manifest in manifests])
        return
    if not manifests:
        typer.echo(f"No datasets in {place.datasets}. Build one with `platform dataset build bundled`.", err=True)
        return
    numbers = ("crystals", "left out", "space groups")
    table = new_table("", "dataset", "source", *numbers, "built (UTC)", right=numbers)
    for manifest in manifests:
        held = sum(count > 0 for count in manifest.counts.values())
        counts = (manifest.n_materials, manifest.n_exclusions, held)
        add_row(table, manifest.dataset_id, manifest.source, *counts, manifest.created_at[:19])
    show_table(table)


@app.command()
def show(
    name: Annotated[
        str | None, typer.Argument(help="Name or identifier; default the newest.", metavar="[NAME]")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a dataset and show its counts, those that recipes may set aside by formula, and the paper's."""
    from crystalforge.dataset import find_dataset
    from crystalforge.home import Home

    _show(find_dataset(Home.locate(home), name), as_json)


def _show(dataset: Dataset, as_json: bool) -> None:
    from crystalforge.dataset import PAPER_COUNTS, VALIDATION_SHARE, validation_counts

    manifest = dataset.manifest
    aside = validation_counts(dataset.materials())
    if as_json:
        counts = {str(number): aside.get(number, 0) for number in manifest.counts}
        show_json(manifest.to_json() | {"validation_share": VALIDATION_SHARE, "validation_counts": counts})
        return
    columns = ("space group", "crystals", "of them for validation", "paper")
    table = new_table(f"Dataset {manifest.dataset_id}", *columns, right=columns)
    for number, count in manifest.counts.items():
        add_row(table, number, count, aside.get(number, 0), PAPER_COUNTS.get(number))
    table.add_section()
    paper = sum(PAPER_COUNTS.get(number, 0) for number in manifest.counts)
    add_row(table, "all", manifest.n_materials, sum(aside.values()), paper or None)
    show_table(table)
    if manifest.exclusion_counts:
        reasons = new_table("", "left out because", "inputs", right=("inputs",))
        for reason, count in manifest.exclusion_counts.items():
            add_row(reasons, reason, count)
        show_table(reasons)
    typer.echo(f"Licence: {manifest.licence}. Attribution: {manifest.attribution}")
