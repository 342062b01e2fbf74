"""``platform validate``: the queue of calculations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crystalforge.cli import complete
from crystalforge.cli.console import add_row, json_of, new_table, note, show_dry_run, show_json, show_table
from crystalforge.cli.options import CorrectionOption, DryRunOption, HomeOption, JsonOption, ReferenceOption
from crystalforge.cli.validate_energies import (
    calibrate,
    hull_of,
    judge,
    open_ledger,
)
from crystalforge.cli.validate_requests import cancel, pause, retry
from crystalforge.home import Home
from crystalforge.validation.states import Structure

if TYPE_CHECKING:
    from crystalforge.validation.ledger import Ledger

app = typer.Typer(no_args_is_help=True, help="Compute the best candidates: a queue of calculations on Ray.")

MOST_REFUSALS = 5
"""Shown of the crystals that an engine cannot compute."""


@app.command()
def enqueue(
    recipe: Annotated[
        str,
        typer.Option(
            help="Recipe of the calculation: a name, or a TOML file.",
            metavar="NAME",
            autocompletion=complete.calculation_recipes,
        ),
    ],
    where: Annotated[str | None, typer.Option(help="SQL condition on the rows.", metavar="CONDITION")] = None,
    order_by: Annotated[
        str | None, typer.Option("--order-by", help="SQL order, the best first.", metavar="EXPRESSION")
    ] = None,
    limit: Annotated[int, typer.Option(help="Most crystals.", metavar="N")] = 100,
    table: Annotated[
        str,
        typer.Option(
            "--from",
            help="candidates, or materials: the real crystals.",
            autocompletion=complete.one_of(complete.COMPUTED),
        ),
    ] = "candidates",
    structure: Annotated[
        Structure, typer.Option(help="Which cell: as a screening relaxed it, where it did, or as it was generated.")
    ] = Structure.RELAXED,
    priority: Annotated[float, typer.Option(help="The higher, the sooner.")] = 0.0,
    dry_run: DryRunOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose crystals by SQL and put them into the queue, once for each recipe.

    [dim]Examples:[/dim]

      platform validate enqueue --recipe gpaw-quick --limit 24

      platform validate enqueue --recipe gpaw-static --where "energy_above_hull < 0.1" --dry-run

      platform validate enqueue --recipe stand-in --where "space_group_number = 225" --order-by "density DESC"

      platform validate enqueue --recipe gpaw-static --from materials --limit 6
    """
    from crystalforge.validation.choosing import choose_crystals
    from crystalforge.validation.export import export_ledger
    from crystalforge.validation.ledger import Ledger
    from crystalforge.validation.recipe import load_recipe
    from crystalforge.validation.requests import enqueue as put

    chosen_recipe, place = load_recipe(recipe), Home.locate(home)
    crystals = choose_crystals(place, table=table, where=where, order_by=order_by, limit=limit, structure=structure)
    if dry_run:
        from crystalforge.cli.dry_runs import dry_queue

        show_dry_run(dry_queue(place, crystals, chosen_recipe), as_json=as_json)
        return
    with Ledger(place.validations) as ledger:
        done = put(ledger, crystals, chosen_recipe, priority=priority)
        export_ledger(ledger)
    if as_json:
        show_json(json_of(done))
        return
    note(f"{done.added:,} enqueued, {done.known:,} known already, by recipe {chosen_recipe.name} ({done.recipe_hash}).")
    if done.elements:
        note(f"{done.elements:,} elements besides, for formation energies by the same recipe.")
    if done.elements_without_reference:
        note(f"No reference of {', '.join(done.elements_without_reference)}: no formation energies with these.")
    for refusal in done.refused[:MOST_REFUSALS]:
        note(f"  not enqueued: {refusal}")
    if len(done.refused) > MOST_REFUSALS:
        note(f"  and {len(done.refused) - MOST_REFUSALS:,} more.")


