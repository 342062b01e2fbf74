"""The tree of commands as data: which there are, and by which key and variable each option can be set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from typer.core import TyperGroup

PREFIX = "CRYSTALFORGE"
ONCE = frozenset(
    {"resume", "judge_only", "repair", "dry_run", "refresh", "overwrite", "again", "stop", "version", "help"}
)
"""Options of one call: what they ask for is an act or names one run, and would be wrong as a standing choice."""

Words = tuple[str, ...]
"""A command as it is written, such as ``("dataset", "build")``."""


def commands(group: TyperGroup, words: Words = ()) -> Iterator[tuple[Words, Any]]:
    """Every command below a group, groups left out, in the order of the help."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


def key_of(option: Any) -> str:
    """Key of an option in a file of settings: ``--space-groups`` is ``space_groups``."""
    longest = max(option.opts, key=len)
    return str(longest).lstrip("-").replace("-", "_")


def settable(command: Any) -> dict[str, Any]:
    """The options of a command that files and variables may set, by key."""
    options = [each for each in command.params if each.param_type_name == "option"]
    return {key_of(option): option for option in options if key_of(option) not in ONCE}


def variable_of(words: Words, option: Any) -> str:
    """Environment variable of an option: its own, or ``CRYSTALFORGE_DATASET_BUILD_NAME``."""
    if isinstance(option.envvar, str):
        return option.envvar
    return "_".join((PREFIX, *words, key_of(option))).replace("-", "_").upper()


def read_variables(group: TyperGroup) -> None:
    """Let every settable option take its value from its variable; the help and errors name one that is set."""
    for words, command in commands(group):
        for option in settable(command).values():
            if option.envvar is None:
                option.envvar = variable_of(words, option)
                option.show_envvar = option.envvar in os.environ
