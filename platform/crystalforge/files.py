"""Files that are whole or absent: atomic writes and checksums. Knows nothing of crystals.

A path may be one of an object store, where one PUT of the whole object takes the place of the rename.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from crystalforge.errors import DamagedFileError, StorageError
from crystalforge.object_store import on_store

logger = logging.getLogger(__name__)

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""Errors of the system that tell of a full disk or a quota."""
TEMPORARY_SUFFIX = ".partial"
FLUSHING_THREADS = 16


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into a ``StorageError`` that names the path and the free space."""
    try:
        yield
    except OSError as error:
        raise StorageError(_explain(path, error)) from error


def nearest_existing(path: Path) -> Path:
    """The path itself, or the first of its parents that exists."""
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())


def _explain(path: Path, error: OSError) -> str:
    if error.errno in NO_ROOM:
        free = shutil.disk_usage(nearest_existing(path)).free / 2**20
        return f"No space left to write {path}: {free:.1f} MiB free. Free some space and run the same command again."
    return f"Cannot use {path}: {error.strerror or error}. Check that the folder exists and is yours to write."


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name, flush it to disk, then rename it into place.

    A crash at any moment leaves the old file or the new one, never a part of it.

    Args:
        path: final name; its folder is made if it is missing.
        write: writes the whole content to the path that it is given.

    Raises:
        StorageError: the file could not be written; no temporary file is left behind.
    """
    if on_store(path):
        with tempfile.TemporaryDirectory() as folder:
            content = Path(folder) / path.name
            write(content)
            path.write_bytes(content.read_bytes())
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    with storage_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)  # a link of that name would lead the write elsewhere
            write(temporary)
            _flush(temporary)
            temporary.replace(path)
            _flush(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_folder_atomically(folder: Path, write: Callable[[Path], object], *, replace: bool = False) -> None:
    """Write a folder under a temporary name, flush all of its files to disk, then rename it into place.

    A crash leaves the whole folder or none, and perhaps a temporary one, which the next call for the same folder
    removes. With ``replace`` the old folder is moved aside before the new one is moved in: a crash between the two
    leaves both under temporary names, the old one as ``.NAME.PID.replaced``.

    Args:
        folder: final name; the folders above are made if they are missing.
        write: writes the whole content into the empty folder that it is given.
        replace: whether a folder of that name may be there.

    Raises:
        StorageError: it could not be written, or is there already; no temporary folder is left behind.
    """
    temporary, old = (folder.with_name(f".{folder.name}.{os.getpid()}{end}") for end in (TEMPORARY_SUFFIX, ".replaced"))
    with storage_errors(folder):
        _remove_folders_of_the_dead(folder)
        try:
            temporary.mkdir(parents=True)
            write(temporary)
            _flush_all(temporary)
            if replace and folder.exists():
                folder.rename(old)
            temporary.rename(folder)
            _flush(folder.parent)
            if old.exists():
                shutil.rmtree(old)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _remove_folders_of_the_dead(folder: Path) -> None:
    """Temporary folders of processes that were killed while they wrote this one."""
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*{TEMPORARY_SUFFIX}"):
        pid = left.name.removeprefix(f".{folder.name}.").removesuffix(TEMPORARY_SUFFIX)
        if pid.isdecimal() and not _is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()


def _flush_all(folder: Path) -> None:
    """In many threads: the disk's journal takes the flushes that wait for it together."""
    paths = [*folder.rglob("*"), folder]
    with ThreadPoolExecutor(FLUSHING_THREADS) as pool:
        for _ in pool.map(_flush, paths):
            pass


def remove_left_over(folder: Path) -> None:
    """Remove the temporary files that killed processes left below a folder.

    Raises:
        StorageError: one cannot be removed.
    """
    if on_store(folder):
        return  # an object that was not put wholly is not there
    with storage_errors(folder):
        for path in folder.rglob(f"*{TEMPORARY_SUFFIX}"):
            path.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""
    if on_store(path):
        path.write_bytes(content)
        return
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def write_json(path: Path, value: Any) -> None:
    """Write a value as readable JSON, atomically."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        StorageError: the file cannot be read.
        DamagedFileError: it is not JSON.
    """
    with storage_errors(path):
        content = path.read_bytes()
    try:
        return json.loads(content)
    except ValueError as error:
        raise DamagedFileError(
            f"{path} is damaged: expected JSON, got {len(content)} bytes that do not parse ({error})."
        ) from error


def read_record(path: Path, keys: Iterable[str]) -> dict[str, Any]:
    """Read a JSON object that has certain keys.

    Raises:
        StorageError: the file cannot be read.
        DamagedFileError: it is not JSON, no object, or lacks a key.
    """
    record = read_json(path)
    missing = sorted(set(keys) - set(record)) if isinstance(record, dict) else ["an object"]
    if missing:
        raise DamagedFileError(f"{path} is damaged: it lacks {', '.join(missing)}. Restore it or remove its folder.")
    return dict(record)


def append_line(path: Path, value: Any) -> None:
    """Append a value as one line of JSON and flush it to disk: the commit of whatever the line names.

    An object is read and put again with its new line: one process at a time may append to it.
    """
    if on_store(path):
        write_lines(path, [*read_lines(path), value])
        return
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_for_appending(path) as stream:
            _cut_torn_line(stream)
            stream.write((json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True) + "\n").encode())
            stream.flush()
            os.fsync(stream.fileno())


