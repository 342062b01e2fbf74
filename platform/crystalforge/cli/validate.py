"""``platform validate``: the queue of calculations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crystalforge.cli.console import add_row, json_of, new_table, note, show_json, show_table
from crystalforge.cli.options import HomeOption, JsonOption
from crystalforge.cli.validate_energies import (
    UNSTATED,
    CorrectionOption,
    ReferenceOption,
    calibrate,
    hull_of,
    judge,
    open_ledger,
)
from crystalforge.home import Home
from crystalforge.validation.states import Structure

if TYPE_CHECKING:
    from crystalforge.validation.ledger import Ledger
    from crystalforge.validation.requests import Request

app = typer.Typer(no_args_is_help=True, help="Compute the best candidates: a queue of calculations on Ray.")
app.command()(judge)
app.command()(calibrate)

MOST_REFUSALS = 5
"""Shown of the crystals that an engine cannot compute."""

Numbers = Annotated[
    list[int] | None, typer.Argument(metavar="[CALCULATION]...", help="Numbers of calculations, as `status` has them.")
]
StateOption = Annotated[
    str | None, typer.Option("--state", metavar="STATE", help="All in this state, in place of numbers.")
]


@app.command()
def enqueue(
    recipe: Annotated[str, typer.Option(help="Recipe of the calculation: a name, or a TOML file.", metavar="NAME")],
    where: Annotated[str | None, typer.Option(help="SQL condition on the rows.", metavar="CONDITION")] = None,
    order_by: Annotated[
        str | None, typer.Option("--order-by", help="SQL order, the best first.", metavar="EXPRESSION")
    ] = None,
    limit: Annotated[int, typer.Option(help="Most crystals.", metavar="N")] = 100,
    table: Annotated[str, typer.Option("--from", help="candidates, or materials: the real crystals.")] = "candidates",
    structure: Annotated[
        Structure, typer.Option(help="Which cell: as a screening relaxed it, where it did, or as it was generated.")
    ] = Structure.RELAXED,
    priority: Annotated[float, typer.Option(help="The higher, the sooner.")] = 0.0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose crystals by SQL and put them into the queue, once for each recipe.

    Example: platform validate enqueue --where "space_group_number = 225" --order-by min_contact_ratio --limit 12
    --recipe stand-in
    """
    from crystalforge.validation.choosing import choose_crystals
    from crystalforge.validation.export import export_ledger
    from crystalforge.validation.ledger import Ledger
    from crystalforge.validation.recipe import load_recipe
    from crystalforge.validation.requests import enqueue as put

    chosen_recipe, place = load_recipe(recipe), Home.locate(home)
    crystals = choose_crystals(place, table=table, where=where, order_by=order_by, limit=limit, structure=structure)
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
    correction: CorrectionOption = UNSTATED,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Work the queue off. Stopped anywhere, the same command goes on; only one may run at a time.

    Formation energies appear as crystals and their elements are computed; energies above hull, against the reference.
    """
    from crystalforge.cli.progress import progress
    from crystalforge.jobs.validate import Point, run_queue
    from crystalforge.validation.states import IN_FLIGHT, CalculationState

    place = Home.locate(home)
    with open_ledger(place) as ledger:
        counts = ledger.counts()
    open_states = (CalculationState.READY, *IN_FLIGHT)
    done = 0
    with progress("calculations", sum(counts.get(state, 0) for state in open_states)) as update:

        def observe(point: Point, _attempt_id: str) -> None:
            nonlocal done
            if point is Point.RECORDED:
                done += 1
                update(done, "attempts")

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
    """Show how many calculations are in each state, by recipe; and export the ledger for SQL."""
    from crystalforge.files import held_by
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
def retry(numbers: Numbers = None, state: StateOption = None, home: HomeOption = None) -> None:
    """Make failed, quarantined, paused or cancelled calculations ready again; their errors are forgiven."""
    from crystalforge.validation.requests import Request

    _ask(Request.RETRY, numbers, state, home)


@app.command()
def pause(numbers: Numbers = None, state: StateOption = None, home: HomeOption = None) -> None:
    """Hold ready calculations back until `retry`."""
    from crystalforge.validation.requests import Request

    _ask(Request.PAUSE, numbers, state, home)


@app.command()
def cancel(numbers: Numbers = None, state: StateOption = None, home: HomeOption = None) -> None:
    """Give calculations up; those that run are ended."""
    from crystalforge.validation.requests import Request

    _ask(Request.CANCEL, numbers, state, home)


@app.command()
def show(
    number: Annotated[int, typer.Argument(metavar="CALCULATION", help="Number of a calculation.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a calculation with all its attempts."""
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


def _ask(request: Request, numbers: list[int] | None, state: str | None, home: Any) -> None:
    from crystalforge.errors import UsageError
    from crystalforge.validation.export import export_ledger
    from crystalforge.validation.requests import change
    from crystalforge.validation.states import CalculationState

    if bool(numbers) == bool(state):
        raise UsageError(f"Expected numbers of calculations, or --state with one of {', '.join(CalculationState)}.")
    if state and state not in list(CalculationState):
        raise UsageError(f"--state {state!r}: expected one of {', '.join(CalculationState)}.")
    with open_ledger(Home.locate(home)) as ledger:
        chosen = numbers or [
            row["calculation_id"]
            for row in ledger.rows("SELECT calculation_id FROM calculations WHERE state = ?", [state])
        ]
        changed, left = change(ledger, request, chosen)
        export_ledger(ledger)
    note(f"{request}: {len(changed):,} changed, {len(left):,} left as they are.")
