from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crystalforge.cli import checks
from crystalforge.cli.app import app
from crystalforge.cli.checks import State, examine
from crystalforge.home import Home


def states(home: Path) -> dict[str, State]:
    return {check.name: check.state for check in examine(Home.locate(home))}


def test_the_installed_environment_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    result = CliRunner().invoke(app, ["doctor", "--json", "--home", str(tmp_path / "absent")])
    report = json.loads(result.stdout)
    assert (result.exit_code, report["ok"]) == (0, True)
    names = [check["name"] for check in report["checks"]]
    expected = {"Python", "ray", "torch", "mlflow", "duckdb", "spglib", "moyopy", "devices", "CPU cores", "memory"}
    assert expected | {"Ray cluster", "home", "disk", "MLflow store"} <= set(names)
    assert not (tmp_path / "absent").exists(), "nothing is left behind"
    assert "ray" not in sys.modules or "ray" in names


def test_the_table_says_how_to_get_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.metadata, "requires", lambda _: ["torch>=999.1", "no-such-package[x,y]>=2", "typer"])
    result = CliRunner().invoke(app, ["doctor", "--home", str(tmp_path)])
    assert result.exit_code == 1
    assert "pip install --upgrade 'torch>=999.1'" in result.stdout
    assert "pip install 'no-such-package>=2'" in result.stdout
    assert result.stderr == "2 required thing(s) missing.\n"


def test_a_cluster_that_does_not_answer_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
            monkeypatch.setenv("RAY_ADDRESS", address)
            assert states(tmp_path)["Ray cluster"] is State.GOOD
    assert states(tmp_path)["Ray cluster"] is State.MISSING
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:nonsense")
    assert states(tmp_path)["Ray cluster"] is State.MISSING
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert states(tmp_path)["Ray cluster"] is State.GOOD


def test_the_store_is_seen_once_it_is_there(tmp_path: Path) -> None:
    assert states(tmp_path)["MLflow store"] is State.ADVICE
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").touch()
    assert states(tmp_path)["MLflow store"] is State.GOOD
