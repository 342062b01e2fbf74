"""Parquet files of our tables, the one way in which any of them is written and read.

A file is written whole, with a checksum on each page, and its SHA-256 goes into the record that commits it. It is read
by comparing the very bytes that are read with that record, and comes back in the newest schema of its table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from crystalforge.errors import DamagedFileError
from crystalforge.files import storage_errors, write_bytes
from crystalforge.schemas.versions import conform, schema_label


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
    pq.write_table(
        table,
        buffer,
        compression="zstd",
        compression_level=compression_level,
        use_dictionary=use_dictionary,
        write_page_checksum=True,
    )
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
    if not path.is_file():
        raise DamagedFileError(f"{path} is missing: expected sha256 {sha256[:12]}…. {repair}".rstrip())
    with storage_errors(path):
        content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DamagedFileError(
            f"{path} is damaged: sha256 {sha256[:12]}… in the manifest, {found[:12]}… on disk. {repair}".rstrip()
        )
    try:
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise DamagedFileError(f"{path} is damaged: expected Parquet ({error}). {repair}".rstrip()) from error
    return table if schema is None else conform(table, schema, path)
