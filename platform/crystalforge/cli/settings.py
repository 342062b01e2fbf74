"""The settings of the commands from files, checked against the commands: the stronger file goes before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperGroup

from crystalforge.cli.command_tree import ONCE, Words, commands, settable
from crystalforge.errors import SettingsError
from crystalforge.settings import SHARED, Setting, SettingsFile, settings_files, text_of
from crystalforge.suggestions import hint

SECRETS = {
    "mp_api_key": "MP_API_KEY",
    "mlflow_tracking_password": "MLFLOW_TRACKING_PASSWORD",
    "mlflow_tracking_token": "MLFLOW_TRACKING_TOKEN",
    "ray_auth_token": "RAY_AUTH_TOKEN",
}
"""Keys that no file may hold, each with the variable that it belongs in."""
KINDS: dict[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((float, int), "a number"),
}
"""What TOML must have for an option of that type, and its name; all others take a text."""

Chosen = dict[Words, dict[str, Setting]]
"""Settings of each command by key."""


@dataclass(frozen=True)
class Checker:
    """Reads one file against the commands."""

    file: SettingsFile
    context: Any
    """Of the root command, for converting values."""

    def read(self, root: TyperGroup) -> Chosen:
        """The file's settings.

        Raises:
            SettingsError: an unknown key or a value of the wrong type; names file, line and the nearest known key.
        """
        for name in SHARED:
            if name in self.file.values:
                text_of(self.file, name)
        tables = {name: value for name, value in self.file.values.items() if name not in SHARED}
        return self._tables(root, tables, (), [*SHARED])

    def _tables(self, group: TyperGroup, tables: Mapping[str, Any], words: Words, others: list[str]) -> Chosen:
        found: Chosen = {}
        for name, table in tables.items():
            path = (*words, name)
            known = [*others, *group.commands]
            if name not in group.commands:
                raise SettingsError(f"{self.file.place(path)}: unknown key '{name}'.{self._why(name, known)}")
            if not isinstance(table, dict):
                raise SettingsError(
                    f"{self.file.place(path)}: {name} = {table!r}: expected the table [{'.'.join(path)}] with options "
                    f"of `platform {' '.join(path)}`."
                )
            command = group.commands[name]
            if isinstance(command, TyperGroup):
                found |= self._tables(command, table, path, [])
            else:
                found[path] = self._options(command, table, path)
        return found

    def _options(self, command: Any, table: Mapping[str, Any], words: Words) -> dict[str, Setting]:
        options = settable(command)
        kinds = get_type_hints(command.callback)
        found = {}
        for written, value in table.items():
            key, place = written.replace("-", "_"), self.file.place((*words, written))
            if key not in options:
                raise SettingsError(f"{place}: unknown key '{written}'.{self._why(key, list(options))}")
            option = options[key]
            fitting = _fitting(value, kinds[option.name], option.metavar or "", f"{place}: {written} = {value!r}")
            try:
                option.process_value(self.context, fitting)
            except typer.BadParameter as error:
                raise SettingsError(f"{place}: {written} = {value!r}: {error.message}") from error
            found[key] = Setting(fitting, place)
        return found

    def _why(self, key: str, known: list[str]) -> str:
        if key in SECRETS:
            return f" This is a secret: keep it in the environment, as {SECRETS[key]}."
        if key in ONCE:
            return " It asks for one act: give it on the command line."
        return hint(key, known)


def _fitting(value: Any, annotation: Any, metavar: str, what: str) -> Any:
    """The value as the option takes it: a list of parts stands for ``225,62``.

    Raises:
        SettingsError: it is of the wrong type.
    """
    kind = _plain(annotation)
    if get_origin(kind) is list:
        (part,) = get_args(kind)
        values = value if isinstance(value, list) else [value]
        return [_fitting(each, part, "", what) for each in values]
    if isinstance(value, list) and "," in metavar and all(type(part) in (int, str) for part in value):
        return ",".join(map(str, value))
    expected, name = KINDS.get(kind, ((str,), _name_of_text(kind)))
    if not isinstance(value, expected) or (isinstance(value, bool) and kind is not bool):
        raise SettingsError(f"{what}: expected {name}.")
    return value


def _plain(annotation: Any) -> Any:
    """``int | None`` is ``int``."""
    if get_origin(annotation) in (Union, UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def _name_of_text(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"one of {', '.join(str(member.value) for member in kind)}"
    return "the path of a file, as a text" if kind is Path else "a text"


def command_settings(root: TyperGroup, context: Any) -> Chosen:
    """What the files set for each command, the project's before the user's.

    Raises:
        SettingsError: a file cannot be read or does not fit.
    """
    merged: Chosen = {}
    for file in reversed(settings_files()):
        for words, options in Checker(file, context).read(root).items():
            merged[words] = merged.get(words, {}) | options
    return merged


def default_map(root: TyperGroup, chosen: Chosen) -> dict[str, Any]:
    """The settings as typer takes defaults: nested by command, by the names of the parameters."""
    known = dict(commands(root))
    nested: dict[str, Any] = {}
    for words, options in chosen.items():
        table = nested
        for word in words:
            table = table.setdefault(word, {})
        names = settable(known[words])
        table |= {names[key].name: setting.value for key, setting in options.items()}
    return nested
