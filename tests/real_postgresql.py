"""A PostgreSQL of the tests' own, and MLflow's server on it as infra/mlflow starts it.

The cluster lies in a temporary folder, with a port and a socket of its own; nothing of a PostgreSQL that the machine
may run is touched. PostgreSQL refuses root: under root it runs as the user of Debian's package.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from debian_packages import require_programs

INFRA = Path(__file__).resolve().parents[1] / "infra" / "mlflow"
PROGRAMS = ("initdb", "pg_ctl", "psql")
PACKAGES = ("postgresql", "postgresql-client")
START_S = 180
LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Cluster:
    """A PostgreSQL cluster with the database of the tracking server."""

    folder: Path
    programs: dict[str, str]
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """Of the role ``mlflow``."""

    @property
    def data(self) -> Path:
        """Its files."""
        return self.folder / "data"

    def make(self) -> None:
        """Make the cluster; over the network only passwords are taken, over its socket the owner is known."""
        self._run("initdb", "--pgdata", self.data, "--auth-local=peer", "--auth-host=scram-sha-256", "--encoding=UTF8")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses={LOOPBACK}"
        self._run(
            "pg_ctl", "start", "--wait", "--pgdata", self.data, "--log", self.folder / "log", "--options", options
        )

    def stop(self, mode: str = "fast") -> None:
        """Stop it: ``fast`` ends the connections, ``immediate`` is as if its power was cut."""
        self._run("pg_ctl", "stop", "--wait", "--mode", mode, "--pgdata", self.data)

    def make_database(self) -> None:
        """As the documents say: by the script of infra/mlflow."""
        script = shutil.copy(INFRA / "create_database.sql", self.folder)  # where its user may read it
        self._psql("postgres", "--file", script, environment={"MLFLOW_DATABASE_PASSWORD": self.password})

    def ask(self, sql: str) -> str:
        """What the database of the tracking server answers."""
        return self._psql("mlflow", "--tuples-only", "--no-align", "--command", sql).strip()

    def password_file(self, folder: Path) -> Path:
        """A password file of mode 600, as PostgreSQL's library reads it."""
        path = folder / "pgpass"
        path.touch(mode=0o600)
        path.write_text(f"{LOOPBACK}:{self.port}:mlflow:mlflow:{self.password}\n")
        return path

    def _psql(self, database: str, *words: object, environment: Mapping[str, str] | None = None) -> str:
        command = (
            "--no-psqlrc",
            "--set",
            "ON_ERROR_STOP=1",
            "--host",
            self.folder,
            "--port",
            self.port,
            "-d",
            database,
        )
        return self._run("psql", *command, *words, environment=environment)

    def _run(self, program: str, *words: object, environment: Mapping[str, str] | None = None) -> str:
        owner: dict[str, Any] = {}
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        # A file, not a pipe: the server that pg_ctl starts would keep the pipe open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [self.programs[program], *map(str, words)],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=plain | {"LC_ALL": "C.UTF-8"} | dict(environment or {}),
                check=False,
                timeout=120,
                **owner,
            )
            output.seek(0)
            text = output.read()
        assert done.returncode == 0, f"{program}: {text}"
        return text


@contextlib.contextmanager
def postgresql() -> Iterator[Cluster]:
    """A running cluster with the database, gone at the end."""
    programs = require_programs(PROGRAMS, PACKAGES)
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    cluster = Cluster(folder, programs)
    try:
        cluster.make()
        cluster.start()
        cluster.make_database()
        yield cluster
    finally:
        if (cluster.data / "postmaster.pid").exists():
            cluster.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class TrackingServer:
    """MLflow's server by ``infra/mlflow/serve.sh``; it may be killed and started again."""

    folder: Path
    environment: dict[str, str]
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Its address."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def log(self) -> Path:
        """What it said, of all its starts."""
        return self.folder / "mlflow.log"

    def start(self, *, wait: bool = True) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            command = [str(INFRA / "serve.sh")]
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=self.environment, cwd=self.folder, start_new_session=True
            )
        if wait:
            self.wait()

    def answers(self) -> bool:
        """Whether it does."""
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                return True
        except OSError:
            return False

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + START_S
        while not self.answers():
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.3)

    def kill(self) -> None:
        """End it and its workers as a machine that fails does."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def tracking_server(cluster: Cluster, folder: Path) -> Iterator[TrackingServer]:
    """The server on a cluster, ready; killed at the end."""
    port = free_port()
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "MLFLOW_"))}
    environment = plain | {
        "PYTHON": sys.executable,
        "PGHOST": LOOPBACK,
        "PGPORT": str(cluster.port),
        "PGPASSFILE": str(cluster.password_file(folder)),
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
        "MLFLOW_PORT": str(port),
        "MLFLOW_WORKERS": "1",
    }
    server = TrackingServer(folder, environment, port)
    try:
        server.start()
        yield server
    finally:
        server.kill()
