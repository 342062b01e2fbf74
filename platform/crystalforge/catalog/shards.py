"""Shards and their manifest: a Parquet file written whole, then the manifest line that commits it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from crystalforge.errors import DamagedFileError
from crystalforge.files import append_line, read_lines, storage_errors, write_bytes

MANIFEST_NAME = "manifest.jsonl"
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

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> ShardRecord:
        """Take the four keys of a manifest line; a line may have more."""
        return cls(**{key: line[key] for key in REQUIRED_KEYS})


def write_shard(folder: Path, relative_name: str, table: pa.Table) -> ShardRecord:
    """Write a table as one Parquet file, atomically, with a checksum on every page.

    The checksum is taken of the bytes in memory, so that what the disk did to them is seen later. Equal tables give
    equal bytes. The shard counts only when its record stands in the manifest.

    Args:
        folder: folder of the manifest.
        relative_name: such as ``space_group_number=225/shard-00017.parquet``.
        table: the rows.

    Raises:
        StorageError: the file could not be written; nothing is left under its name.
        DamagedFileError: the name leads out of the folder.
    """
    path = path_within(folder, relative_name, source=folder)
    buffer = pa.BufferOutputStream()
    leaves = _repeating_leaves(table.schema)
    pq.write_table(table, buffer, compression="zstd", use_dictionary=leaves, write_page_checksum=True)
    content = buffer.getvalue().to_pybytes()
    write_bytes(path, content)
    return ShardRecord(relative_name, table.num_rows, hashlib.sha256(content).hexdigest(), len(content))


def _repeating_leaves(schema: pa.Schema) -> list[str]:
    """Parquet paths that a dictionary makes smaller and faster to write: all but fractions and plain text."""
    leaves = []
    for field in schema:
        path, kind = field.name, field.type
        while pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
            path, kind = f"{path}.list.element", kind.value_type
        if not (pa.types.is_floating(kind) or pa.types.is_string(field.type)):
            leaves.append(path)
    return leaves


def read_shard(folder: Path, record: ShardRecord, *, repair: str = "") -> pa.Table:
    """Read a shard after comparing the very bytes that are read with the record.

    Args:
        folder: folder of the manifest.
        record: what the manifest says of it.
        repair: sentence that tells how to make the shard again; ends the error's message.

    Raises:
        DamagedFileError: it is missing, or its bytes are not the recorded ones.
    """
    path = path_within(folder, record.file, source=folder / MANIFEST_NAME)
    if not path.is_file():
        raise DamagedFileError(f"{path} is missing: expected sha256 {record.sha256[:12]}…. {repair}".rstrip())
    with storage_errors(path):
        content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != record.sha256:
        raise DamagedFileError(
            f"{path} is damaged: sha256 {record.sha256[:12]}… in the manifest, {found[:12]}… on disk. {repair}".rstrip()
        )
    return pq.read_table(pa.BufferReader(content), page_checksum_verification=True)


def path_within(folder: Path, relative_name: str, *, source: Path) -> Path:
    """Absolute path of a name that a manifest gives, refused if it leads out of the folder.

    Args:
        folder: folder that must hold the file.
        relative_name: the name.
        source: file or folder that gave the name, for the message.

    Raises:
        DamagedFileError: the name is absolute, climbs, or goes through a link to elsewhere.
    """
    root = folder.resolve()
    name = PurePosixPath(relative_name)
    path = root / name
    if name.is_absolute() or ".." in name.parts or not path.resolve().is_relative_to(root) or path.is_symlink():
        raise DamagedFileError(
            f"{source} names the file {relative_name!r}: expected a plain file inside {root}. "
            "The manifest was changed or a link was put in; restore the folder from where it came."
        )
    return path


@dataclass(frozen=True)
class ShardManifest:
    """The list of committed shards of a folder: one JSON line each in ``manifest.jsonl``."""

    folder: Path

    @property
    def path(self) -> Path:
        """The manifest's file."""
        return self.folder / MANIFEST_NAME

    def append(self, record: Mapping[str, Any]) -> None:
        """Commit a shard: ``file``, ``rows``, ``sha256``, ``bytes`` and what else is known of it."""
        missing = [key for key in REQUIRED_KEYS if key not in record]
        if missing:
            raise ValueError(f"A manifest line needs {', '.join(REQUIRED_KEYS)}; {', '.join(missing)} missing.")
        append_line(self.path, dict(record))

    def records(self) -> list[dict[str, Any]]:
        """Committed shards in the order of their first commit; of two lines for one file, the later holds.

        Raises:
            DamagedFileError: a line does not parse, lacks a key or names a file outside the folder.
        """
        latest: dict[str, dict[str, Any]] = {}
        for number, line in enumerate(read_lines(self.path), start=1):
            if not isinstance(line, dict) or any(key not in line for key in REQUIRED_KEYS):
                raise DamagedFileError(
                    f"{self.path} line {number} is damaged: expected the keys {', '.join(REQUIRED_KEYS)}."
                )
            path_within(self.folder, str(line["file"]), source=self.path)
            latest[line["file"]] = line
        return list(latest.values())
