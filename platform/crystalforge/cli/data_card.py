"""How ``platform dataset show`` draws a data card."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING, Any

import typer

from crystalforge.cli.console import add_row, new_table, show_table

if TYPE_CHECKING:
    from crystalforge.dataset import DataCard

MOST_PROTOTYPES = 12
MOST_ELEMENTS = 24
LONGEST_EXAMPLE = 100
"""Letters: a detail may quote a whole line of a CIF."""


def show_card(card: DataCard) -> None:
    """Draw the card on standard output."""
    for section in (_show_origin, _show_groups, _show_prototypes):
        section(card)
        typer.echo()
    shown = ", ".join(f"{symbol} {count}" for symbol, count in card.elements[:MOST_ELEMENTS])
    more = ", …" if len(card.elements) > MOST_ELEMENTS else ""
    typer.echo(f"{len(card.elements)} elements, with their crystals: {shown}{more}\n")
    _show_spreads(card)
    typer.echo()
    _show_exclusions(card)


def _show_origin(card: DataCard) -> None:
    manifest = card.manifest
    table = new_table(f"Dataset {manifest.dataset_id}: {manifest.n_materials:,} crystals", "", "")
    add_row(table, "source", f"{manifest.source} ({manifest.source_kind})")
    for label, value in _server_rows(manifest.origin):
        add_row(table, label, value)
    add_row(table, "licence", manifest.licence)
    add_row(table, "attribution", manifest.attribution)
    if manifest.filters:
        asked = (f"{name.replace('_', ' ')} {_plain(value)}" for name, value in manifest.filters.items())
        add_row(table, "asked for", "; ".join(asked))
    curation = f"three inequivalent sites, symprec {manifest.symprec} Å, sites merged at {manifest.merge_cutoff} Å"
    add_row(table, "curation", curation)
    add_row(table, "built (UTC)", manifest.created_at[:19])
    show_table(table)


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _server_rows(origin: dict[str, Any]) -> list[tuple[str, str]]:
    """What a server said, where the crystals come from one."""
    if not origin:
        return []
    matched = "an unknown number" if origin["matched"] is None else f"{origin['matched']:,}"
    of_all = "" if origin["available"] is None else f" of {origin['available']:,}"
    limit = f" (at most {origin['limit']:,} were asked for)" if origin["limit"] else ""
    fetched = f"{origin['n_entries']:,}{limit} in {origin['n_pages']} pages; {matched}{of_all} match there"
    rows = [
        ("server", f"{origin['endpoint']} ({origin['provider']})"),
        ("database version", origin["database_version"] or "not stated"),
        ("sent", shorten(str(origin["query"].get("filter") or origin["query"]), 400, placeholder=" …")),
        ("fetched", f"{fetched}; {origin['begun_at'][:19]} to {origin['finished_at'][:19]} UTC"),
    ]
    if origin["query"].get("not_sent"):
        rows.append(("refused by it", " AND ".join(origin["query"]["not_sent"])))
    return [*rows, *(("warning", text) for text in origin["warnings"])]


def _show_groups(card: DataCard) -> None:
    columns = ("space group", "crystals", "paper", "of them for validation", "prototypes", "elements")
    table = new_table("Crystals, beside what the paper trained on", *columns, right=columns)
    for group in card.groups:
        add_row(
            table,
            group.space_group_number,
            group.crystals,
            group.paper,
            group.validation,
            group.prototypes,
            group.elements,
        )
    table.add_section()
    paper = sum(group.paper or 0 for group in card.groups)
    aside = sum(group.validation for group in card.groups)
    add_row(table, "all", card.manifest.n_materials, paper or None, aside, len(card.prototypes), len(card.elements))
    show_table(table)


def _show_prototypes(card: DataCard) -> None:
    shown = card.prototypes[:MOST_PROTOTYPES]
    title = f"Prototypes: the {len(shown)} with most crystals, of {len(card.prototypes)}"
    table = new_table(title, "space group", "Wyckoff positions", "crystals", "as", right=("space group", "crystals"))
    for prototype in shown:
        add_row(table, prototype.space_group_number, prototype.wyckoff_positions, prototype.crystals, prototype.example)
    show_table(table)


def _show_spreads(card: DataCard) -> None:
    from crystalforge.schemas import MATERIALS

    numbers = ("known", "least", "quarter", "median", "three quarters", "most")
    table = new_table("Sizes, contacts and energies", "quantity", *numbers, right=numbers)
    for spread in card.spreads:
        meaning = (MATERIALS.field(spread.column).metadata or {}).get(b"comment", b"").decode()
        values = [f"{value:.4g}" for value in spread.quantiles] or [""] * 5
        add_row(table, shorten(meaning or spread.column, 60, placeholder=" …"), spread.known, *values)
    show_table(table)


def _show_exclusions(card: DataCard) -> None:
    if not card.exclusions:
        typer.echo("Nothing was left out.")
        return
    table = new_table("Left out", "reason", "inputs", "because", "as", right=("inputs",))
    for exclusion in card.exclusions:
        example = shorten(exclusion.example, LONGEST_EXAMPLE, placeholder=" …")
        add_row(table, exclusion.reason, exclusion.inputs, exclusion.meaning, example)
    show_table(table)
