"""MLflow's own server over a home's store: started, waited for, shown and stopped with everything it started."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import typer

from crystalforge.cli.console import note
from crystalforge.errors import CrystalforgeError, MissingDependencyError, StorageError, UsageError
from crystalforge.explore.protection import is_loopback
from crystalforge.home import MLFLOW_DATABASE, Home

START_LIMIT_S = 180
STOP_LIMIT_S = 10
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
"""That a browser on this machine may ask for: a website whose name is made to point here is refused."""
SERVER_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight more processes, for the evaluation of language models
}


def serve(home: Home, host: str, port: int, tell: Callable[[str], object] = typer.echo) -> None:
    """Run the server until Ctrl-C; tell the address of the training runs once it answers.

    Raises:
        StorageError: the home has no store yet.
        UsageError: the address cannot be listened on.
        MissingDependencyError: MLflow is not installed.
        CrystalforgeError: the server did not start or ended by itself.
    """
    store = home.mlflow / MLFLOW_DATABASE
    if not store.is_file():
        raise StorageError(f"No training runs yet: expected the MLflow store {store}. Run `platform train-all` first.")
    _require_mlflow()
    _require_free(host, port)
    note("Starting MLflow; this takes up to half a minute.")
    with _server(store, host, port) as server:
        _wait_until_ready(server, host, port)
        tell(training_runs_url(store, host, port))
        note("Press Ctrl-C to stop.")
        code = server.wait()
        raise CrystalforgeError(f"MLflow's server ended by itself with exit code {code}; its own messages are above.")


def training_runs_url(store: Path, host: str, port: int) -> str:
    """Address of the training view of the newest experiment that has runs; MLflow's first page is another view."""
    query = (
        "SELECT experiments.experiment_id FROM experiments JOIN runs USING (experiment_id) "
        "WHERE experiments.lifecycle_stage = 'active' ORDER BY runs.start_time DESC LIMIT 1"
    )
    with contextlib.closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            row = connection.execute(query).fetchone()
        except sqlite3.DatabaseError as error:
            raise StorageError(f"{store} is not an MLflow store ({error}): restore it or move it away.") from error
    page = f"experiments/{row[0]}/runs?workflowType=machine_learning" if row else "experiments"
    return f"http://{_in_url(host)}:{port}/#/{page}"


def _require_mlflow() -> None:
    from importlib.util import find_spec

    if find_spec("mlflow") is None:
        raise MissingDependencyError("MLflow is not installed: run `pip install mlflow`.")


def _require_free(host: str, port: int) -> None:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise UsageError(
            f"Cannot listen on {host} port {port}: {error.strerror or error}. Give another with --port or --host."
        ) from error


@contextlib.contextmanager
def _server(store: Path, host: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """MLflow's server and its workers in a process group of their own, ended whenever the command ends."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{store}"]
    command += ["--host", host, "--port", str(port), "--workers", "1"]
    if is_loopback(host):
        # MLflow's own list has patterns as 10.*, which a name as 10.example.org meets too.
        names = [f"{name}{end}" for name in LOOPBACK_NAMES for end in ("", f":{port}")]
        command += ["--allowed-hosts", ",".join(names)]
    environment = os.environ | SERVER_ENVIRONMENT
    previous = signal.signal(signal.SIGTERM, _interrupt)
    server = subprocess.Popen(command, cwd=store.parent, env=environment, start_new_session=True, stdout=sys.stderr)
    try:
        yield server
    except KeyboardInterrupt:
        note("Stopping MLflow.")
        raise
    finally:
        _stop(server)
        signal.signal(signal.SIGTERM, previous)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stop(server: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            note("MLflow did not stop in time and is ended.")
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _wait_until_ready(server: subprocess.Popen[bytes], host: str, port: int) -> None:
    url = f"http://{_in_url(host)}:{port}/health"
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise CrystalforgeError(
                f"MLflow's server ended at its start with exit code {server.returncode}; its own messages are above."
            )
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise CrystalforgeError(f"MLflow's server did not answer at {url} within {START_LIMIT_S} s.")


def _in_url(host: str) -> str:
    """The host as a browser on this machine reaches it."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared, not bound)
    return f"[{reachable}]" if ":" in reachable else reachable
