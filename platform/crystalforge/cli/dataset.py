"""``platform dataset``: build a dataset of known crystals, list those there are, show one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from crystalforge.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from crystalforge.dataset import DatasetManifest

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
    from crystalforge.dataset import build_or_find
    from crystalforge.home import Home
    from crystalforge.symmetry import SPACE_GROUPS

    place = Home.locate(home)
    groups = SPACE_GROUPS if space_groups is None else _parse_space_groups(space_groups)
    with _progress_bar(f"Curating {source}") as progress:
        outcome = build_or_find(place, source, name=name, space_groups=groups, progress=progress)
    manifest = outcome.manifest
    if not outcome.was_built:
        typer.echo(f"Dataset {manifest.dataset_id} exists already: nothing to do.", err=True)
    _show(manifest, as_json)
    if not as_json:
        typer.echo(f"Dataset {manifest.dataset_id} in {place.datasets / manifest.dataset_id}")


@app.command("list")
def list_command(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the datasets of the home folder, newest first."""
    from rich.console import Console
    from rich.table import Table

    from crystalforge.dataset import list_datasets
    from crystalforge.home import Home

    place = Home.locate(home)
    manifests = list_datasets(place)
    if as_json:
        typer.echo(json.dumps([manifest.to_json() for manifest in manifests], indent=2, ensure_ascii=False))
        return
    if not manifests:
        typer.echo(f"No datasets in {place.datasets}. Build one with `platform dataset build bundled`.", err=True)
        return
    table = Table("dataset", "source", "crystals", "left out", "built")
    for column in table.columns:
        column.no_wrap = column.header != "source"  # a long path takes more lines, the other columns stay whole
    table.columns[1].overflow = "fold"
    for manifest in manifests:
        numbers = [str(manifest.n_materials), str(manifest.n_exclusions)]
        table.add_row(manifest.dataset_id, manifest.source, *numbers, manifest.created_at[:10])
    Console().print(table)


@app.command()
def show(
    name: Annotated[
        str | None, typer.Argument(help="Name or identifier; default the newest.", metavar="[NAME]")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a dataset and show its counts beside the paper's."""
    from crystalforge.dataset import find_dataset
    from crystalforge.home import Home

    manifest = find_dataset(Home.locate(home), name).manifest
    _show(manifest, as_json)


def _parse_space_groups(text: str) -> list[int]:
    from crystalforge.errors import UsageError

    try:
        return [int(number) for number in text.split(",") if number.strip()]
    except ValueError as error:
        raise UsageError(
            f"--space-groups {text!r}: expected numbers 1 to 230 joined by commas, as 225,62 ({error})."
        ) from error


@contextmanager
def _progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _show(manifest: DatasetManifest, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(manifest.to_json(), indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    from crystalforge.dataset import PAPER_COUNTS

    table = Table("space group", "crystals", "paper", title=f"Dataset {manifest.dataset_id}")
    for column in table.columns:
        column.justify = "right"
    for number, count in manifest.counts.items():
        table.add_row(str(number), str(count), str(PAPER_COUNTS.get(number, "")))
    table.add_section()
    paper = sum(PAPER_COUNTS.get(number, 0) for number in manifest.counts)
    table.add_row("all", str(manifest.n_materials), str(paper) if paper else "")
    console = Console()
    console.print(table)
    if manifest.exclusion_counts:
        reasons = Table("left out because", "inputs")
        reasons.columns[1].justify = "right"
        for reason, count in manifest.exclusion_counts.items():
            reasons.add_row(reason, str(count))
        console.print(reasons)
    console.print(f"Licence: {manifest.licence}. Attribution: {manifest.attribution}", soft_wrap=True)
