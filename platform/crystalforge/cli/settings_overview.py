"""Which settings hold for the commands, and where each comes from. Secrets are told of, never shown."""

from __future__ import annotations

import os
from enum import Enum
from typing import Any

import typer

from crystalforge.cli.command_tree import PREFIX, Words, commands, settable, variable_of
from crystalforge.cli.settings import SECRETS, Chosen, command_settings
from crystalforge.errors import UsageError
from crystalforge.secrecy import hide_secrets
from crystalforge.settings import SHARED, Setting, shared_setting
from crystalforge.suggestions import did_you_mean

DEFAULT = "default"
SHARED_DEFAULTS = {
    "home": "./crystalforge-home",
    "ray_address": "none: commands start Ray on this machine",
    "mlflow_tracking_uri": "the home's own store",
}
OTHER_VARIABLES = (
    "CRYSTALFORGE_ATTEMPT",
    "CRYSTALFORGE_ELK_COMMAND",
    "CRYSTALFORGE_ELK_SPECIES",
    "CRYSTALFORGE_GPAW_PYTHON",
    "CRYSTALFORGE_LOCAL_STATE",
    "CRYSTALFORGE_SHARED",
    "CRYSTALFORGE_VASP_COMMAND",
)
"""Variables of the engines of validation (docs/engines.md), of homes that are not on a local disk, and of the tests."""


def settings_rows(context: typer.Context, wanted: Words, *, everything: bool) -> list[dict[str, Any]]:
    """A row for each setting: ``command``, ``key``, ``value``, ``origin``.

    Args:
        context: of any command.
        wanted: only of the commands that begin so; empty for all, with the settings that they share before them.
        everything: also options that have their default.

    Raises:
        UsageError: there is no such command.
        SettingsError: a file cannot be read or does not fit.
    """
    root: Any = context.find_root().command
    chosen = command_settings(root, context)
    known = dict(commands(root))
    fitting = {words: command for words, command in known.items() if words[: len(wanted)] == wanted}
    if not fitting:
        asked, names = " ".join(wanted), [" ".join(words) for words in known]
        raise UsageError(f"No command '{asked}': expected one of {', '.join(names)}.{did_you_mean(asked, names)}")
    rows = [] if wanted else [*_shared(), *_secrets()]
    for words, command in fitting.items():
        rows += [
            _row(" ".join(words), key, setting)
            for key, setting in _of_command(words, command, chosen).items()
            if everything or setting.origin != DEFAULT
        ]
    return rows


def unknown_variables(context: typer.Context) -> dict[str, str]:
    """Variables that look like ours and that nothing reads, each with a sentence on the nearest that is read."""
    root: Any = context.find_root().command
    read = {
        variable_of(words, option) for words, command in commands(root) for option in settable(command).values()
    } | {*SHARED.values(), *OTHER_VARIABLES}
    ours = sorted(name for name in os.environ if name.startswith(f"{PREFIX}_"))
    return {name: did_you_mean(name, sorted(read)) for name in ours if name not in read}


def _shared() -> list[dict[str, Any]]:
    return [_row("", key, shared_setting(key) or Setting(SHARED_DEFAULTS[key], DEFAULT)) for key in SHARED]


def _secrets() -> list[dict[str, Any]]:
    there = {key: variable for key, variable in SECRETS.items() if os.environ.get(variable)}
    return [
        _row(
            "", key, Setting("set, not shown", _environment(variable)) if key in there else Setting("not set", DEFAULT)
        )
        for key, variable in SECRETS.items()
    ]


def _of_command(words: Words, command: Any, chosen: Chosen) -> dict[str, Setting]:
    """Its settings but for the home, which stands once above all commands."""
    found = {}
    for key, option in settable(command).items():
        variable = variable_of(words, option)
        if os.environ.get(variable):
            found[key] = Setting(os.environ[variable], _environment(variable))
        else:
            found[key] = chosen.get(words, {}).get(key, Setting(option.default, DEFAULT))
    return {key: setting for key, setting in found.items() if key != "home"}


def _row(command: str, key: str, setting: Setting) -> dict[str, Any]:
    value = setting.value.value if isinstance(setting.value, Enum) else setting.value
    plain = value if isinstance(value, (bool, int, float, str, list, type(None))) else str(value)
    shown = hide_secrets(plain) if isinstance(plain, str) else plain
    return {"command": command, "key": key, "value": shown, "origin": setting.origin}


def _environment(variable: str) -> str:
    return f"environment {variable}"
