"""Every command, found by walking the tree: its help teaches by example, and its --json is JSON on standard output."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from crystalforge.cli.app import EXIT_CODES, app
from crystalforge.cli.command_tree import Words, commands, key_of

ROOT: Any = typer.main.get_command(app)
COMMANDS: dict[Words, Any] = dict(commands(ROOT))
NAMES = [" ".join(words) for words in COMMANDS]
SHELL = ("|", ">", "<", "&&")
"""What ends a command within an example."""


def examples(command: Any) -> list[list[str]]:
    """The example lines of a command's help, as a shell splits them, without ``platform``."""
    _, _, after = (command.help or "").partition("Examples:")
    lines = [line.strip() for line in after.splitlines() if line.strip().startswith("platform ")]
    return [_first_command(shlex.split(line))[1:] for line in lines]


def _first_command(words: list[str]) -> list[str]:
    ends = [place for place, word in enumerate(words) if word in SHELL]
    return words[: ends[0]] if ends else words


@pytest.mark.parametrize("words", COMMANDS, ids=NAMES)
def test_the_help_teaches_by_examples_that_can_be_typed(words: Words) -> None:
    command = COMMANDS[words]
    found = examples(command)
    assert len([each for each in found if tuple(each[: len(words)]) == words]) >= 2, "expected two examples of its own"
    for line in found:
        target = next(name for name in COMMANDS if tuple(line[: len(name)]) == name)
        context = COMMANDS[target].make_context(target[-1], line[len(target) :])
        assert context.params, line
    short = command.get_short_help_str(limit=200)
    assert short[0].isupper()
    for parameter in command.params:
        assert parameter.help, f"{parameter.name} of {' '.join(words)} has no help"


@pytest.mark.parametrize("words", COMMANDS, ids=NAMES)
def test_every_command_offers_json(words: Words) -> None:
    assert "json" in {key_of(each) for each in COMMANDS[words].params if each.param_type_name == "option"}


def test_the_help_of_platform_names_every_command_and_exit_code() -> None:
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert all(name.split()[0] in result.stdout for name in NAMES)
    folded = " ".join(result.stdout.split())
    assert all(f"{code} {meaning}" in folded for code, meaning in EXIT_CODES.items())
    assert set(EXIT_CODES) == {0, 1, 2, 75, 130}


@pytest.mark.parametrize("group", ["", "dataset", "validate", "catalog", "config"])
def test_the_help_of_a_group_is_shown_without_a_command(group: str) -> None:
    assert "Usage" in CliRunner().invoke(app, group.split()).output


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        (["statu"], "Did you mean 'status'?"),
        (["dataset", "biuld"], "Did you mean 'build'?"),
        (["validate", "enqeue"], "Did you mean 'enqueue'?"),
        (["generate", "--cuont", "5"], "--count"),
        (["sql", "SELECT 1", "--parm", "g=1"], "--param"),
    ],
)
def test_a_mistyped_command_or_option_suggests_the_nearest(mistyped: list[str], meant: str) -> None:
    result = CliRunner().invoke(app, mistyped)
    assert result.exit_code == 2
    assert meant in " ".join(result.stderr.replace("│", " ").split())
    assert result.stdout == ""
