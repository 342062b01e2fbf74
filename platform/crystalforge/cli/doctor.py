"""``platform doctor``: is everything there that the other commands need?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from crystalforge.cli.console import add_row, new_table, note, show_json, show_table
from crystalforge.cli.options import HomeOption, JsonOption
from crystalforge.home import Home

if TYPE_CHECKING:
    from crystalforge.cli.checks import Check


def doctor(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Check versions, devices, Ray, disk and home; say what is missing and how to get it. Exit code 1 where it is.

    [dim]Examples:[/dim]

      platform doctor

      platform doctor --home /data/crystalforge-home --json
    """
    from crystalforge.cli.checks import State, examine

    checks = examine(Home.locate(home, store=True))
    missing = [check for check in checks if check.state is State.MISSING]
    if as_json:
        show_json({"ok": not missing, "checks": [check.to_dict() for check in checks]})
    else:
        _show(checks)
        note(f"{len(missing)} required thing(s) missing." if missing else "Everything required is there.")
    if missing:
        raise typer.Exit(1)


def _show(checks: list[Check]) -> None:
    table = new_table("", "", "what", "found", "how to get it")
    for check in checks:
        add_row(table, check.state.sign, check.name, check.found, check.repair)
    show_table(table)
