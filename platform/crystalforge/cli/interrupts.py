"""Ctrl-C: the first ends a command in good order, the second at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

SHOW_CURSOR = "\x1b[?25h"
"""A progress bar hides the cursor; a command that ends at once cannot bring it back itself."""


@contextlib.contextmanager
def second_one_ends_at_once() -> Iterator[None]:
    """Let the first Ctrl-C raise ``KeyboardInterrupt``, and the second end the process wherever it is.

    The order that the first one keeps is a comfort: workers and runs of MLflow are ended with their status. Nothing
    that is committed depends on it, so that the second may take it away. Where Ctrl-C is ignored, as under ``nohup``,
    or handled by a program that uses ours, it stays as it is.
    """
    ours = threading.current_thread() is threading.main_thread()
    ours = ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, _first)
    try:
        yield
    finally:
        if ours and signal.getsignal(signal.SIGINT) is _first:  # after the first, what is left to do can be stopped
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _first(_signal: int, _frame: FrameType | None) -> NoReturn:
    # The system's own default, not a handler of ours: Python runs handlers between its instructions only, and a command
    # may be held up in compiled code.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    cursor = SHOW_CURSOR if sys.stderr.isatty() else ""
    os.write(2, f"{cursor}Stopping in good order. Ctrl-C again stops at once.\n".encode())
    raise KeyboardInterrupt
