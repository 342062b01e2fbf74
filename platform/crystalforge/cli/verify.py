"""``platform verify``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from crystalforge.cli.console import add_row, new_table, note, show_json, show_table
from crystalforge.cli.options import HomeOption, JsonOption
from crystalforge.home import Home

if TYPE_CHECKING:
    from crystalforge.integrity import Report
    from crystalforge.jobs.repair import RepairSummary


def verify(
    as_json: JsonOption = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make damaged shards again from their seeds; remove those of screenings.")
    ] = False,
    remake: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Shards of each generation to draw again, chosen at random, to compare."),
    ] = 1,
    home: HomeOption = None,
) -> None:
    """Check that the home holds what its records promise. Exit code 1 where it does not.

    Every file is hashed; every planned sample is there exactly once, of the right seed, model and state; some shards
    are drawn again and compared byte by byte. Without --repair nothing is written.

    [dim]Examples:[/dim]

      platform verify

      platform verify --remake 5 --json

      platform verify --repair
    """
    from crystalforge.integrity import verify_home

    where = Home.locate(home, store=True)
    report = verify_home(where, remake=remake, on_part=_tell)
    repaired = None
    if repair and report.problems:
        from crystalforge.jobs.repair import repair_home

        repaired = repair_home(where, report, note)
        report = verify_home(where, remake=remake, on_part=_tell)
    if as_json:
        show_json(report.to_dict() | {"repaired": _repaired_json(repaired)})
    else:
        _show(report, repaired)
    if report.problems:
        raise typer.Exit(1)


def _tell(name: str, place: int, parts: int) -> None:
    note(f"[{place}/{parts}] {name}")


def _repaired_json(repaired: RepairSummary | None) -> dict[str, object] | None:
    return None if repaired is None else asdict(repaired)


def _show(report: Report, repaired: RepairSummary | None) -> None:
    if report.findings:
        table = new_table("", "", "kind", "where", "what")
        for finding in sorted(report.findings, key=lambda found: not found.is_problem):
            add_row(table, "✗" if finding.is_problem else "!", finding.kind.value, finding.path, finding.message)
        show_table(table)
    if repaired is not None:
        typer.echo(f"Repaired: {repaired.shards} shards made again, to the bytes that the manifest has.")
        for screening_id, count in repaired.removed.items():
            typer.echo(
                f"Removed: {count} files of screening {screening_id}; `platform screen --resume {screening_id}`."
            )
        if repaired.exported:
            typer.echo("Exported: the tables of the queue, from its ledger.")
        for name, why in repaired.failed.items():
            note(f"{name} could not be repaired: {why}")
    counts = report.counts
    looked = (
        f"Looked at: datasets {counts['datasets']}, models {counts['models']}, generations {counts['generations']}, "
        f"shards {counts['shards']:,}, screenings {counts['screenings']}, attempts {counts['attempts']:,}, "
        f"rows {counts['rows']:,}; shards drawn again {counts['remade']}."
    )
    problems = len(report.problems)
    verdict = "Sound." if not problems else f"{problems} {'problem' if problems == 1 else 'problems'}."
    typer.echo(f"{verdict} {looked}")
