"""The end of a command: everything that the end of Python does, but for taking the interpreter apart."""

from __future__ import annotations

import atexit
import errno
import os
import sys
import threading
from typing import NoReturn

from crystalforge.files import NO_ROOM

UNWRITABLE = (*NO_ROOM, errno.EFBIG)
"""Errors of the system that tell of a full disk, a quota, or a limit on the size of files."""


def leave(code: object) -> NoReturn:
    """End this process with an exit code, once threads have ended and all is written.

    While an interpreter is taken apart, a thread of Arrow that lets go of one of Python's objects ends the whole
    process with "terminate called without an active exception" (apache/arrow#34314), though the work was done. The
    system frees what a process held; the order is that of ``multiprocessing`` for its own processes.

    Args:
        code: as of ``SystemExit``: None for 0, a number, or a message for 1.
    """
    if code is not None and not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads, and for pools of them
    atexit._run_exitfuncs()
    failed = _unwritten()
    sys.stderr.flush()
    os._exit(1 if failed else code or 0)


def _unwritten() -> bool:
    """Write what stands in the buffer of standard output; True, with a message, if it takes no more."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return True  # who read it has had enough, and needs no message
    except OSError as error:
        sys.stderr.write(f"{no_room(error)}\n")
        return True
    return False


def no_room(error: OSError) -> str:
    """What a user is told of a write that found no room, to standard output or to a file."""
    where = f"to {error.filename}" if error.filename else "perhaps to standard output"
    return f"Error: a write failed, {where}: {error.strerror}. Make room; the same command does what is missing."
