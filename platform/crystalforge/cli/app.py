"""The app: every command under its name, and the one place where an error becomes a message and an exit code.

The exit codes stand in ``EXIT_CODES``. An error that is none of ours is a bug and keeps its traceback: the
report needs it.

Modules of commands import only typer at the top; what they call is imported inside the functions.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from crystalforge import __version__
from crystalforge.cli import catalog, config, dataset, validate
from crystalforge.cli.command_tree import read_variables
from crystalforge.cli.compact import compact
from crystalforge.cli.doctor import doctor
from crystalforge.cli.evaluate import evaluate
from crystalforge.cli.explore import explore
from crystalforge.cli.export import export
from crystalforge.cli.generate import generate
from crystalforge.cli.interrupts import second_one_ends_at_once
from crystalforge.cli.leaving import UNWRITABLE, leave, no_room
from crystalforge.cli.metrics import metrics
from crystalforge.cli.report import report
from crystalforge.cli.schema import schema
from crystalforge.cli.screen import screen
from crystalforge.cli.settings import command_settings, default_map
from crystalforge.cli.shells import mend_zsh
from crystalforge.cli.show import show
from crystalforge.cli.sql import sql
from crystalforge.cli.stability import stability
from crystalforge.cli.status import status
from crystalforge.cli.submit import submit
from crystalforge.cli.train import train_all
from crystalforge.cli.ui import ui
from crystalforge.cli.verify import verify
from crystalforge.errors import CrystalforgeError
from crystalforge.secrecy import hide_secrets

EXIT_INTERRUPTED = 130
EXIT_CODES = {
    0: "done",
    1: "the work failed, or a check found a problem",
    2: "asked for something that cannot be done",
    75: "busy: another command holds the run; try again later",
    EXIT_INTERRUPTED: "stopped by Ctrl-C; the same command does what is missing",
}
HELP_OPTIONS = ("-h", "--help")
EPILOG = "\n\n".join(
    (
        "[dim]Examples:[/dim]",
        "  platform dataset build bundled",
        "  platform train-all",
        "  platform generate --count 50000",
        '  platform sql "SELECT * FROM candidates LIMIT 10"',
        f"[dim]Exit codes:[/dim] {'; '.join(f'{code} {meaning}' for code, meaning in EXIT_CODES.items())}.",
        "[dim]Settings:[/dim] a flag goes before CRYSTALFORGE_COMMAND_OPTION in the environment, this before "
        "./crystalforge.toml, this before ~/.config/crystalforge/config.toml; `platform config show` says where each "
        "value comes from.",
    )
)


class CommandGroup(TyperGroup):
    """Runs a command and turns the errors that a user can meet into one message on stderr."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for, with the settings of environment and files."""
        try:
            with second_one_ends_at_once():
                read_variables(self)
                ctx.default_map = self._defaults(ctx)
                return super().invoke(ctx)
        except CrystalforgeError as error:
            typer.echo(f"Error: {hide_secrets(str(error))}", err=True)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as interrupt:
            typer.echo("Stopped. The same command does what is missing.", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from interrupt

    def _defaults(self, ctx: Any) -> dict[str, Any]:
        """What the files set; a file with a fault is no reason to show no help, nor to hide where the files are."""
        words = [*ctx._protected_args, *ctx.args]
        try:
            return default_map(self, command_settings(self, ctx))
        except CrystalforgeError:
            if words[:1] == ["config"] or any(word in HELP_OPTIONS for word in words):
                return {}
            raise


app = typer.Typer(
    name="platform",
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": [*HELP_OPTIONS]},
    epilog=EPILOG,
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
app.command(context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True})(submit)
app.command()(sql)
app.command()(schema)
app.command()(show)
app.command()(report)
app.command()(export)
app.command()(explore)
app.command()(status)
app.command()(compact)
app.command()(verify)
app.command()(ui)
app.command()(metrics)
app.add_typer(config.app, name="config")
app.command()(doctor)


def main() -> None:
    """Run the command line: the entry point of ``platform`` and ``crystalforge``."""
    mend_zsh()
    try:
        app()
    except SystemExit as end:
        leave(end.code)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        leave(no_room(error))
