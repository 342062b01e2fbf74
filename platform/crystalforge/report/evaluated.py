"""What ``platform evaluate`` found of this generation: its figures and its occurrences; empty where it never ran."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from crystalforge.errors import DamagedFileError
from crystalforge.files import storage_errors
from crystalforge.home import EVALUATION_FILE, OCCURRENCES_FILE
from crystalforge.report.context import ReportContext
from crystalforge.schemas import EVALUATIONS, OCCURRENCES
from crystalforge.schemas.versions import conform


def evaluated_figures(context: ReportContext) -> list[dict[str, Any]]:
    """Rows of schema ``evaluations`` where all space groups are pooled, in the order of the file."""
    rows = _rows(context, EVALUATION_FILE, EVALUATIONS)
    return [row for row in rows if row["space_group_number"] is None]


def occurrences(context: ReportContext, kind: str) -> list[dict[str, Any]]:
    """Rows of schema ``occurrences`` of one kind: template or element."""
    return [row for row in _rows(context, OCCURRENCES_FILE, OCCURRENCES) if row["kind"] == kind]


def _rows(context: ReportContext, name: str, schema: pa.Schema) -> list[dict[str, Any]]:
    path = context.generation.folder / name
    return _read(path, schema, context.generation_id) if path.is_file() else []


def _read(path: Path, schema: pa.Schema, generation_id: str) -> list[dict[str, Any]]:
    try:
        with storage_errors(path):
            table = pq.read_table(path)
    except pa.ArrowException as error:
        raise DamagedFileError(
            f"{path} is damaged: expected a Parquet file ({error}). Run `platform evaluate {generation_id}` again."
        ) from error
    rows: list[dict[str, Any]] = conform(table, schema, path).to_pylist()
    return rows
