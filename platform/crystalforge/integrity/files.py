"""One table's file against its record: there, the same bytes, the schema, the number of rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from crystalforge.errors import CrystalforgeError, DamagedFileError, SchemaVersionError
from crystalforge.integrity.findings import Kind, Report
from crystalforge.schemas.versions import name_of, readable_version
from crystalforge.table_files import read_table


def check_table(
    report: Report, path: Path, record: Mapping[str, Any], schema: pa.Schema, *, repair: str, shard: str = ""
) -> pa.Table | None:
    """Read a table's file and note what is wrong with it.

    Args:
        report: takes the findings.
        path: the file.
        record: its ``sha256``, ``rows``, ``bytes`` and ``schema``, the last two where known.
        schema: newest schema of the table.
        repair: command that makes the file again.
        shard: its name, where it can be made again from its seed.

    Returns:
        the rows in the newest schema; None where there is something wrong.
    """
    if not path.is_file():
        report.add(Kind.MISSING, path, f"Expected sha256 {record['sha256'][:12]}…, found no file. {repair}", shard)
        return None
    try:
        readable_version(record.get("schema") or f"{name_of(schema)}/1", schema, path)
        table = read_table(path, str(record["sha256"]), schema, repair=repair)
    except SchemaVersionError as error:
        report.add(Kind.SCHEMA, path, str(error))
        return None
    except CrystalforgeError as error:
        damaged = isinstance(error, DamagedFileError) and "sha256" in str(error)
        report.add(Kind.DAMAGED if damaged else Kind.SCHEMA, path, str(error), shard)
        return None
    expected = {key: record[key] for key in ("rows", "bytes") if record.get(key) is not None}
    found = {"rows": table.num_rows, "bytes": path.stat().st_size}
    wrong = [f"{key}: expected {value}, found {found[key]}" for key, value in expected.items() if value != found[key]]
    if wrong:
        report.add(Kind.ROWS, path, f"The record does not fit its file; {', '.join(wrong)}. {repair}", shard)
        return None
    report.counts.update(found)
    return table
