"""``platform dataset``: build a dataset of known crystals, list those there are, show one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crystalforge.cli import complete
from crystalforge.cli.console import add_row, new_table, note, show_dry_run, show_json, show_table
from crystalforge.cli.options import (
    ASKED,
    DryRunOption,
    ElementsOption,
    ExcludeElementsOption,
    HomeOption,
    JsonOption,
    parse_space_groups,
)
from crystalforge.cli.progress import progress

if TYPE_CHECKING:
    from crystalforge.home import Home

app = typer.Typer(no_args_is_help=True, help="Build, list and show datasets of known crystals.")

WHOSE = "Whose they are"
SERVER = "How a server is asked"


@app.command()
def build(
    source: Annotated[
        str,
        typer.Argument(
            help="'bundled'; a Parquet file of standardised crystals, a CSV with a CIF column, a folder of CIFs; "
            "'materials-project'; 'optimade:' with a URL or a provider.",
            metavar="SOURCE",
            autocompletion=complete.one_of(complete.SOURCES),
        ),
    ],
    name: Annotated[str | None, typer.Option("--name", help="Name of the dataset; default the source's.")] = None,
    space_groups: Annotated[
        str | None,
        typer.Option(
            "--space-groups",
            help="Space groups to keep, as 225,62; default the paper's 12.",
            metavar="N,N",
            rich_help_panel=ASKED,
        ),
    ] = None,
    elements: ElementsOption = None,
    exclude_elements: ExcludeElementsOption = None,
    max_energy_above_hull: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Highest energy above hull (eV/atom) by the source; crystals without one are left out.",
            rich_help_panel=ASKED,
        ),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(help="Licence of the crystals, as CC-BY-4.0.", show_default="the source's", rich_help_panel=WHOSE),
    ] = None,
    attribution: Annotated[
        str | None, typer.Option(help="Whom to name.", show_default="the source's", rich_help_panel=WHOSE)
    ] = None,
    own_filter: Annotated[
        str | None,
        typer.Option(
            "--filter", help="More, in OPTIMADE's language: 'nsites<20'.", metavar="FILTER", rich_help_panel=SERVER
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Most crystals to fetch, to try a server.", rich_help_panel=SERVER)
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Fetch anew what was fetched before.", rich_help_panel=SERVER)
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(min=0.1, help="Seconds until an answer must begin.", show_default="60", rich_help_panel=SERVER),
    ] = None,
    attempts: Annotated[
        int | None,
        typer.Option(min=1, help="Tries of one request, with growing waits.", show_default="6", rich_help_panel=SERVER),
    ] = None,
    dry_run: DryRunOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Curate known crystals into a dataset; what is left out is listed with its reason.

    Crystals of a server are fetched page by page into the home; the same command goes on where one was interrupted,
    and fetches nothing twice. The Materials Project's own service takes its key from MP_API_KEY.

    [dim]Examples:[/dim]

      platform dataset build bundled

      platform dataset build mp_20_train.csv --space-groups 225,221 --licence CC-BY-4.0

      platform dataset build mp_20_train.csv --dry-run

      platform dataset build optimade:mp --elements "Li,*,O"

      platform dataset build optimade:alexandria/alexandria-pbe --max-energy-above-hull 0.05 --limit 2000

      platform dataset build optimade:https://optimade.materialsproject.org --space-groups 225

      platform dataset build materials-project --max-energy-above-hull 0.1
    """
    from crystalforge.dataset import build_or_find
    from crystalforge.home import Home
    from crystalforge.steps.datasets import request_of

    place = Home.locate(home, store=True)
    request = request_of(
        source,
        name=name,
        space_groups=parse_space_groups(space_groups),
        elements=elements,
        exclude_elements=exclude_elements,
        max_energy_above_hull=max_energy_above_hull,
        licence=licence,
        attribution=attribution,
        own_filter=own_filter,
        limit=limit,
        refresh=refresh,
        timeout=timeout,
        attempts=attempts,
    )
    if dry_run:
        from crystalforge.cli.dry_runs import dry_build

        show_dry_run(dry_build(place, request), as_json=as_json)
        return
    with progress(f"reading {source}", total=0) as update:
        outcome = build_or_find(
            place,
            request,
            progress=lambda done, total: update(done, "curated", total),
            fetched=lambda done, total: update(done, "fetched", total),
        )
    manifest = outcome.manifest
    if not outcome.was_built:
        note(f"Dataset {manifest.dataset_id} exists already: nothing to do.")
    _show(place, manifest.dataset_id, as_json)
    if not as_json:
        typer.echo(f"Dataset {manifest.dataset_id} in {place.datasets / manifest.dataset_id}")


@app.command("list")
def list_command(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the datasets of the home folder, newest first, and say which downloads were interrupted.

    [dim]Examples:[/dim]

      platform dataset list

      platform dataset list --json
    """
    from crystalforge.dataset import list_datasets
    from crystalforge.dataset.servers import unfinished_downloads
    from crystalforge.home import Home

    place = Home.locate(home, store=True)
    manifests = list_datasets(place)
    for source, begun_at, pages in unfinished_downloads(place):
        note(f"Unfinished: {source}, begun {begun_at[:19]} UTC. {pages.describe()} The same build goes on from there.")
    if as_json:
        show_json([manifest.to_json() for manifest in manifests])
        return
    if not manifests:
        note(f"No datasets in {place.datasets}. Build one with `platform dataset build bundled`.")
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
        str | None,
        typer.Argument(
            help="Name or identifier; default the newest.", metavar="[NAME]", autocompletion=complete.datasets
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a dataset and show its data card.

    Crystals per space group beside the paper's, prototypes, elements, energies, what was left out and why, licence
    and attribution.

    [dim]Examples:[/dim]

      platform dataset show

      platform dataset show bundled --json
    """
    from crystalforge.home import Home

    _show(Home.locate(home, store=True), name, as_json)


def _show(home: Home, name: str | None, as_json: bool) -> None:
    from crystalforge.cli.data_card import show_card
    from crystalforge.dataset import VALIDATION_SHARE, data_card, find_dataset

    card = data_card(find_dataset(home, name))
    if as_json:
        show_json(card.to_json() | {"validation_share": VALIDATION_SHARE})
        return
    show_card(card)
