"""Settings in files: where they lie, what they say, and in which line; the few that all rooms share.

The user's file is ``~/.config/crystalforge/config.toml`` (or below ``XDG_CONFIG_HOME``), the project's is
``crystalforge.toml`` in the working folder. What a command's options are is known to the command line, which checks the
tables of the commands (``crystalforge.cli.settings``).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from crystalforge.errors import SettingsError
from crystalforge.files import storage_errors

PROJECT_FILE = "crystalforge.toml"
USER_FILE = Path("crystalforge") / "config.toml"
CONFIG_VARIABLE = "XDG_CONFIG_HOME"
SHARED = {
    "home": "CRYSTALFORGE_HOME",
    "ray_address": "RAY_ADDRESS",
    "mlflow_tracking_uri": "MLFLOW_TRACKING_URI",
}
"""Settings that stand before the first table of a file, each with its environment variable, which goes before."""


Keys = tuple[str, ...]
"""A key with the tables that it stands in."""


@dataclass(frozen=True)
class SettingsFile:
    """A file of settings that was read."""

    path: Path
    text: str
    values: dict[str, Any]

    @cached_property
    def lines(self) -> dict[Keys, int]:
        """Line in which each key or table begins, from 1.

        TOML's own parser says it: a key is in the first lines that parse with it, after those that parse without.
        Comments, of which a file of `platform config init` is full, are parsed with what follows them.
        """
        found: dict[Keys, int] = {}
        begin, lines = 0, self.text.splitlines()
        for number, line in enumerate(lines, start=1):
            if not begin and line.lstrip()[:1] in ("", "#"):
                continue
            begin = begin or number
            try:
                values = tomllib.loads("\n".join(lines[:number]))
            except tomllib.TOMLDecodeError:
                continue  # in the middle of a value of several lines
            for keys in _all_keys(values):
                found.setdefault(keys, begin)
            begin = 0
        return found

    def place(self, keys: Sequence[str]) -> str:
        """File and line of a key, for a person."""
        return f"{self.path} line {self.lines[tuple(keys)]}"


@dataclass(frozen=True)
class Setting:
    """A value and where it came from."""

    value: Any
    origin: str
    """``default``, ``environment NAME`` or file and line."""


def settings_paths() -> dict[str, Path]:
    """Where the files of settings would lie, the one that goes before first."""
    given = Path(os.environ.get(CONFIG_VARIABLE) or "~/.config")
    folder = given if given.is_absolute() else Path("~/.config")  # as the XDG specification wants it
    return {"project": Path.cwd() / PROJECT_FILE, "user": folder.expanduser() / USER_FILE}


def settings_files() -> list[SettingsFile]:
    """The files that exist, the one that goes before first.

    Raises:
        SettingsError: one is not TOML; the message has the line.
        StorageError: one cannot be read.
    """
    return [_read(path) for path in settings_paths().values() if path.is_file()]


def shared_setting(name: str) -> Setting | None:
    """A setting that all rooms share: of the environment, the project's file or the user's; None if none has it.

    Args:
        name: a key of ``SHARED``.

    Raises:
        SettingsError: a file has something else than a text.
    """
    variable = SHARED[name]
    if value := os.environ.get(variable):
        return Setting(value, f"environment {variable}")
    for file in settings_files():
        if name in file.values:
            return Setting(text_of(file, name), file.place([name]))
    return None


def text_of(file: SettingsFile, name: str) -> str:
    """A text that stands before the first table.

    Raises:
        SettingsError: it is none.
    """
    value = file.values[name]
    if not isinstance(value, str) or not value:
        raise SettingsError(f'{file.place([name])}: {name} = {value!r}: expected a text, as {name} = "…".')
    return value


def _read(path: Path) -> SettingsFile:
    with storage_errors(path):
        content = path.read_bytes()
    try:
        text = content.decode()
        return SettingsFile(path, text, tomllib.loads(text))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}. Correct it, or move it away.") from error


def _all_keys(values: Mapping[str, Any], above: Keys = ()) -> Iterator[Keys]:
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from _all_keys(value, (*above, key))
