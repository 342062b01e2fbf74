"""Which crystals are computed, and in what order: a query of the catalog."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from crystalforge.catalog.query import open_catalog
from crystalforge.crystals.rows import CRYSTAL_COLUMNS, batch_from_table
from crystalforge.errors import UsageError
from crystalforge.home import Home
from crystalforge.validation.crystal import Crystal, crystals_of_batch

IDENTIFIERS = {"candidates": "sample_id", "materials": "material_id"}
"""Tables to choose from, each with the column that names a row."""
DEFAULT_ORDER = {"candidates": "sample_id", "materials": "material_id"}
MAX_LIMIT = 1_000_000


def choose_crystals(
    home: Home, *, table: str = "candidates", where: str | None = None, order_by: str | None = None, limit: int
) -> list[Crystal]:
    """The crystals that a query gives, best first.

    Args:
        home: the home.
        table: ``candidates`` (accepted, one row per crystal) or ``materials`` (real crystals).
        where: SQL condition; None for all.
        order_by: SQL expressions; ties are broken by the row's name, so that the same rows come again.
        limit: most crystals.

    Raises:
        UsageError: no such table, or a limit below 1.
        QueryError: the condition or the order is refused or wrong.
    """
    if table not in IDENTIFIERS:
        raise UsageError(f"--from {table!r}: expected one of {', '.join(IDENTIFIERS)}.")
    if not 1 <= limit <= MAX_LIMIT:
        raise UsageError(f"--limit {limit}: expected 1 to {MAX_LIMIT:,}.")
    name = IDENTIFIERS[table]
    columns = ", ".join(("crystal_id", name, "reduced_formula", *CRYSTAL_COLUMNS))
    condition = f"\nWHERE (\n{where}\n)" if where else ""
    order = f"{order_by}\n, {name}" if order_by else DEFAULT_ORDER[table]
    # The texts of the user are SQL on purpose; the catalog lets them read its tables and do nothing else.
    sql = f"SELECT {columns} FROM {table}{condition}\nORDER BY {order}\nLIMIT {limit}"  # noqa: S608
    with open_catalog(home) as catalog:
        return _crystals(catalog.query(sql), name)


def _crystals(rows: pa.Table, identifier: str) -> list[Crystal]:
    if not rows.num_rows:
        return []
    origins: list[dict[str, Any]] = [{identifier: name} for name in rows[identifier].to_pylist()]
    return crystals_of_batch(
        batch_from_table(rows), rows["crystal_id"].to_pylist(), rows["reduced_formula"].to_pylist(), origins
    )
