"""Shards and their manifest: a Parquet file written whole, then the manifest line that commits it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from crystalforge.catalog.bundles import is_bundle, is_sound_bundle
from crystalforge.catalog.manifest_lines import (
    Remembered,
    put_line,
    read_all_lines,
    replace_lines,
    sum_up,
    take_in_lines,
)
from crystalforge.errors import DamagedFileError
from crystalforge.files import PathsWithin, append_line, path_within, sha256_of_file, storage_errors, write_bytes
from crystalforge.local_disk import network_kind
from crystalforge.object_store import StorePath, on_store, store_path
from crystalforge.table_files import encode_table, read_table

__all__ = [
    "MANIFEST_NAME",
    "ShardManifest",
    "ShardRecord",
    "encode_shard",
    "path_within",
    "read_shard",
    "repeating_leaves",
    "write_shard",
]

logger = logging.getLogger(__name__)

Read = TypeVar("Read")

MANIFEST_NAME = "manifest.jsonl"
REPLACED_PATTERN = ".replaced-*.jsonl"
"""Manifests that a compaction replaced; gone when what only they name is."""
REQUIRED_KEYS = ("file", "rows", "sha256", "bytes")


@dataclass(frozen=True)
class ShardRecord:
    """What a manifest line says of a shard's file."""

    file: str
    """Path relative to the folder of the manifest, with forward slashes."""
    rows: int
    sha256: str
    """Of the whole file, 64 hex digits."""
    bytes: int
    schema: str = ""
    """Name and version, as ``samples/1``; lines of the first version do not have it."""

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> ShardRecord:
        """Take these keys of a manifest line; a line may have more."""
        return cls(**{key: line[key] for key in REQUIRED_KEYS}, schema=line.get("schema", ""))


def encode_shard(relative_name: str, table: pa.Table) -> tuple[bytes, ShardRecord]:
    """The bytes that a shard's file has, and its record. Equal tables give equal bytes."""
    content, file = encode_table(table, use_dictionary=repeating_leaves(table.schema))
    return content, ShardRecord(relative_name, **vars(file))


def write_shard(folder: Path, relative_name: str, table: pa.Table) -> ShardRecord:
    """Write a table as one Parquet file, atomically, with a checksum on every page.

    The checksum is taken of the bytes in memory, so that what the disk did to them is seen later. The shard counts only
    when its record stands in the manifest.

    Args:
        folder: folder of the manifest.
        relative_name: such as ``space_group_number=225/shard-00017.parquet``.
        table: the rows.

    Raises:
        StorageError: the file could not be written; nothing is left under its name.
        DamagedFileError: the name leads out of the folder.
    """
    path = path_within(folder, relative_name, source=folder)
    content, record = encode_shard(relative_name, table)
    write_bytes(path, content)
    return record


def repeating_leaves(schema: pa.Schema) -> list[str]:
    """Parquet paths that a dictionary makes smaller and faster to write: all but fractions and plain text."""
    leaves = []
    for field in schema:
        path, kind = field.name, field.type
        while pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
            path, kind = f"{path}.list.element", kind.value_type
        if not (pa.types.is_floating(kind) or pa.types.is_string(field.type)):
            leaves.append(path)
    return leaves


def read_shard(folder: Path, record: ShardRecord, schema: pa.Schema | None = None, *, repair: str = "") -> pa.Table:
    """Read a shard after comparing the very bytes that are read with the record.

    Args:
        folder: folder of the manifest.
        record: what the manifest says of it.
        schema: newest schema of its table, in which the rows come back; None leaves them as the file has them.
        repair: sentence that tells how to make the shard again; ends the error's message.

    Raises:
        DamagedFileError: it is missing, or its bytes are not the recorded ones, or they are not the table's.
        SchemaVersionError: it is of a later version of the schema.
    """
    path = path_within(folder, record.file, source=folder / MANIFEST_NAME)
    return read_table(path, record.sha256, schema, repair=repair)


