"""Cells that calculations ended in: those that DFT relaxed, or computed as they stood; from the attempts' results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from crystalforge.crystals.elements import symbols
from crystalforge.errors import DamagedFileError
from crystalforge.files import check_sha256, path_within, read_record
from crystalforge.home import Home
from crystalforge.validation.attempt import RESULT_FILE, RESULT_KEYS
from crystalforge.validation.claims import ATTEMPTS_FOLDER

CELL_COLUMNS = ("lattice", "species", "frac_coords")
KINDS = (pa.list_(pa.float64()), pa.list_(pa.string()), pa.list_(pa.float64()))
REPAIR = "Restore it: its calculation rests on it; `platform verify` lists what else is damaged."


def with_calculated_cells(home: Home, rows: pa.Table) -> pa.Table:
    """Rows of the table ``validations`` with the ``CELL_COLUMNS``: the final cell of each accepted attempt.

    Args:
        home: of the attempts.
        rows: n with ``attempt_id`` and ``result_sha256``.

    Raises:
        DamagedFileError: a result file is missing, or is not the one that the ledger learned from.
    """
    columns = zip(*_cells(home, rows), strict=True) if rows.num_rows else ((), (), ())
    for name, kind, values in zip(CELL_COLUMNS, KINDS, columns, strict=True):
        rows = rows.append_column(name, pa.array(list(values), kind))
    return rows.drop_columns(["result_sha256"])


def _cells(home: Home, rows: pa.Table) -> Iterator[tuple[list[float], list[str], list[float]]]:
    for attempt_id, sha256 in zip(rows["attempt_id"].to_pylist(), rows["result_sha256"].to_pylist(), strict=True):
        result = _result(home, attempt_id, sha256)
        lattice, frac_coords = (np.ravel(result[name]).tolist() for name in ("lattice", "frac_coords"))
        yield lattice, symbols(np.array(result["atomic_numbers"])).tolist(), frac_coords


def _result(home: Home, attempt_id: str, sha256: str) -> dict[str, Any]:
    path = path_within(home.validations, f"{ATTEMPTS_FOLDER}/{attempt_id}/{RESULT_FILE}", source=home.validations)
    check_sha256(path, sha256, REPAIR)
    result = read_record(path, RESULT_KEYS)["result"]
    if not isinstance(result, dict) or not {"lattice", "frac_coords", "atomic_numbers"} <= set(result):
        raise DamagedFileError(f"{path} is damaged: expected a result with its cell. {REPAIR}")
    return result
