"""Copies on this machine of what a home on a store has committed, for what reads files in part: DuckDB, safetensors.

What a record committed never changes, so a copy is found by the SHA-256 that the record has, and is the file or is not
there. A file is brought once to each machine; the folder may be removed at any time.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from crystalforge.errors import DamagedFileError, StorageError
from crystalforge.files import nearest_existing, sha256_of_file, write_bytes
from crystalforge.local_disk import STATE_VARIABLE, local_state
from crystalforge.object_store import on_store

logger = logging.getLogger(__name__)

COPIES_FOLDER = "copies"
TRANSFERS_AT_A_TIME = 16
"""One request waits some 50 ms for its first byte, on a store that is not of this machine."""
SPARE_BYTES = 256 * 2**20
"""Left free on the disk of the copies."""


def copy_folder() -> Path:
    """Where the copies are.

    Raises:
        StorageError: there is no disk of this machine for them.
    """
    return local_state() / COPIES_FOLDER


def local_copy(path: Path, sha256: str, repair: str) -> Path:
    """The file itself, or its copy on this machine, brought now if it is not here yet.

    Args:
        path: of this machine or of a store.
        sha256: as the record has it.
        repair: ends the error's message.

    Raises:
        DamagedFileError: the store has no such file, or one of other bytes.
        StorageError: the store does not answer, or the disk is full.
    """
    if not on_store(path):
        return path
    copy = _place_of(path, sha256)
    # A copy that the disk changed is no copy: it is brought again.
    if not (copy.is_file() and sha256_of_file(copy) == sha256):
        _bring(path, copy, sha256, repair)
    return copy


def local_copies(files: Sequence[tuple[Path, str, int | None, str]]) -> list[Path]:
    """As ``local_copy`` for many, several at a time; a copy that is here is not looked at.

    Args:
        files: path, SHA-256, size (bytes) and repair of each.

    Raises:
        DamagedFileError: the store has no such file, or one of other bytes.
        StorageError: the store does not answer, or the disk has no room for all.
    """
    copies = [_place_of(path, sha256) if on_store(path) else path for path, sha256, _, _ in files]
    missing = [
        (file, copy) for file, copy in zip(files, copies, strict=True) if on_store(file[0]) and not copy.is_file()
    ]
    if missing:
        size = sum(file[2] or 0 for file, _ in missing)
        _refuse_too_many(size)
        logger.info("event=bringing_copies files=%d bytes=%d folder=%s", len(missing), size, copy_folder())
        with ThreadPoolExecutor(TRANSFERS_AT_A_TIME) as threads:
            list(threads.map(lambda each: _bring(each[0][0], each[1], each[0][1], each[0][3]), missing))
    return copies


def _place_of(path: Path, sha256: str) -> Path:
    return copy_folder() / sha256[:2] / f"{sha256}{path.suffix}"


def _bring(path: Path, copy: Path, sha256: str, repair: str) -> None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DamagedFileError(f"{path} is missing: expected a file with sha256 {sha256[:12]}…. {repair}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DamagedFileError(
            f"{path} is damaged: sha256 {sha256[:12]}… in the manifest, {found[:12]}… on the store. {repair}"
        )
    write_bytes(copy, content)


def _refuse_too_many(size: int) -> None:
    folder = copy_folder()
    free = shutil.disk_usage(nearest_existing(folder)).free
    if size + SPARE_BYTES > free:
        raise StorageError(
            f"The copies of {size / 2**20:,.0f} MiB do not fit into {folder}: {free / 2**20:,.0f} MiB free. Choose "
            f"generations by --generation, free some space, or set {STATE_VARIABLE} to a folder on a larger disk."
        )
