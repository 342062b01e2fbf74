"""``platform show``: one crystal, where it comes from and what is like it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crystalforge.cli.console import add_row, new_table, note, show_json, show_table
from crystalforge.cli.options import HomeOption, JsonOption
from crystalforge.home import Home

if TYPE_CHECKING:
    from crystalforge.catalog.lineage import Lineage

DIGITS = 6


def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="crystal_id, sample_id or material_id.")],
    neighbours: Annotated[int, typer.Option(metavar="N", min=0, help="Real crystals near in composition.")] = 5,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a crystal with its lineage: samples, seed, model, recipe, dataset, nearest real crystals, later steps.

    The distance in composition is half the sum of the differences of the atomic fractions: 0 the same, 1 no common
    element.

    [dim]Examples:[/dim]

      platform sql "SELECT crystal_id, formula FROM candidates LIMIT 3"

      platform show CRYSTAL_ID

      platform show SAMPLE_ID --neighbours 10 --json
    """
    from crystalforge.catalog.lineage import trace

    lineage = trace(Home.locate(home, store=True), name, neighbours=neighbours)
    if as_json:
        show_json(lineage.to_dict())
        return
    _show_crystal(lineage)
    _show_origin(lineage)
    _show_rows("Real crystals that are this one", lineage.materials)
    _show_rows("Nearest real crystals in composition", lineage.neighbours)
    _show_rows("Relaxations", lineage.relaxations)
    _show_rows("Attempts", lineage.attempts)


def _show_crystal(lineage: Lineage) -> None:
    crystal = lineage.crystal
    if not crystal:
        typer.echo(f"{lineage.asked_for}: a sample without a crystal, its sites could not be merged.\n")
        return
    typer.echo(f"{crystal['formula']}  crystal {lineage.crystal_id}\n")
    cell = ", ".join(f"{key} {crystal[key]:.5g} Å" for key in ("a", "b", "c"))
    angles = ", ".join(f"{crystal[key]:.5g}°" for key in ("alpha", "beta", "gamma"))
    density = f"{crystal['density']:.4g} g/cm³, {crystal['volume_per_atom']:.4g} Å³ per atom"
    table = new_table("", "", "")
    add_row(table, "space group", crystal["space_group_number"])
    add_row(table, "cell", f"{cell}; {angles}")
    add_row(table, "density", density)
    for element, letter, multiplicity, site in zip(
        *(crystal[key] for key in ("elements", "wyckoff_letters", "multiplicities", "base_frac_coords")), strict=True
    ):
        place = ", ".join(f"{value:.5f}" for value in site)
        add_row(table, f"site {element}", f"{multiplicity}{letter}  ({place})")
    show_table(table)


def _show_origin(lineage: Lineage) -> None:
    keys = ("sample_id", "status", "reject_reason", "seed", "shard", "index", "model_checksum")
    _show_rows("Samples", [{key: sample[key] for key in keys} for sample in lineage.samples])
    if lineage.n_samples > len(lineage.samples):
        note(f"{lineage.n_samples} samples in all; the first {len(lineage.samples)} are shown.")
    generations = ("generation_id", "training_id", "dataset_id", "seed", "count", "created_at")
    _show_rows("Generations", [{key: row.get(key) for key in generations} for row in lineage.generations])
    _show_rows("Trainings", lineage.trainings)
    datasets = ("dataset_id", "found", "source", "licence", "checksum")
    _show_rows("Datasets", [{key: row[key] for key in datasets} for row in lineage.datasets])


def _show_rows(title: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        typer.echo(f"{title}: none")
        return
    table = new_table(title, *rows[0])
    for row in rows:
        add_row(table, *(f"{value:.{DIGITS}g}" if isinstance(value, float) else value for value in row.values()))
    show_table(table)
