"""`platform submit` up to the cluster: the command is checked, complete on its way, and has one id however written."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from crystalforge.cli.app import app
from crystalforge.errors import UsageError
from crystalforge.jobs.submission import Job, explain, parse_resources


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    for name in ("RAY_ADDRESS", "CRYSTALFORGE_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


def _submitted(*words: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["submit", "--dry-run", "--json", *words])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def _refused(*words: str) -> str:
    result = CliRunner().invoke(app, ["submit", *words])
    assert result.exit_code == 2, result.output
    return result.output


def test_one_request_has_one_id_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _submitted("generate", "--count", "500", "--seed", "3", "--home", "shared")
    assert first["submission_id"].startswith("crystalforge-generate-")
    home = str(tmp_path / "shared")
    same = [
        _submitted("generate", f"--home={home}", "--seed=3", "--count=500", "--json"),
        _submitted("generate", "--seed", "3", "--count", "500", "--balance", "training", "--home", home),
    ]
    monkeypatch.setenv("CRYSTALFORGE_GENERATE_SEED", "3")
    Path("crystalforge.toml").write_text('home = "shared"\n[generate]\ncount = 500\n')
    same.append(_submitted("generate"))
    assert {each["submission_id"] for each in same} == {first["submission_id"]}
    assert _submitted("generate", "--seed", "4")["submission_id"] != first["submission_id"]


def test_settings_of_this_machine_go_along_as_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYSTALFORGE_GENERATE_CHARGE_BALANCED", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example.org:5000")
    Path("crystalforge.toml").write_text('home = "my home"\n[generate]\nspace_groups = [225, 62]\n')
    found = _submitted("generate", "--count", "7")
    words = shlex.split(found["entrypoint"])
    assert words[:4] == ["python", "-m", "crystalforge.jobs", "generate"]
    expected = ["--charge-balanced", "--space-groups", "225,62", "--home", str(tmp_path / "my home"), "--count", "7"]
    assert sorted(words[4:]) == sorted(expected)
    assert found["variables"] == {"MLFLOW_TRACKING_URI": "http://mlflow.example.org:5000"}


def test_a_command_of_a_group_is_sent(tmp_path: Path) -> None:
    found = _submitted("validate", "run", "--concurrency", "2", "--home", "h")
    line = f"python -m crystalforge.jobs validate run --home {tmp_path / 'h'} --concurrency 2"
    assert found["entrypoint"] == line
    assert found["submission_id"].startswith("crystalforge-validate-run-")


def test_a_password_does_not_go_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:open-sesame@host/db")
    said = _refused("--dry-run", "generate")
    assert "holds a password" in said
    assert "open-sesame" not in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["generate", "--count", "5"], "No cluster is named: expected RAY_ADDRESS=http://HEAD:8265"),
        (["--dry-run", "generte"], "got 'generte'.*Did you mean 'generate'"),
        (["--dry-run", "explore"], "expects a command that a cluster can run, got 'explore'"),
        (["--dry-run", "validate"], "got 'validate '.*validate run"),
        (["--dry-run", "generate", "--cuont", "5"], "No such option: --cuont"),
        (["--dry-run", "generate", "--count", "many"], "as an integer"),
        (["--driver-resources", "driver", "generate"], "expects amounts as CPU=1"),
    ],
)
def test_what_cannot_run_is_refused_before_it_is_sent(words: list[str], message: str) -> None:
    assert re.search(message, " ".join(_refused(*words).split()))


def test_a_cluster_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:9")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    result = CliRunner().invoke(app, ["submit", "generate"])
    assert result.exit_code == 1
    assert "The Jobs API of the cluster at RAY_ADDRESS=http://127.0.0.1:9 cannot be used" in result.output


def test_resources_of_the_driver() -> None:
    assert parse_resources(["cpu=1, driver=0.01", "memory=5e8"]) == {"CPU": 1.0, "driver": 0.01, "MEMORY": 5e8}
    for text in ("", "CPU", "driver=-1", "GPU=nan", "=1"):
        with pytest.raises(UsageError, match="--driver-resources"):
            parse_resources([text])


@pytest.mark.parametrize(
    ("status", "exit_code", "ended", "lost", "said"),
    [
        ("RUNNING", None, False, False, "is running"),
        ("SUCCEEDED", 0, True, False, "succeeded"),
        ("FAILED", 1, True, False, "exit code 1; the same command goes on"),
        ("FAILED", 127, True, False, "name it by --python"),
        ("FAILED", None, True, True, "lost its driver: Job supervisor actor died"),
        ("STOPPED", None, True, False, "was stopped"),
    ],
)
def test_what_became_of_a_job(status: str, exit_code: int | None, ended: bool, lost: bool, said: str) -> None:
    job = Job("name", status, exit_code, "Job supervisor actor died" if lost else "")
    assert (job.ended, job.lost) == (ended, lost)
    assert said in explain(job)
