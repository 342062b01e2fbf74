"""Ray's token: where it is looked for, and what is said when there is none; it is never shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
from crystalforge.errors import ClusterError
from crystalforge.jobs.authentication import refused, token_place, use_token
import os
try:
    use_token(make={make})
    print(token_place(), os.environ.get("RAY_AUTH_MODE"), refused("here"))
except ClusterError as error:
    print("refused:", error)
"""
SECRET = "e5a1" * 8


@pytest.mark.parametrize(
    ("variables", "make", "said"),
    [
        ({}, False, "None None The cluster here asks for its token, and there is none here. Copy it"),
        ({}, True, "None token"),
        ({"RAY_AUTH_TOKEN": SECRET}, False, "the variable RAY_AUTH_TOKEN token"),
        ({"RAY_AUTH_TOKEN_PATH": "{folder}/token"}, False, "{folder}/token token"),
        ({"RAY_AUTH_TOKEN_PATH": "{folder}/none"}, True, "refused: The token of Ray cannot be read from {folder}/none"),
        ({"RAY_AUTH_TOKEN_PATH": "{folder}/empty"}, False, "refused: {folder}/empty is empty"),
        ({"RAY_AUTH_MODE": "token"}, False, "refused: RAY_AUTH_MODE=token, and there is no token. Copy"),
        (
            {"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": SECRET},
            False,
            "the variable RAY_AUTH_TOKEN disabled The cluster here asks for its token, and RAY_AUTH_MODE=disabled",
        ),
    ],
)
def test_a_token_is_used_where_there_is_one(tmp_path: Path, variables: dict[str, str], make: bool, said: str) -> None:
    """In a process of its own, as Ray reads its variables once."""
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "empty").write_text("\n")
    environment = {name: value.format(folder=tmp_path) for name, value in variables.items()} | {"HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM.format(make=make)],
        env=environment,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.decode().startswith(said.format(folder=tmp_path))
    assert SECRET not in (done.stdout + done.stderr).decode()
