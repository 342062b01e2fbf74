from __future__ import annotations

import socket
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crystalforge.cli.app import app
from crystalforge.cli.mlflow_server import training_runs_url
from crystalforge.errors import StorageError


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The two tables of MLflow's store that the address needs; the integration test has a real one."""
    path = tmp_path / "mlflow" / "mlflow.db"
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE experiments (experiment_id INTEGER, lifecycle_stage TEXT)")
    connection.execute("CREATE TABLE runs (experiment_id INTEGER, start_time INTEGER)")
    connection.executemany("INSERT INTO experiments VALUES (?, ?)", [(0, "active"), (7, "active"), (8, "deleted")])
    connection.commit()
    connection.close()
    return path


def test_without_a_store_it_says_what_to_run_first(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["ui", "--home", str(tmp_path)])
    assert result.exit_code == 1
    assert "Run `platform train-all` first" in result.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path, store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = CliRunner().invoke(app, ["ui", "--home", str(tmp_path), "--port", str(port)])
    assert result.exit_code == 2
    assert f"Cannot listen on 127.0.0.1 port {port}: Address already in use. Give another with --port" in result.stderr


def test_the_address_is_of_the_newest_experiment_with_runs(store: Path) -> None:
    assert training_runs_url(store, "127.0.0.1", 5000) == "http://127.0.0.1:5000/#/experiments"
    connection = sqlite3.connect(store)
    connection.executemany("INSERT INTO runs VALUES (?, ?)", [(0, 1), (7, 2), (8, 3)])
    connection.commit()
    connection.close()
    expected = "http://127.0.0.1:5000/#/experiments/7/runs?workflowType=machine_learning"
    assert training_runs_url(store, "0.0.0.0", 5000) == expected
    assert training_runs_url(store, "::1", 5000) == expected.replace("127.0.0.1", "[::1]")


def test_a_store_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"not a database, but long enough to be looked at as one" * 10)
    with pytest.raises(StorageError, match="is not an MLflow store"):
        training_runs_url(path, "127.0.0.1", 5000)
