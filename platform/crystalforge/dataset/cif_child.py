"""One child process that parses CIFs, with limits of time and memory.

It lives long and parses many files, so that a thousand CIFs do not pay a thousand starts (1 to 2 s each); it is
replaced when it dies or is killed for exceeding a limit. A fresh interpreter, never ``fork``: the parent may hold
threads and locks of other libraries.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from typing import IO, Any

from crystalforge.dataset.exclusion import ExclusionReason, LeftOutError
from crystalforge.dataset.standardise import StandardisedCrystal
from crystalforge.errors import DatasetError
from crystalforge.secrecy import without_secrets

START_SECONDS = 120.0
"""Wall time for the child to import pymatgen: generous, for a cold disk."""
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUTF8": "1"}


@dataclass(frozen=True)
class ParserLimits:
    """What one CIF may take: together under 10 s and 500 MB, of which the parser itself takes 180 MB.

    Attributes:
        wall_seconds: wall time to parse and standardise it.
        cpu_seconds: processor time, likewise (RLIMIT_CPU).
        memory_mib: address space above what the parser itself takes (RLIMIT_AS).
        cif_bytes: length of the text.
    """

    wall_seconds: float = 9.0
    cpu_seconds: int = 8
    memory_mib: int = 256
    cif_bytes: int = 4 * 2**20


class CifChild:
    """One parser process, started at the first CIF and again after each that kills it."""

    def __init__(self, limits: ParserLimits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[bytes] | None = None

    def parse(self, cif: str) -> StandardisedCrystal:
        """Parse and standardise one CIF.

        Raises:
            LeftOutError: it cannot be used, or it exceeded a limit.
            DatasetError: the parser does not start at all.
        """
        return self.answer({"cif": cif})

    def answer(self, question: dict[str, Any]) -> StandardisedCrystal:
        """Parse and standardise what a record asks: ``{"cif": text}`` or ``{"unit_cell": {…}}``.

        Raises:
            LeftOutError: it cannot be used, or it exceeded a limit.
            DatasetError: the parser does not start at all.
        """
        answer, timed_out = self._ask(question, self._limits.wall_seconds)
        if answer is None:
            raise self._explain_death(timed_out)
        if "crystal" in answer:
            return StandardisedCrystal(**answer["crystal"])
        if answer["reason"] == ExclusionReason.PARSE_MEMORY:
            self.close()
            raise LeftOutError(
                ExclusionReason.PARSE_MEMORY, f"expected at most {self._limits.memory_mib} MiB, the parser took more"
            )
        raise LeftOutError(ExclusionReason(answer["reason"]), answer["detail"])

    def kill(self) -> None:
        """Stop the process at once, from any thread; whoever waits for its answer gets none."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    _close_quietly(stream)
            self._process = None
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def _ask(self, question: dict[str, Any], seconds: float) -> tuple[dict[str, Any] | None, bool]:
        """Send a line and read one; no answer when the child died or, by the watchdog's hand, took too long."""
        process = self._running()
        with _Watchdog(process, seconds) as watchdog:
            try:
                _stream(process.stdin).write(json.dumps(question) + "\n")
                _stream(process.stdin).flush()
                line = _stream(process.stdout).readline()
            except (BrokenPipeError, UnicodeDecodeError):
                line = ""
        answer = _object(line)
        if answer is not None and watchdog.fired:  # answered in the last moment, and killed all the same
            self.close()
        return answer, watchdog.fired

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._start()
        if self._process is None:  # _start sets it or raises
            raise DatasetError("The CIF parser is not running.")
        return self._process

    def _start(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 closed with the process
        # -P: no module comes from the folder where the user stands, which may be that of the CIFs.
        command = [sys.executable, "-P", "-m", "crystalforge.dataset.cif_worker"]
        self._process = subprocess.Popen(
            [*command, str(self._limits.cpu_seconds), str(self._limits.memory_mib)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
            env=without_secrets(os.environ) | _ENVIRONMENT,
            start_new_session=True,  # Ctrl-C is for the parent, which then ends the child
        )
        with _Watchdog(self._process, START_SECONDS):
            line = _stream(self._process.stdout).readline()
        if _object(line) != {"ready": True}:
            self._errors.seek(0)
            last = self._errors.read().decode(errors="replace").strip()[-500:]
            self.close()
            raise DatasetError(
                f"The CIF parser did not start: expected it ready within {START_SECONDS:.0f} s. "
                f"Run `{' '.join(command)} 30 1024` to see why. Its last words: {last or 'none'}"
            )

    def _explain_death(self, timed_out: bool) -> LeftOutError:
        code = self._process.wait() if self._process is not None else None
        self.close()
        if timed_out:
            return LeftOutError(
                ExclusionReason.PARSE_TIMEOUT, f"expected an answer within {self._limits.wall_seconds:g} s, none came"
            )
        if code == -signal.SIGXCPU:
            return LeftOutError(
                ExclusionReason.PARSE_TIMEOUT,
                f"expected at most {self._limits.cpu_seconds} s of processor time, it took more",
            )
        return LeftOutError(ExclusionReason.PARSE_CRASHED, f"the parser's process ended with code {code}")


class _Watchdog:
    """Kills a process that takes longer than it may."""

    def __init__(self, process: subprocess.Popen[str], seconds: float) -> None:
        self.fired = False
        self._process = process
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True

    def _fire(self) -> None:
        self.fired = True
        self._process.kill()

    def __enter__(self) -> _Watchdog:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()


def _stream(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise DatasetError("The CIF parser was started without pipes.")
    return stream


def _close_quietly(stream: IO[str]) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        return  # what was not read belongs to a CIF whose exclusion is already written


def _object(line: str) -> dict[str, Any] | None:
    """The answer in a line; a line cut short by the child's death is none."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
