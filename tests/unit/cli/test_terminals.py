"""Colours and bars: in a terminal, never in a pipe or a file, and not where NO_COLOR or TERM=dumb ask for none."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Sequence

from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home

PROGRAM = [sys.executable, "-W", "ignore", "-c", "from crystalforge.cli import main; main()"]
A_WORK = [
    *PROGRAM[:-1],
    "from crystalforge.cli.progress import progress\n"
    "with progress('samples', 3) as update:\n"
    "    update(1)\n"
    "    update(3, 'half accepted')\n",
]
"""A work with progress, as the commands show it."""
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|9[0-7]|38|4[0-7])(?:;[0-9;]*)?m")
DEFAULTS = {"TERM": "xterm-256color", "COLUMNS": "120"}
VARIABLES = ("NO_COLOR", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "CLICOLOR_FORCE", "TTY_COMPATIBLE")


def environment(**changed: str) -> dict[str, str]:
    """The tests' own, without what asks for colours or forbids them."""
    plain = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return {**plain, **DEFAULTS, **changed}


def in_terminal(*words: str, program: Sequence[str] = PROGRAM, **changed: str) -> str:
    """What a command writes to a terminal, stdout and stderr together."""
    main, side = pty.openpty()
    process = subprocess.Popen([*program, *words], stdin=side, stdout=side, stderr=side, env=environment(**changed))
    os.close(side)
    written = b""
    while True:
        try:
            block = os.read(main, 4096)
        except OSError:  # how Linux tells that nobody has the other side any more
            break
        if not block:
            break
        written += block
    os.close(main)
    assert process.wait(60) == 0, written.decode()
    return written.decode()


def in_pipe(*words: str, program: Sequence[str] = PROGRAM, **changed: str) -> str:
    result = subprocess.run(
        [*program, *words], env=environment(**changed), capture_output=True, text=True, check=True, timeout=60
    )
    return result.stdout + result.stderr


def test_a_terminal_gets_a_bar_and_all_others_lines() -> None:
    shown = in_terminal(program=A_WORK)
    assert COLOUR.search(shown)
    assert "━" in shown
    plain = in_terminal(program=A_WORK, NO_COLOR="1")
    assert not COLOUR.search(plain)
    assert "━" in plain, "no colours, but still a bar"
    lines = "samples: 3/3 half accepted"
    assert in_terminal(program=A_WORK, TERM="dumb").split("\r\n") == [lines, ""]
    assert in_pipe(program=A_WORK).splitlines() == [lines]


def test_the_help_has_colours_in_a_terminal_and_where_they_are_forced() -> None:
    assert COLOUR.search(in_terminal("status", "--help"))
    assert "\x1b" not in in_pipe("status", "--help")
    assert COLOUR.search(in_pipe("status", "--help", FORCE_COLOR="1"))
    assert not COLOUR.search(in_pipe("status", "--help", FORCE_COLOR="1", NO_COLOR="1"))


def test_a_server_tells_its_address_as_json(candidates: tuple[Home, GenerationPlan]) -> None:
    words = ["explore", "--no-open", "--port", "0", "--json", "--home", str(candidates[0].path)]
    process = subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    assert process.stdout is not None
    text = b"".join(process.stdout.readline() for _ in range(3))
    assert json.loads(text)["url"].startswith("http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert rest == b""
    assert process.returncode == 130
