"""Are the files still what they were when they were written? DuckDB reads flipped bits without an error; we do not."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crystalforge.errors import DamagedFileError, StorageError
from crystalforge.files import read_json, sha256_of_file, write_json
from crystalforge.home import Home
from crystalforge.local_copies import copy_folder, local_copies
from crystalforge.object_store import on_store

logger = logging.getLogger(__name__)

ALWAYS_HASHED_BYTES = 256 * 2**20
"""Up to this total every opening hashes every file: 0.15 s at 1.7 GiB/s, 800,000 samples. Above it, files that were
verified before and whose size, times and inode are unchanged are not hashed again."""

FILES_AT_A_TIME = 16
VERIFIED_NAME = ".verified.json"


@dataclass(frozen=True)
class ExpectedFile:
    """A file with the checksum that was noted when it was written."""

    path: Path
    sha256: str
    bytes: int | None
    what: str
    """Begins the message, such as ``Shard 17 of space group 225 of generation 8f2c``."""
    repair: str
    """Ends the message: the command that makes the file again."""
    schema: str = ""
    """Schema of the file, as ``samples/1``, where it is a table."""


@dataclass(frozen=True)
class Damage:
    """A file that is not what it should be."""

    expected: ExpectedFile
    found_sha256: str | None
    """None where the file is missing."""

    def __str__(self) -> str:
        file = self.expected
        if self.found_sha256 is None:
            return f"{file.what} is missing: expected {file.path} with sha256 {file.sha256[:12]}…. {file.repair}"
        return (
            f"{file.what} is damaged: sha256 {file.sha256[:12]}… in the manifest, {self.found_sha256[:12]}… on disk "
            f"({file.path}). {file.repair}"
        )


def brought_here(files: Sequence[ExpectedFile]) -> list[ExpectedFile]:
    """The files, those of a store as copies on this machine, where DuckDB can read them.

    Raises:
        DamagedFileError: a file of a store is not what its record says; the message has the repair.
        StorageError: the store does not answer, or there is no room for the copies.
    """
    copies = local_copies([(file.path, file.sha256, file.bytes, file.repair) for file in files])
    return [file if copy is file.path else replace(file, path=copy) for file, copy in zip(files, copies, strict=True)]


def verify_files(home: Home, files: Sequence[ExpectedFile]) -> None:
    """Refuse to go on with a damaged file.

    Raises:
        DamagedFileError: names the first such file, both checksums, the repair, and how many more there are.
    """
    damages = find_damages(home, files)
    if damages:
        more = f" ({len(damages) - 1} more are damaged or missing.)" if len(damages) > 1 else ""
        raise DamagedFileError(f"{damages[0]}{more}")


def find_damages(home: Home, files: Sequence[ExpectedFile]) -> list[Damage]:
    """Hash the files, on two threads, and tell which are damaged or missing, in the order given."""
    if sum(file.bytes or 0 for file in files) <= ALWAYS_HASHED_BYTES:
        return _compare(files)
    cache = (copy_folder() if on_store(home.path) else home.path) / VERIFIED_NAME
    verified = _read_cache(cache)
    unknown = [file for file in files if verified.get(str(file.path)) != [*_state(file.path), file.sha256]]
    states = {str(file.path): _state(file.path) for file in unknown}
    damages = _compare(unknown)
    damaged = {str(damage.expected.path) for damage in damages}
    good = {str(file.path): [*states[str(file.path)], file.sha256] for file in unknown if str(file.path) not in damaged}
    if good:
        _write_cache(cache, verified | good)
    return damages


def _compare(files: Sequence[ExpectedFile]) -> list[Damage]:
    """Each thread takes some files at a time: handing over one by one costs as much as hashing a small one."""
    parts = [files[start : start + FILES_AT_A_TIME] for start in range(0, len(files), FILES_AT_A_TIME)]
    with ThreadPoolExecutor(2) as threads:
        return [damage for damages in threads.map(_check, parts) for damage in damages]


def _check(files: Sequence[ExpectedFile]) -> list[Damage]:
    found = [sha256_of_file(file.path) if file.path.is_file() else None for file in files]
    return [Damage(file, sha256) for file, sha256 in zip(files, found, strict=True) if sha256 != file.sha256]


def _state(path: Path) -> list[int]:
    """Size, both times and inode: the change time cannot be set back by a program."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return []
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _read_cache(path: Path) -> dict[str, list[Any]]:
    """What was verified before; nothing if the file is absent or damaged, then all is hashed again."""
    try:
        content = read_json(path) if path.exists() else {}
    except (DamagedFileError, StorageError) as error:
        logger.warning("event=verified_cache_unreadable path=%s error=%s", path, error)
        return {}
    return content if isinstance(content, dict) else {}


def _write_cache(path: Path, verified: dict[str, list[Any]]) -> None:
    """Remember; a home that cannot be written is read all the same."""
    existing = {name: state for name, state in verified.items() if Path(name).exists()}
    try:
        write_json(path, existing)
    except StorageError as error:
        logger.warning("event=verified_cache_unwritable path=%s error=%s", path, error)
