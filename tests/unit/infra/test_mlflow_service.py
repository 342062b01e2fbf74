"""The files of infra/mlflow without a database: what the script starts, what it refuses, and that the unit is sound.

`make mlflow-postgres` runs them on a real PostgreSQL.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
FOLDER = REPOSITORY / "infra" / "mlflow"
SERVE = FOLDER / "serve.sh"
UNIT = FOLDER / "crystalforge-mlflow.service"


def serve(**environment: str) -> subprocess.CompletedProcess[str]:
    """The script, with a program in Python's place that tells its arguments and the addresses it was given."""
    tell = 'echo "$@"; echo "$MLFLOW_BACKEND_STORE_URI $MLFLOW_SERVER_ALLOWED_HOSTS"; umask'
    stub = Path(environment["FOLDER"]) / "python"
    stub.write_text(f"#!/bin/sh\n{tell}\n")
    stub.chmod(0o755)
    plain = {"PATH": os.environ["PATH"], "PYTHON": str(stub)}
    return subprocess.run([SERVE], env=plain | environment, capture_output=True, text=True, check=False, timeout=30)


def test_it_listens_on_this_machine_and_names_no_password(tmp_path: Path) -> None:
    done = serve(FOLDER=str(tmp_path), PGPASSWORD="hunter2")
    arguments, addresses, mask = done.stdout.splitlines()
    assert arguments == "-m mlflow server --host 127.0.0.1 --port 5000 --workers 2"
    store, hosts = addresses.split()
    assert store == "postgresql+psycopg2:///", "where and who comes from the PG variables"
    assert set(hosts.split(",")) == {
        f"{name}{end}" for name in ("localhost", "127.0.0.1", "[::1]") for end in ("", ":5000")
    }
    assert mask == "0077"
    assert "hunter2" not in done.stdout + done.stderr


def test_elsewhere_the_names_are_left_to_who_asks_for_it(tmp_path: Path) -> None:
    done = serve(FOLDER=str(tmp_path), MLFLOW_HOST="10.0.0.5", MLFLOW_SERVER_ALLOWED_HOSTS="mlflow.example.org")
    assert "--host 10.0.0.5" in done.stdout
    assert done.stdout.splitlines()[1].split()[1] == "mlflow.example.org"


@pytest.mark.parametrize(("mode", "starts"), [(0o600, True), (0o400, True), (0o640, False), (0o604, False)])
def test_a_password_file_that_others_may_read_is_refused(mode: int, starts: bool, tmp_path: Path) -> None:
    path = tmp_path / "pgpass"
    path.write_text("127.0.0.1:5432:mlflow:mlflow:hunter2\n")
    path.chmod(mode)
    done = serve(FOLDER=str(tmp_path), PGPASSFILE=str(path))
    assert (done.returncode == 0) == starts
    if not starts:
        assert f"chmod 600 {path}" in done.stderr
        assert done.stdout == ""


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = serve(FOLDER=str(tmp_path), PGPASSFILE=str(tmp_path / "nothing"))
    assert (done.returncode, str(tmp_path / "nothing") in done.stderr) == (2, True)


def test_the_script_is_sound() -> None:
    subprocess.run(["bash", "-n", SERVE], check=True)
    done = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), SERVE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert SERVE.stat().st_mode & stat.S_IXUSR


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_the_unit_is_sound_and_exposes_little(tmp_path: Path) -> None:
    text = UNIT.read_text()
    assert "/opt/crystalforge/infra/mlflow/serve.sh" in text
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("/opt/crystalforge", str(REPOSITORY)))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    level = re.search(r"Overall exposure level .*: ([\d.]+)", done.stdout)
    assert level, done.stdout + done.stderr
    assert float(level[1]) < 2.5, "of 10"


def test_what_the_server_needs_is_pinned_and_an_extra_brings_it() -> None:
    lines = (FOLDER / "requirements.txt").read_text().splitlines()
    assert "--constraint ../../constraints.txt" in lines
    wanted = [line for line in lines if re.fullmatch(r"[\w-]+", line)]
    pinned = (REPOSITORY / "constraints.txt").read_text()
    assert set(wanted) == {"mlflow", "psycopg2-binary"}
    assert all(re.search(rf"^{name}==[\d.]+$", pinned, re.MULTILINE) for name in wanted)
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert [each.partition(">")[0] for each in extras["postgres"]] == ["psycopg2-binary"]


def test_no_file_holds_a_password() -> None:
    for path in FOLDER.iterdir():
        assert not re.search(r"(?i)(password|token)\s*=\s*\S", re.sub(r"(?m)^\s*(#|--).*$", "", path.read_text())), path