@dataclass(frozen=True)
class ShardManifest:
    """The list of committed shards of a folder: one JSON line each, as ``manifest_lines`` keeps them.

    A line stands for a shard, or for a bundle of shards (``catalog.bundles``).
    """

    folder: Path
    name: str = MANIFEST_NAME

    @property
    def path(self) -> Path:
        """The manifest's file."""
        return self.folder / self.name

    def append(self, record: Mapping[str, Any]) -> None:
        """Commit a shard: ``file``, ``rows``, ``sha256``, ``bytes`` and what else is known of it."""
        missing = [key for key in REQUIRED_KEYS if key not in record]
        if missing:
            raise ValueError(f"A manifest line needs {', '.join(REQUIRED_KEYS)}; {', '.join(missing)} missing.")
        if self._appends:
            take_in_lines(self.path)
            append_line(self.path, dict(record))
        else:
            put_line(self.folder, dict(record), self._remembered)

    def sum_up(self) -> None:
        """Bring lines that are objects of their own into the manifest's file: the last act of who made them."""
        if not self._appends:
            sum_up(self.path, self._remembered)

    @cached_property
    def _remembered(self) -> Remembered:
        return {}

    @cached_property
    def _appends(self) -> bool:
        """Whether lines are appended to one file, which only a disk of this machine does safely."""
        return network_kind(self.folder) is None

    def records(self) -> list[dict[str, Any]]:
        """Committed shards in the order of their first commit; of two lines for one file, the later holds.

        Raises:
            DamagedFileError: a line does not parse, lacks a key or names a file outside the folder.
        """
        return [line for _, line in self.files()]

    def files(self) -> list[tuple[Path, dict[str, Any]]]:
        """As ``records``, each with the absolute path of its file."""
        latest: dict[str, tuple[Path, dict[str, Any]]] = {}
        within = PathsWithin(self.folder, self.path)
        for number, line in enumerate(read_all_lines(self._plain_path(), self._remembered), start=1):
            path = self._checked(within, number, line)
            latest[line["file"]] = path, line
        return list(latest.values())

    @contextlib.contextmanager
    def held(self, read: Callable[[], Read]) -> Iterator[Read]:
        """Read the manifest; what it names stays on disk until the ``with`` ends, whatever is compacted meanwhile.

        The manifest itself is locked, shared: whoever puts another in its place asks for the lock of the old one before
        removing what only that one names. A reader needs no right to write.

        Args:
            read: ``files``, ``records`` or ``sound_records`` of this manifest.
        """
        if on_store(self.folder):  # nothing is compacted there
            yield read()
            return
        with contextlib.ExitStack() as stack:
            while True:
                before = stack.enter_context(_locked(self.path))
                content = read()
                if before == _identity(self.path):
                    break
                stack.close()
            yield content

    def sound_records(self) -> tuple[list[dict[str, Any]], list[str]]:
        """As ``records``, and what is wrong with each line that cannot be used, in place of an error."""
        latest: dict[str, dict[str, Any]] = {}
        wrong: list[str] = []
        within = PathsWithin(self.folder, self.path)
        for number, line in enumerate(read_all_lines(self._plain_path(), self._remembered, wrong.append), start=1):
            try:
                self._checked(within, number, line)
            except DamagedFileError as error:
                wrong.append(str(error))
            else:
                latest[line["file"]] = line
        return list(latest.values()), wrong

    def has_whole(self, line: Mapping[str, Any], *, otherwise: str) -> bool:
        """Whether a line's file has the bytes that the line says; if not, a warning says so and what follows.

        Of a store only the sizes are compared, of a thousand files by one request: it keeps checksums itself, and to
        read all bytes is for ``platform verify``.
        """
        path = self.folder / line["file"]
        if on_store(path):
            whole = self._size_on_store(path) == line["bytes"]
        else:
            whole = path.is_file() and sha256_of_file(path) == line["sha256"]
        if whole:
            return True
        logger.warning("event=shard_damaged file=%s: %s", path, otherwise)
        return False

    def rewrite(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Put these lines in place of all, atomically: only a repair does so, which holds the folder."""
        replace_lines(self.path, list(records))

    def _size_on_store(self, path: Path) -> int | None:
        if path.parent not in self._listed:
            self._listed[path.parent] = {
                each: status.st_size for each, status in store_path(path.parent).listed().items()
            }
        return self._listed[path.parent].get(store_path(path))

    @cached_property
    def _listed(self) -> dict[Path, dict[StorePath, int]]:
        """Sizes (bytes) of what lies in the folders of a store, as they were when they were first asked for."""
        return {}

    def replaced(self) -> list[ShardManifest]:
        """Manifests that were replaced by a compaction and whose files may still be there, oldest first."""
        return [ShardManifest(self.folder, path.name) for path in sorted(self.folder.glob(REPLACED_PATTERN))]

    def replace(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Put these lines in place of all, atomically, and keep the manifest that they replace under another name.

        It is the same file as before, so that readers that hold it are still seen.
        """
        take_in_lines(self.path)
        numbers = [int(old.name.split("-")[1].split(".")[0]) for old in self.replaced()]
        old = self.folder / f".replaced-{max(numbers, default=0) + 1:05d}.jsonl"
        with storage_errors(old):
            old.hardlink_to(self.path)
        self.rewrite(records)

    def is_read(self) -> bool:
        """Whether somebody holds this manifest."""
        with storage_errors(self.path), self.path.open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _plain_path(self) -> Path:
        return path_within(self.folder, self.name, source=self.folder)

    def _checked(self, within: PathsWithin, number: int, line: Any) -> Path:
        """Path of the file that a line names."""
        if not isinstance(line, dict) or any(
            not isinstance(line.get(key), kind) or isinstance(line.get(key), bool)
            for key, kind in zip(REQUIRED_KEYS, (str, int, str, int), strict=True)
        ):
            raise DamagedFileError(
                f"{self.path} line {number} is damaged: expected the keys {', '.join(REQUIRED_KEYS)}. "
                "Run `platform verify --repair`."
            )
        if is_bundle(line) and not is_sound_bundle(line):
            raise DamagedFileError(
                f"{self.path} line {number} is damaged: expected space_group_number and, for each shard of the bundle "
                "in ascending order, number, rows, accepted and sha256, with the rows of the whole. "
                "Run `platform verify --repair`."
            )
        return within(line["file"])


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[tuple[int, int] | None]:
    """Hold a file by a shared lock, read-only; gives which file it was, None where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # absent, or a link: what reads it next says so
        yield _identity(path)
        return
    try:
        with contextlib.suppress(OSError):  # a file system without locks: then nothing on it is compacted either
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        status = os.fstat(descriptor)
        yield status.st_dev, status.st_ino
    finally:
        os.close(descriptor)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
