"""`platform --install-completion` in real shells: installed, the shell started anew in a terminal, Tab pressed."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from crystalforge.files import write_json

SCRIPTS = {
    "bash": ".bash_completions/platform.sh",
    "zsh": ".zfunc/_platform",
    "fish": ".config/fish/completions/platform.fish",
}
PATIENCE_S = 90.0
"""The machine may be busy with other work."""
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\(B|[=>]|\][^\x07]*\x07)")


class Terminal:
    """An interactive shell, and what it has shown."""

    def __init__(self, shell: str, environment: dict[str, str]) -> None:
        self.process, self.stream = pty.fork()
        if self.process == 0:
            os.execvpe(shell, [shell, "-i"], environment)
        fcntl.ioctl(self.stream, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        self.shown = ""

    def wait_for(self, text: str) -> None:
        """Read until a text was shown."""
        until = time.monotonic() + PATIENCE_S
        while text not in ESCAPES.sub("", self.shown):
            assert time.monotonic() < until, f"expected {text!r} in {self.shown!r}"
            if select.select([self.stream], [], [], 0.2)[0]:
                self.shown += os.read(self.stream, 65536).decode(errors="replace")

    def press(self, keys: str) -> None:
        """Type something."""
        self.shown = ""
        os.write(self.stream, keys.encode())

    def close(self) -> None:
        """End the shell."""
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        os.close(self.stream)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_tab_completes_in_a_shell_that_installed_it(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    write_json(tmp_path / "home" / "trainings" / "swap-2" / "training.json", {"recipe": "swap"})
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ZDOTDIR"))}
    environment |= {
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CRYSTALFORGE_HOME": str(tmp_path / "home"),
        "TERM": "xterm",
    }
    install = [shell, "-c", "platform --install-completion; true"]
    done = subprocess.run(install, env=environment, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    assert f"{shell} completion installed" in done.stdout
    assert (tmp_path / SCRIPTS[shell]).is_file()
    terminal = Terminal(shell, environment)
    try:
        terminal.press("echo re''ady\n")
        terminal.wait_for("ready")
        terminal.press("platform generate --training sw\t")
        terminal.wait_for("--training swap-2")
        terminal.press("\x15platform validate enqueue --rec\t")
        terminal.wait_for("--recipe")
    finally:
        terminal.close()
