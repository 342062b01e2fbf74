"""``platform status``: the datasets, trainings and generations of a home."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crystalforge.cli.console import add_row, new_table, note, show_json, show_table
from crystalforge.cli.options import HomeOption, JsonOption
from crystalforge.home import Home

if TYPE_CHECKING:
    from rich.table import Table

    from crystalforge.catalog.inventory import GenerationStatus, Inventory

FIRST_STEPS = """The home {home} is empty. Start with:
  platform dataset build bundled
  platform train-all
  platform generate --count 50000"""


def status(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Show what the home holds and how far each run is.

    [dim]Examples:[/dim]

      platform status

      platform status --home /data/crystalforge-home --json
    """
    from crystalforge.catalog.inventory import take_inventory

    inventory = take_inventory(Home.locate(home, store=True))
    if as_json:
        show_json(inventory.to_dict())
    elif not (inventory.datasets or inventory.trainings or inventory.generations):
        note(FIRST_STEPS.format(home=inventory.home))
    else:
        show_table(_overview(inventory))
        note(f"Home: {inventory.home}")


def _overview(inventory: Inventory) -> Table:
    """All three kinds in one table, in the order in which data flows."""
    table = new_table("", "kind", "name", "made from", "state", "created")
    for dataset in inventory.datasets:
        state = f"{dataset.crystals:,} crystals in {dataset.space_groups} space groups"
        add_row(table, "dataset", dataset.dataset_id, dataset.source, state, dataset.created_at)
    for training in inventory.trainings:
        state = f"{training.groups_done}/{training.groups_planned} space groups trained"
        origin = ", ".join(part for part in (training.dataset_id, training.recipe) if part)
        add_row(table, "training", training.training_id, origin, state, training.created_at)
    for generation in inventory.generations:
        state = _progress(generation)
        add_row(table, "generation", generation.generation_id, generation.training_id, state, generation.created_at)
    return table


def _progress(generation: GenerationStatus) -> str:
    rows = f"{generation.rows_done:,}/{generation.rows_planned:,} rows"
    if generation.accepted_share is None:
        return rows
    return f"{rows}, {generation.accepted:,} accepted ({generation.accepted_share:.1%})"