def open_for_appending(path: Path) -> BinaryIO:
    """Open a file to read and to append to; a link in its place is not followed, for it may lead out of the home.

    Raises:
        DamagedFileError: it is a link.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DamagedFileError(f"{path} is a link: expected a plain file. Remove the link.") from error
        raise
    return os.fdopen(descriptor, "a+b")


def path_within(folder: Path, relative_name: str, *, source: Path) -> Path:
    """Absolute path of a name that a record gives, refused if it leads out of the folder.

    Args:
        folder: folder that must hold the file.
        relative_name: the name.
        source: file or folder that gave the name, for the message.

    Raises:
        DamagedFileError: the name is absolute, climbs, or goes through a link.
    """
    return PathsWithin(folder, source)(relative_name)


class PathsWithin:
    """``path_within`` for many names: each folder that they go through is resolved once."""

    def __init__(self, folder: Path, source: Path) -> None:
        self._root = folder.resolve()  # a store has no links: there a name can only climb
        self._source = source
        self._plain_folders = {self._root}

    def __call__(self, relative_name: str) -> Path:
        """As ``path_within``."""
        name = PurePosixPath(relative_name)
        path = self._root / name
        if name.is_absolute() or not name.parts or ".." in name.parts or "\0" in relative_name or self._is_linked(path):
            raise DamagedFileError(
                f"{self._source} names the file {relative_name!r}: expected a plain file inside {self._root}. "
                "The record was changed or a link was put in; restore the folder from where it came."
            )
        return path

    def _is_linked(self, path: Path) -> bool:
        folder = path.parent
        try:
            if folder not in self._plain_folders and folder.resolve() == folder:
                self._plain_folders.add(folder)
            return folder not in self._plain_folders or path.is_symlink()
        except (OSError, RuntimeError):  # a name longer than any file has, a circle of links
            return True


def _cut_torn_line(stream: BinaryIO) -> None:
    """Cut a last line that a crash or a full disk left unfinished, which the next line would join."""
    size = stream.seek(0, os.SEEK_END)
    if size == 0:
        return
    stream.seek(size - 1)
    if stream.read(1) != b"\n":
        stream.seek(0)
        stream.truncate(stream.read().rfind(b"\n") + 1)


def write_lines(path: Path, values: Iterable[Any]) -> None:
    """Write a whole file of JSON lines, atomically."""
    lines = (json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True) + "\n" for value in values)
    write_bytes(path, "".join(lines).encode())


def read_lines(path: Path, damaged: Callable[[str], object] | None = None) -> list[Any]:
    """Read a file of JSON lines; a last line cut short by a crash is left out, as it was never committed.

    Args:
        path: the file; an absent one has no lines.
        damaged: told of each line that does not parse, which is then left out; None makes it an error.

    Raises:
        DamagedFileError: a line before the last does not parse.
    """
    if not on_store(path) and not path.exists():
        return []
    with storage_errors(path):
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:  # of a store, which is asked once
            return []
    values = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            values.append(json.loads(line))
        except ValueError as error:
            message = f"{path} line {number} is damaged: expected JSON ({error})."
            if damaged is None:
                raise DamagedFileError(message) from error
            damaged(message)
    return values


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's content, as 64 hex digits."""
    if on_store(path):
        with storage_errors(path):
            return hashlib.sha256(path.read_bytes()).hexdigest()
    with storage_errors(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint(value: Any, digits: int = 10) -> str:
    """Short hash of any JSON value, the same whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def check_sha256(path: Path, expected: str, repair: str) -> None:
    """Compare a file with the checksum that was noted when it was written.

    Raises:
        DamagedFileError: it is missing or differs; the message ends with ``repair``.
    """
    if not path.is_file():
        raise DamagedFileError(f"{path} is missing: expected a file with sha256 {expected[:12]}…. {repair}")
    found = sha256_of_file(path)
    if found != expected:
        raise DamagedFileError(f"{path} is damaged: expected sha256 {expected[:12]}…, found {found[:12]}…. {repair}")


def utc_now() -> str:
    """The time, UTC, to the microsecond, as ISO 8601: such texts sort by time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
