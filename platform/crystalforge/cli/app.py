"""The app: every command under its name, and the one place where an error becomes a message and an exit code.

Exit codes: 0 done, 1 the work failed, 2 asked for something that cannot be done, 75 another command holds the run,
130 stopped by Ctrl-C. An error that is none of ours is a bug and keeps its traceback: the report needs it.

Modules of commands import only typer at the top; what they call is imported inside the functions.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from crystalforge import __version__
from crystalforge.cli import catalog, dataset, validate
from crystalforge.cli.doctor import doctor
from crystalforge.cli.evaluate import evaluate
from crystalforge.cli.generate import generate
from crystalforge.cli.interrupts import second_one_ends_at_once
from crystalforge.cli.schema import schema
from crystalforge.cli.screen import screen
from crystalforge.cli.show import show
from crystalforge.cli.sql import sql
from crystalforge.cli.stability import stability
from crystalforge.cli.status import status
from crystalforge.cli.train import train_all
from crystalforge.cli.ui import ui
from crystalforge.cli.verify import verify
from crystalforge.errors import CrystalforgeError

EXIT_INTERRUPTED = 130


class CommandGroup(TyperGroup):
    """Runs a command and turns the errors that a user can meet into one message on stderr."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            with second_one_ends_at_once():
                return super().invoke(ctx)
        except CrystalforgeError as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as interrupt:
            typer.echo("Stopped. The same command does what is missing.", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from interrupt


app = typer.Typer(
    name="platform",
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Discovers inorganic crystals: known crystals in, queryable candidates out.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crystalforge {__version__}")
        raise typer.Exit


@app.callback()
def _platform(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Take the options that stand before the command."""


app.add_typer(dataset.app, name="dataset")
app.add_typer(catalog.app, name="catalog")
app.command("train-all")(train_all)
app.command()(generate)
app.command()(evaluate)
app.command()(screen)
app.command()(stability)
app.add_typer(validate.app, name="validate")
app.command()(sql)
app.command()(schema)
app.command()(show)
app.command()(status)
app.command()(verify)
app.command()(ui)
app.command()(doctor)


def main() -> None:
    """Run the command line: the entry point of ``platform`` and ``crystalforge``."""
    app()
