"""``platform validate retry``, ``pause`` and ``cancel``: what a person asks of calculations that are there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crystalforge.cli import complete
from crystalforge.cli.console import note, show_json
from crystalforge.cli.options import HomeOption, JsonOption
from crystalforge.cli.validate_energies import open_ledger
from crystalforge.home import Home

if TYPE_CHECKING:
    from crystalforge.validation.requests import Request

Numbers = Annotated[
    list[int] | None, typer.Argument(metavar="[CALCULATION]...", help="Numbers of calculations, as `status` has them.")
]
StateOption = Annotated[
    str | None,
    typer.Option(
        "--state",
        metavar="STATE",
        help="All in this state, in place of numbers.",
        autocompletion=complete.calculation_states,
    ),
]


def retry(
    numbers: Numbers = None, state: StateOption = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Make failed, quarantined, paused or cancelled calculations ready again; their errors are forgiven.

    [dim]Examples:[/dim]

      platform validate retry 7 8

      platform validate retry --state failed
    """
    from crystalforge.validation.requests import Request

    _ask(Request.RETRY, numbers, state, home, as_json=as_json)


def pause(
    numbers: Numbers = None, state: StateOption = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Hold ready calculations back until `retry`.

    [dim]Examples:[/dim]

      platform validate pause 7

      platform validate pause --state ready
    """
    from crystalforge.validation.requests import Request

    _ask(Request.PAUSE, numbers, state, home, as_json=as_json)


def cancel(
    numbers: Numbers = None, state: StateOption = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Give calculations up; those that run are ended.

    [dim]Examples:[/dim]

      platform validate cancel 7

      platform validate cancel --state running
    """
    from crystalforge.validation.requests import Request

    _ask(Request.CANCEL, numbers, state, home, as_json=as_json)


def _ask(request: Request, numbers: list[int] | None, state: str | None, home: Path | None, *, as_json: bool) -> None:
    from crystalforge.errors import UsageError
    from crystalforge.suggestions import did_you_mean
    from crystalforge.validation.export import export_ledger
    from crystalforge.validation.requests import change
    from crystalforge.validation.states import CalculationState

    if bool(numbers) == bool(state):
        raise UsageError(f"Expected numbers of calculations, or --state with one of {', '.join(CalculationState)}.")
    if state and state not in list(CalculationState):
        nearest = did_you_mean(state, [*CalculationState])
        raise UsageError(f"--state {state!r}: expected one of {', '.join(CalculationState)}.{nearest}")
    with open_ledger(Home.locate(home)) as ledger:
        chosen = numbers or [
            row["calculation_id"]
            for row in ledger.rows("SELECT calculation_id FROM calculations WHERE state = ?", [state])
        ]
        changed, left = change(ledger, request, chosen)
        export_ledger(ledger)
    if as_json:
        show_json({"request": request.value, "changed": changed, "left": left})
        return
    note(f"{request}: {len(changed):,} changed, {len(left):,} left as they are.")
