"""``platform config``: which settings hold, where each comes from, and a file to begin with."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import typer

from crystalforge.cli.console import add_row, new_table, note, show_json, show_table
from crystalforge.cli.options import JsonOption

app = typer.Typer(no_args_is_help=True, help="Settings: which hold, where each comes from, and a file to begin with.")


@app.command()
def show(
    context: typer.Context,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[COMMAND]...", help="Only of this command, as `dataset build`.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every option of every command, also those that have their default.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the settings that hold and where each comes from: environment, a file with its line, or the default.

    A flag goes before all of them. Without --all or a command, options that have their default are left out.

    [dim]Examples:[/dim]

      platform config show

      platform config show dataset build

      platform config show --all --json
    """
    from crystalforge.cli.settings_overview import settings_rows, unknown_variables

    rows = settings_rows(context, tuple(command or ()), everything=everything or bool(command))
    unknown = unknown_variables(context)
    if as_json:
        show_json({"files": _files(), "settings": rows, "unknown_variables": unknown})
        return
    table = new_table("", "command", "setting", "value", "from")
    for row in rows:
        add_row(table, row["command"], row["key"], row["value"], row["origin"])
    show_table(table)
    for file in _files():
        note(f"{file['kind']}: {file['path']}" + ("" if file["exists"] else " (none there)"))
    for name, nearest in unknown.items():
        note(f"No option takes its value from {name}.{nearest}")


@app.command()
def path(as_json: JsonOption = False) -> None:
    """Show where the files of settings lie, the one that goes before first, whether they exist or not.

    [dim]Examples:[/dim]

      platform config path

      platform config path --json
    """
    if as_json:
        show_json(_files())
        return
    for file in _files():
        typer.echo(f"{file['path']}{'' if file['exists'] else '  (none there)'}")


@app.command()
def init(
    context: typer.Context,
    user: Annotated[
        bool, typer.Option("--user", help="The user's file, for every project; else ./crystalforge.toml.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a file with every setting, its meaning and default, all as comments; a file that exists is left alone.

    [dim]Examples:[/dim]

      platform config init

      platform config init --user
    """
    from crystalforge.errors import UsageError
    from crystalforge.files import write_bytes
    from crystalforge.settings import settings_paths

    file = settings_paths()["user" if user else "project"]
    if file.exists():
        raise UsageError(f"{file} exists: it is left as it is. Change it, or move it away first.")
    write_bytes(file, _template(context.find_root().command).encode())
    if as_json:
        show_json({"path": str(file)})
        return
    typer.echo(str(file))


def _files() -> list[dict[str, Any]]:
    from crystalforge.settings import settings_paths

    return [
        {"kind": f"{kind} file", "path": str(file), "exists": file.is_file()} for kind, file in settings_paths().items()
    ]


def _template(root: Any) -> str:
    """A file of settings in which all is commented out."""
    from crystalforge.cli.command_tree import commands, settable
    from crystalforge.cli.settings_overview import SHARED_DEFAULTS

    lines = [
        "# Settings of crystalforge. Take a # away to set one; `platform config show` says what holds and why.",
        "# A flag goes before the environment, this before ./crystalforge.toml, this before the user's file.",
        "",
        *(f'# {key} = ""  # {default}' for key, default in SHARED_DEFAULTS.items()),
    ]
    for words, command in commands(root):
        options = {key: option for key, option in settable(command).items() if key != "home"}
        if options:
            lines += ["", f"# [{'.'.join(words)}]"]
            lines += [_template_line(key, option) for key, option in options.items()]
    return "\n".join(lines) + "\n"


def _template_line(key: str, option: Any) -> str:
    default = option.default.value if isinstance(option.default, Enum) else option.default
    meaning = " ".join((option.help or "").split())
    return f"# {key} = {_toml(default)}  # {meaning}"


def _toml(value: Any) -> str:
    import json

    plain = value if isinstance(value, (bool, int, float, str, list)) else ("" if value is None else str(value))
    return json.dumps(plain, ensure_ascii=False)
