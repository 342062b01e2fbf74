"""The batch script of infra/slurm as far as it can be tested without Slurm; tests/integration/test_slurm.py has one."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from crystalforge.cli.app import app

REPOSITORY = Path(__file__).parents[3]
SCRIPT = REPOSITORY / "infra" / "slurm" / "crystalforge.sbatch"
SHELLCHECK = Path(sys.executable).parent / "shellcheck"
BY_NAME = "SC2329"
"""Functions that are called by name only: in a trap, or in a shell that srun starts."""


def test_shellcheck_has_nothing_against_it_or_another_script_of_infra() -> None:
    scripts = [SCRIPT, *(REPOSITORY / "infra").rglob("*.sh")]
    done = subprocess.run([SHELLCHECK, "--exclude", BY_NAME, *scripts], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_may_be_requeued_and_is_told_before_its_time_is_over() -> None:
    options = re.findall(r"^#SBATCH (.+)$", SCRIPT.read_text(encoding="utf-8"), re.MULTILINE)
    assert "--requeue" in options
    assert any(re.fullmatch(r"--signal=B:USR1@\d+", option) for option in options)
    assert "--ntasks-per-node=1" in options
    first_command = SCRIPT.read_text(encoding="utf-8").index("\nset -euo")
    assert SCRIPT.read_text(encoding="utf-8").rindex("#SBATCH") < first_command, "sbatch reads no options after it"


def test_ray_asks_for_a_token_and_no_port_is_fixed() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert "RAY_AUTH_MODE=token" in text
    assert "umask 077" in text
    ports = re.findall(r"--[\w-]*port=(\S+)", text)
    assert len(ports) >= 9
    assert {port.rstrip(")") for port in ports} == {"0", '"$client"'}


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM", "CRYSTALFORGE"))}
    return subprocess.run(["bash", SCRIPT, *words], env=plain | environment, capture_output=True, text=True)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    without = run()
    assert (without.returncode, "expected a command of platform" in without.stderr) == (2, True)
    outside = run("generate")
    assert (outside.returncode, "expected to run in a job of Slurm" in outside.stderr) == (2, True)
    elsewhere = run("generate", SLURM_JOB_ID="1", CRYSTALFORGE_VENV=str(tmp_path))
    assert (elsewhere.returncode, f"no {tmp_path}/bin/platform" in elsewhere.stderr) == (2, True)


def shown() -> list[list[str]]:
    """Arguments of the script in every line that submits it, in its own head and in the document."""
    texts = [path.read_text(encoding="utf-8") for path in (SCRIPT, REPOSITORY / "docs" / "deploy.md")]
    lines = [line for text in texts for line in re.findall(r"^(?:# +)?(sbatch .*crystalforge\.sbatch.*)$", text, re.M)]
    return [shlex.split(line.split("crystalforge.sbatch", 1)[1]) for line in lines]


@pytest.mark.parametrize("words", shown(), ids=" ".join)
def test_a_shown_submission_is_of_a_command_that_there_is(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    context = command.make_context("platform", words)
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    assert str(context.params["home"]) == "/shared/home"
