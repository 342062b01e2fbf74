"""`platform ui` with MLflow's real server: it answers at the address it prints, and Ctrl-C ends all of it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil

STORE = """
import sys, mlflow
mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}/mlflow/mlflow.db")
experiment = mlflow.create_experiment("crystals", artifact_location=f"file://{sys.argv[1]}/mlflow/artifacts")
with mlflow.start_run(experiment_id=experiment):
    mlflow.log_metric("loss", 1.0)
"""


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
        ui.send_signal(signal.SIGINT)
        assert ui.wait(30) == 130
        assert psutil.wait_procs(started, timeout=10)[1] == []
        assert ui.stdout.read() == "", "MLflow's own words go to stderr"
    finally:
        ui.kill()
        ui.communicate()
