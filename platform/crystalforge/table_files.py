"""Parquet files of our tables, the one way in which any of them is written and read.

A file is written whole, with a checksum on each page, and its SHA-256 goes into the record that commits it. It is read
by comparing the very bytes that are read with that record, and comes back in the newest schema of its table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crystalforge.errors import DamagedFileError
from crystalforge.files import storage_errors, write_atomically, write_bytes
from crystalforge.schemas.versions import conform, schema_label

WRITING: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
"""How every file is written."""


@dataclass(frozen=True)
class TableFile:
    """What the record of a file says of it."""

    rows: int
    sha256: str
    """Of the whole file, 64 hex digits."""
    bytes: int
    schema: str
    """Name and version, as ``samples/1``."""


def encode_table(
    table: pa.Table, *, compression_level: int | None = None, use_dictionary: bool | Sequence[str] = True
) -> tuple[bytes, TableFile]:
    """The bytes of a table's Parquet file, and what its record will say. Equal tables give equal bytes.

    Args:
        table: the rows; its schema names table and version.
        compression_level: of Zstandard; None for its default.
        use_dictionary: Parquet paths of the columns that get a dictionary, or whether all do.
    """
    buffer = pa.BufferOutputStream()
    options = WRITING | {"compression_level": compression_level, "use_dictionary": use_dictionary}
    pq.write_table(table, buffer, **options)
    content = buffer.getvalue().to_pybytes()
    digest = hashlib.sha256(content).hexdigest()
    return content, TableFile(table.num_rows, digest, len(content), schema_label(table.schema))


def write_table(path: Path, table: pa.Table, *, compression_level: int | None = None) -> TableFile:
    """Write a table as one file, atomically.

    The checksum is taken of the bytes in memory, so that what the disk did to them is seen later.

    Raises:
        StorageError: it could not be written; nothing is left under its name.
    """
    content, file = encode_table(table, compression_level=compression_level)
    write_bytes(path, content)
    return file


def write_row_groups(
    path: Path, schema: pa.Schema, groups: Iterable[pa.Table], *, use_dictionary: bool | Sequence[str] = True
) -> TableFile:
    """Write tables one after another as the row groups of one file, atomically; no more than one is in memory.

    Args:
        path: final name.
        schema: of every table; names table and version.
        groups: the tables, none of them empty.
        use_dictionary: as of ``encode_table``.

    Raises:
        StorageError: it could not be written; nothing is left under its name.
    """
    rows, digest, size = 0, "", 0

    def write(temporary: Path) -> None:
        nonlocal rows, digest, size
        with temporary.open("wb") as stream:
            hashing = _Hashing(stream)
            with pq.ParquetWriter(
                pa.PythonFile(hashing, mode="w"), schema, use_dictionary=use_dictionary, **WRITING
            ) as writer:
                for group in groups:
                    writer.write_table(group.unify_dictionaries().combine_chunks(), row_group_size=group.num_rows)
                    rows += group.num_rows
        digest, size = hashing.sha256.hexdigest(), hashing.size

    write_atomically(path, write)
    return TableFile(rows, digest, size, schema_label(schema))


class _Hashing:
    """A file to write to, which takes the checksum of what is written before the disk has it."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.closed = False

    def write(self, content: bytes) -> int:
        self.sha256.update(content)
        self.size += len(content)
        return self.stream.write(content)

    def flush(self) -> None:
        self.stream.flush()

    def close(self) -> None:
        self.flush()
        self.closed = True


def read_table(path: Path, sha256: str, schema: pa.Schema | None = None, *, repair: str = "") -> pa.Table:
    """Read a file after comparing the very bytes that are read with its record.

    Args:
        path: the file.
        sha256: as the record has it.
        schema: newest schema of its table, in which the rows come back; None leaves them as the file has them.
        repair: sentence that tells how to make the file again; ends the error's message.

    Raises:
        DamagedFileError: it is missing, its bytes are not the recorded ones, or they are not the table's.
        SchemaVersionError: it is of a later version of the schema.
    """
    content = _read_compared(path, sha256, repair)
    try:
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise DamagedFileError(f"{path} is damaged: expected Parquet ({error}). {repair}".rstrip()) from error
    return table if schema is None else conform(table, schema, path)


def read_row_groups(path: Path, sha256: str, schema: pa.Schema, *, repair: str = "") -> Iterator[pa.Table]:
    """As ``read_table``, one row group after another: a large file takes its own size and a row group in memory.

    Raises:
        DamagedFileError: as ``read_table``; before the first rows where the bytes are not the recorded ones.
        SchemaVersionError: it is of a later version of the schema.
    """
    content = _read_compared(path, sha256, repair)
    try:
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            for number in range(file.num_row_groups):
                yield conform(file.read_row_group(number), schema, path)
    except (pa.ArrowException, OSError) as error:
        raise DamagedFileError(f"{path} is damaged: expected Parquet ({error}). {repair}".rstrip()) from error


def _read_compared(path: Path, sha256: str, repair: str) -> bytes:
    """Content of a file whose checksum is the recorded one."""
    if not path.is_file():
        raise DamagedFileError(f"{path} is missing: expected sha256 {sha256[:12]}…. {repair}".rstrip())
    with storage_errors(path):
        content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DamagedFileError(
            f"{path} is damaged: sha256 {sha256[:12]}… in the manifest, {found[:12]}… on disk. {repair}".rstrip()
        )
    return content


def same_rows(left: pa.Table, right: pa.Table) -> bool:
    """Whether two tables of one schema hold the same rows in the same order, to the bit: NaN equals NaN.

    Dictionaries and chunks are how rows are stored, so they do not count.
    """
    return left.num_rows == right.num_rows and all(
        all(one.equals(other) for one, other in zip(_leaves(left[name]), _leaves(right[name]), strict=True))
        for name in left.column_names
    )


def _leaves(column: pa.ChunkedArray) -> Iterator[pa.Array]:
    """What a column is made of: where it is null, how long its lists are, at last its values."""
    array = column.combine_chunks()
    while pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type):
        yield pc.list_value_length(array)
        array = array.flatten()
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    yield array.view(pa.int64()) if pa.types.is_float64(array.type) else array
