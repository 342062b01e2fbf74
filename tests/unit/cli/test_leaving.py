"""The end of a command: what Python would have done is done, and a full standard output has a message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
ENDING = """
import atexit, sys, threading, time
from crystalforge.cli.leaving import leave
atexit.register(print, "the handler ran")
def late():
    time.sleep(0.2)
    print("the thread ended")
threading.Thread(target=late).start()
print("said", end=" ")
leave({code!r})
"""


@pytest.mark.parametrize(
    ("code", "expected", "said"), [(None, 0, ""), (0, 0, ""), (3, 3, ""), ("a message", 1, "a message\n")]
)
def test_threads_and_handlers_end_before_the_process(code: object, expected: int, said: str) -> None:
    program = [sys.executable, "-W", "ignore", "-c", ENDING.format(code=code)]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        expected,
        "said the thread ended\nthe handler ran\n",
        said,
    )


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["config", "show", "--json"]])
def test_a_full_standard_output_is_an_error_with_a_message(arguments: list[str]) -> None:
    program = [sys.executable, "-W", "ignore", "-c", "from crystalforge.cli import main; main()", *arguments]
    with FULL.open("w") as full:
        ended = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == (
        "Error: a write failed, perhaps to standard output: No space left on device. "
        "Make room; the same command does what is missing.\n"
    )
