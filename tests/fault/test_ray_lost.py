"""Ray that does not start: a clear error, at once."""

from __future__ import annotations

import re

import pytest
from real_commands import assert_complete, start

from crystalforge.home import Home
from crystalforge.jobs.generate import draw_here, generate
from crystalforge.jobs.generation_plans import load_plan

COMMAND = ["generate", "--shard-size", 40, "--space-groups", "225,62"]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RAY_ADDRESS": "127.0.0.1:9"}, r"does not start at RAY_ADDRESS=127\.0\.0\.1:9: .*refused.*unset RAY_ADDRESS"),
        ({"RAY_TMPDIR": "/proc/no-folder"}, r"does not start on this machine: .*/proc/no-folder.*temporary folder"),
    ],
)
def test_ray_that_does_not_start_is_told(trained_home: Home, environment: dict[str, str], message: str) -> None:
    process = start(
        *COMMAND, "--count", 200, "--home", trained_home.path, environment={"RAY_ADDRESS": "", **environment}
    )
    _, log = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(message, log.decode()), log.decode()
    assert "Traceback" not in log.decode()
    (folder,) = trained_home.generations.iterdir()
    generate(trained_home, load_plan(trained_home, folder.name), draw=draw_here)
    assert_complete(trained_home, load_plan(trained_home, folder.name).counts)
