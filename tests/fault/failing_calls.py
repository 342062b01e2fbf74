"""Real failures of the k-th write, flush or rename, by a library that stands before the C library (failing_calls.c)."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crystalforge.errors import CrystalforgeError

SOURCE = Path(__file__).with_name("failing_calls.c")
LAYOUT = struct.Struct("qq")
OUTCOMES = "outcomes.jsonl"
"""Below the folder of a test: what came of each k."""
"""k and the number of calls counted."""


def has_compiler() -> bool:
    """Whether the library can be built here."""
    return shutil.which("cc") is not None


@dataclass(frozen=True)
class FailingCalls:
    """Sets which call fails, for all processes that were started with ``environment``."""

    library: Path
    state: Path
    root: Path

    @classmethod
    def build(cls, folder: Path, root: Path) -> FailingCalls:
        """Compile the library; the files below ``root`` count."""
        library, state = folder / "failing_calls.so", folder / "failing_calls.state"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
        state.write_bytes(LAYOUT.pack(0, 0))
        return cls(library, state, root)

    @property
    def environment(self) -> dict[str, str]:
        """For the processes in which calls shall fail."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAILING_STATE": str(self.state),
            "FAILING_ROOT": str(self.root),
        }

    def arm(self, k: int) -> None:
        """Let the k-th call from now on fail; 0: none, and do not count."""
        self._write(LAYOUT.pack(k, 0))

    def disarm(self) -> int:
        """Let no call fail from now on; returns how many were counted."""
        counted: int = LAYOUT.unpack(self.state.read_bytes())[1]
        self._write(LAYOUT.pack(0, 0))
        return counted

    def _write(self, content: bytes) -> None:
        with self.state.open("r+b") as stream, mmap.mmap(stream.fileno(), 0) as mapped:
            mapped[:] = content  # in place: the processes have mapped this very file


def run_forked(work: Callable[[], object], log: Path) -> int:
    """Run a callable in a fork of this process with its stderr in a file; its exit code, as a command would have it."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 2)
            code = _exit_code(work)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _exit_code(work: Callable[[], object]) -> int:
    try:
        work()
    except CrystalforgeError as error:
        os.write(2, f"Error: {error}\n".encode())
        return error.exit_code
    except Exception:  # noqa: BLE001 - whatever is none of ours is a bug, and the test shows it
        os.write(2, traceback.format_exc().encode())
        return 99
    return 0
