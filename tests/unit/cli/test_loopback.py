"""Every command that listens does so on this machine only, unless it is asked; then it says who can reach it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from crystalforge.cli.app import app
from crystalforge.cli.command_tree import commands

ROOT: Any = typer.main.get_command(app)
LISTENING = {
    words[0]: command
    for words, command in commands(ROOT)
    if any("--host" in parameter.opts for parameter in command.params)
}


def test_these_are_the_commands_that_listen() -> None:
    assert LISTENING.keys() >= {"ui", "explore", "metrics"}


@pytest.mark.parametrize("name", LISTENING)
def test_its_address_is_of_this_machine(name: str) -> None:
    (host,) = [parameter for parameter in LISTENING[name].params if "--host" in parameter.opts]
    assert host.default == "127.0.0.1"


@pytest.mark.parametrize("name", LISTENING)
def test_it_warns_where_others_can_reach_it(name: str, tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        words = [name, "--host", "0.0.0.0", "--port", str(taken.getsockname()[1]), "--home", str(tmp_path)]
        result = CliRunner().invoke(app, words)
    assert result.exit_code in (1, 2)
    assert "Warning: everyone who can reach 0.0.0.0 can read" in result.stderr
    assert "there is no password" in result.stderr


def test_with_a_tracking_server_only_its_address_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:hunter2@mlflow.example:5000")
    result = CliRunner().invoke(app, ["ui", "--home", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (0, "https://me:…@mlflow.example:5000\n")
