"""The ledger as Parquet, so that SQL sees the queue while it runs, without a lock on it.

Each export writes files under new names and then replaces ``export.json``, which names them with their checksums: a
reader has the old export or the new one. Files of earlier exports stay a while, for those who read them.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from crystalforge.files import open_for_appending, read_json, storage_errors, utc_now, write_bytes, write_json
from crystalforge.home import VALIDATIONS_EXPORT
from crystalforge.schemas.attempts import ATTEMPTS, VALIDATIONS
from crystalforge.table_files import encode_table
from crystalforge.validation.ledger import Ledger

TABLES_FOLDER = "tables"
KEPT_S = 600.0
"""How long files of earlier exports stay (s)."""
TIMES = ("intended_at", "started_at", "finished_at", "enqueued_at", "changed_at")

_ATTEMPTS_SQL = """
SELECT a.*, a.energy_ev AS energy, c.crystal_id, c.recipe_hash, r.engine
FROM attempts a JOIN calculations c USING (calculation_id) JOIN recipes r USING (recipe_hash) ORDER BY a.token
"""
_VALIDATIONS_SQL = """
SELECT c.*, r.name AS recipe, r.engine, a.attempt_id, a.energy_ev / a.n_atoms AS energy_per_atom, a.n_atoms, a.wall_s,
  a.cpu_s
FROM calculations c JOIN recipes r USING (recipe_hash)
LEFT JOIN attempts a ON a.calculation_id = c.calculation_id AND a.state = 'accepted'
ORDER BY c.calculation_id
"""
EXPORTS = {"attempts": (ATTEMPTS, _ATTEMPTS_SQL), "validations": (VALIDATIONS, _VALIDATIONS_SQL)}


def export_ledger(ledger: Ledger) -> None:
    """Write both tables as they are now.

    Raises:
        StorageError: they could not be written; the earlier export stays.
    """
    with _alone(ledger.folder):
        tables: dict[str, dict[str, Any]] = {}
        for name in EXPORTS:
            content, file = encode_table(table_of(ledger, name))
            relative = f"{TABLES_FOLDER}/{name}-{file.sha256[:16]}.parquet"
            path = ledger.folder / relative
            if not path.is_file():
                write_bytes(path, content)
            tables[name] = {"file": relative, **asdict(file)}
        write_json(ledger.folder / VALIDATIONS_EXPORT, {"exported_at": utc_now(), "tables": tables})
        _forget_old(ledger.folder, {table["file"] for table in tables.values()})


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One export at a time, so that a later one never gives way to an earlier one."""
    path = folder / ".export.lock"
    with storage_errors(path), open_for_appending(path) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def table_of(ledger: Ledger, name: str) -> pa.Table:
    """One of ``EXPORTS`` as the ledger is now."""
    schema, sql = EXPORTS[name]
    rows = ledger.rows(sql)
    columns = [_column(field, [row[field.name] for row in rows]) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _column(field: pa.Field, values: Sequence[Any]) -> pa.Array:
    if field.name in TIMES:
        values = [None if value is None else _iso(value) for value in values]
    if pa.types.is_boolean(field.type):
        values = [bool(value) for value in values]
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    return pa.array(values, kind).cast(field.type)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def _forget_old(folder: Path, current: set[str]) -> None:
    with storage_errors(folder):
        for path in (folder / TABLES_FOLDER).iterdir():
            old = time.time() - path.stat().st_mtime > KEPT_S
            if old and f"{TABLES_FOLDER}/{path.name}" not in current:
                path.unlink(missing_ok=True)


def exported(folder: Path) -> dict[str, Any]:
    """What ``export.json`` says; empty before the first export."""
    path = folder / VALIDATIONS_EXPORT
    return dict(read_json(path)) if path.is_file() else {}