@app.command()
def run(
    concurrency: Annotated[
        int | None, typer.Option(help="Most attempts at once; one for each CPU by default.", metavar="N")
    ] = None,
    reference: ReferenceOption = None,
    correction: CorrectionOption = None,
    dry_run: DryRunOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Work the queue off. Stopped anywhere, the same command goes on; only one may run at a time.

    Formation energies appear as crystals and their elements are computed; energies above hull, against the reference.

    [dim]Examples:[/dim]

      platform validate run

      platform validate run --dry-run

      platform validate run --concurrency 1 --reference hull.parquet
    """
    from crystalforge.cli.progress import progress
    from crystalforge.cli.queue_progress import QueueProgress
    from crystalforge.jobs.validate import Point, run_queue

    place = Home.locate(home)
    if dry_run:
        from crystalforge.cli.dry_runs import dry_dispatch

        with open_ledger(place) as ledger:
            if reference:
                hull_of(place, reference, correction)  # refused as it would be
            show_dry_run(dry_dispatch(place, ledger, concurrency), as_json=as_json)
        return
    with open_ledger(place) as ledger, progress("calculations", 0) as update:
        counted = QueueProgress(ledger, update)

        def observe(point: Point, _attempt_id: str) -> None:
            if point is Point.RECORDED:
                counted.tell()

        hull = hull_of(place, reference, correction)
        summary = run_queue(place, concurrency=concurrency, observe=observe, hull=hull)
    if as_json:
        show_json(json_of(summary))
        return
    with open_ledger(place) as ledger:
        show_table(_counts(ledger))
    ended = ", ".join(f"{count:,} {state}" for state, count in sorted(summary.ended.items())) or "none"
    note(f"Attempts of this run: {ended}; {summary.seconds:.1f} s.")


@app.command()
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show how many calculations are in each state, by recipe; and export the ledger for SQL.

    [dim]Examples:[/dim]

      platform validate status

      platform validate status --json
    """
    from crystalforge.locks import held_by
    from crystalforge.validation.export import export_ledger

    place = Home.locate(home)
    owner = held_by(place.validations)
    with open_ledger(place) as ledger:
        export_ledger(ledger)
        if as_json:
            rows = [dict(row) for row in ledger.rows(_COUNTS_SQL)]
            show_json({"dispatcher": owner, "calculations": rows})
            return
        show_table(_counts(ledger))
    note(f"A dispatcher runs: process {owner}." if owner else "No dispatcher runs: `platform validate run` starts one.")


@app.command()
def show(
    number: Annotated[int, typer.Argument(metavar="CALCULATION", help="Number of a calculation.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a calculation with all its attempts.

    [dim]Examples:[/dim]

      platform validate show 7

      platform validate show 7 --json
    """
    from crystalforge.errors import UsageError

    with open_ledger(Home.locate(home)) as ledger:
        rows = ledger.rows(
            "SELECT c.*, r.name AS recipe, r.engine FROM calculations c JOIN recipes r USING (recipe_hash) "
            "WHERE calculation_id = ?",
            [number],
        )
        if not rows:
            raise UsageError(f"No calculation {number} in the ledger. `platform validate status` lists them.")
        calculation = {key: rows[0][key] for key in rows[0].keys() if key != "crystal"}  # noqa: SIM118 (a sqlite3.Row)
        attempts = [
            dict(row)
            for row in ledger.rows("SELECT * FROM attempts WHERE calculation_id = ? ORDER BY number", [number])
        ]
    if as_json:
        show_json({"calculation": calculation, "attempts": attempts})
        return
    drawn = new_table(f"Calculation {number}", "what", "value")
    for key, value in calculation.items():
        add_row(drawn, key, value)
    show_table(drawn)
    _show_attempts(attempts)


def _show_attempts(attempts: list[dict[str, Any]]) -> None:
    columns = ("number", "state", "host", "wall_s", "energy_ev", "error_class", "error_text", "corrections")
    drawn = new_table("Attempts", "attempt", *columns, right=("number", "wall_s", "energy_ev"))
    for attempt in attempts:
        add_row(drawn, attempt["attempt_id"], *(attempt[column] for column in columns))
    show_table(drawn)


_COUNTS_SQL = """
SELECT r.name AS recipe, r.engine, recipe_hash, state, count(*) AS calculations, sum(n_attempts) AS attempts
FROM calculations JOIN recipes r USING (recipe_hash) GROUP BY recipe_hash, state ORDER BY recipe, recipe_hash, state
"""


def _counts(ledger: Ledger) -> Any:
    columns = ("recipe", "engine", "recipe_hash", "state", "calculations", "attempts")
    drawn = new_table("", *columns, right=("calculations", "attempts"))
    for row in ledger.rows(_COUNTS_SQL):
        add_row(drawn, *(row[column] for column in columns))
    return drawn


for command in (judge, calibrate, retry, pause, cancel):
    app.command()(command)
