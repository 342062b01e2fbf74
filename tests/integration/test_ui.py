"""`platform ui` with MLflow's real server: it answers at the address it prints, and Ctrl-C ends all of it."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from http.client import HTTPConnection
from pathlib import Path

import psutil

STORE = """
import sys, mlflow
mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}/mlflow/mlflow.db")
experiment = mlflow.create_experiment("crystals", artifact_location=f"file://{sys.argv[1]}/mlflow/artifacts")
with mlflow.start_run(experiment_id=experiment):
    mlflow.log_metric("loss", 1.0)
"""


def listening_of(processes: list[psutil.Process]) -> set[str]:
    """Addresses that they listen on."""
    every = [connection for process in processes for connection in process.net_connections()]
    return {connection.laddr.ip for connection in every if connection.status == psutil.CONN_LISTEN}


def status_for(port: int, host: str) -> int:
    """What MLflow answers to a request for that host name."""
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", headers={"host": host})
        return connection.getresponse().status


def test_the_ui_answers_and_ends_with_all_its_processes(tmp_path: Path) -> None:
    (tmp_path / "mlflow").mkdir()
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", STORE, tmp_path], check=True, capture_output=True, timeout=120
    )
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    program = [sys.executable, "-c", "from crystalforge.cli import main; main()"]
    command = [*program, "ui", "--home", tmp_path, "--port", str(port), "--json"]
    with (tmp_path / "log").open("w") as log:
        ui = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert ui.stdout is not None
        address = json.loads("".join(ui.stdout.readline() for _ in range(3)))["url"]
        assert address == f"http://127.0.0.1:{port}/#/experiments/1/runs?workflowType=machine_learning", (
            tmp_path / "log"
        ).read_text()
        with urllib.request.urlopen(address, timeout=20) as page:
            assert b"<title>MLflow" in page.read()
        started = psutil.Process(ui.pid).children(recursive=True)
        assert started
        assert listening_of(started) == {"127.0.0.1"}
        for host in ("evil.example", "10.evil.example", "192.168.evil.example"):
            assert status_for(port, host) == 403, "a website whose name is made to point here"
        assert [status_for(port, host) for host in ("localhost", f"127.0.0.1:{port}")] == [200, 200]
        ui.send_signal(signal.SIGINT)
        assert ui.wait(30) == 130
        assert psutil.wait_procs(started, timeout=10)[1] == []
        assert ui.stdout.read() == "", "MLflow's own words go to stderr"
    finally:
        ui.kill()
        ui.communicate()
