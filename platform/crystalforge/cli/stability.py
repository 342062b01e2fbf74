"""``platform stability``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crystalforge.cli import complete
from crystalforge.cli.console import add_row, new_table, note, show_json, show_table
from crystalforge.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from crystalforge.screening.funnel import Share

BY_GROUP = {
    "drawn": "n_drawn",
    "accepted": "n_accepted",
    "relaxed": "n_converged",
    "covered": "n_covered",
    "within 0.1, covered": "n_nearly_stable_covered",
    "within 0.1": "n_nearly_stable",
    "unique": "n_unique",
    "novel": "n_novel",
    "M.S.U.N., covered": "n_msun_covered",
    "M.S.U.N.": "n_msun",
    "S.U.N.": "n_sun",
}
"""Columns of the table by space group: counts."""


def stability(
    screening: Annotated[
        list[str] | None,
        typer.Argument(
            help="Screenings of raw samples, by identifier; all by default.", autocompletion=complete.screenings
        ),
    ] = None,
    reference: Annotated[str | None, typer.Option(help="Only against this reference.", metavar="NAME")] = None,
    by_group: Annotated[bool, typer.Option("--by-group", help="Also the counts of each space group.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """How many raw samples are stable, unique and novel: shares of all that were drawn, with 95 % intervals.

    Screen raw samples and their null first. Where the reference has no compound in a system, an energy above hull may
    be too low: each share is told with such samples as not stable, left out, and as judged.

    [dim]Examples:[/dim]

      platform screen --source samples --generation ID --limit 1000 --reference hull.parquet

      platform screen --source noise --generation ID --limit 1000 --reference hull.parquet

      platform stability --by-group

      platform stability SCREENING --reference hull-0123abcd --json
    """
    from crystalforge.home import Home
    from crystalforge.screening.funnel import read_funnel, shares

    rows = read_funnel(Home.locate(home, store=True), screening or (), reference)
    pooled = [(row, shares(row)) for row in rows if row["space_group_number"] is None]
    if as_json:
        show_json([row | {"shares": [asdict(share) for share in of_row]} for row, of_row in pooled] + _groups(rows))
        return
    _show_shares(pooled)
    for row, _ in pooled if by_group else []:
        same = ("screening_id", "reference")
        _show_groups(_title(row), [one for one in _groups(rows) if all(one[name] == row[name] for name in same)])
    note('Every sample of a screening, with its verdicts: `platform sql "SELECT * FROM discoveries"`.')


def _groups(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["space_group_number"] is not None]


def _title(row: Mapping[str, Any]) -> str:
    return f"{row['source']} of {row['generation_id']}, screening {row['screening_id']}"


def _show_shares(pooled: list[tuple[dict[str, Any], list[Share]]]) -> None:
    """A line for each step, a column for each screening."""
    names = tuple(_title(row) for row, _ in pooled)
    table = new_table(
        "Shares of the samples drawn: 95 % interval, k/n", "step", "uncovered systems", *names, right=names
    )
    for steps in zip(*(of_row for _, of_row in pooled), strict=True):
        add_row(table, steps[0].step, steps[0].counting, *map(_cell, steps))
    medians = (
        f"{row['median_rmsd']:.3f} Å, n {row['n_converged']}" if row["n_converged"] else None for row, _ in pooled
    )
    add_row(table, "median displacement by the relaxation", None, *medians)
    show_table(table)
    for row, _ in pooled:
        typer.echo(f"{_title(row)}: {row['potential']} against {row['reference']}.")


def _cell(share: Share) -> str | None:
    if share.share is None or share.low is None or share.high is None:
        return None
    return f"{share.share:.1%} ({share.low:.1%} to {share.high:.1%}) {share.k}/{share.n}"


def _show_groups(title: str, rows: list[dict[str, Any]]) -> None:
    table = new_table(title, "space group", *BY_GROUP, right=tuple(BY_GROUP))
    for row in rows:
        add_row(table, row["space_group_number"], *(row[name] for name in BY_GROUP.values()))
    show_table(table)
