"""A folder for one process at a time, by the kernel's lock on a file; and who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from crystalforge.errors import BusyError
from crystalforge.files import fingerprint, open_for_appending, storage_errors
from crystalforge.local_disk import local_state, network_kind

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def exclusive(folder: Path, what: str) -> Iterator[None]:
    """Hold a folder for one process; the kernel lets go of it however the process ends.

    The lock of a folder that is not on a disk of this machine lies in ``local_state``, and holds for this machine.

    Raises:
        BusyError: another process holds it; the message gives its process id.
        StorageError: there is no disk of this machine to lay the lock on.
    """
    lock = _lock_of(folder)
    if lock.parent != folder:
        logger.info("event=lock_of_this_machine folder=%s lock=%s", folder, lock)
    with storage_errors(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        stream = open_for_appending(lock)
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"{what} is in use by process {_holder(stream)} ({lock}). Wait until it ends, or stop it, then run "
                "this again."
            ) from None
        with storage_errors(lock):  # past the buffer, which would try a failed write again when it is closed
            os.ftruncate(stream.fileno(), 0)
            os.write(stream.fileno(), str(os.getpid()).encode())
        yield


def _lock_of(folder: Path) -> Path:
    """Where the lock of a folder lies: in it, unless a lock there could not be trusted."""
    if network_kind(folder) is None:
        return folder / ".lock"
    return local_state() / "locks" / f"{fingerprint(str(folder))}.lock"


def held_by(folder: Path) -> str | None:
    """Id of the process that holds a folder by ``exclusive``; None where none does. Nothing is written."""
    try:
        descriptor = os.open(_lock_of(folder), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(stream)
    return None


def _holder(stream: BinaryIO) -> str:
    """Id of the process, as it wrote it into its lock."""
    stream.seek(0)
    return stream.read().decode(errors="replace").strip() or "unknown"
