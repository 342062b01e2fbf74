"""Which crystals are screened: a query of the catalog, frozen as a table of inputs."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from crystalforge.catalog.query import open_catalog
from crystalforge.crystals.rows import CRYSTAL_COLUMNS
from crystalforge.errors import UsageError
from crystalforge.home import Home

IDENTIFIERS = {"candidates": "sample_id", "materials": "material_id"}
"""Tables to choose from, each with the column that names a row."""
INPUT_COLUMNS = ("source_id", "crystal_id", "formula", "chemical_system", *CRYSTAL_COLUMNS)


def choose_inputs(
    home: Home,
    *,
    source: str = "candidates",
    generations: Sequence[str] | None = None,
    where: str | None = None,
    order_by: str | None = None,
    limit: int,
    seed: int = 0,
) -> pa.Table:
    """The crystals that a query gives: ``INPUT_COLUMNS``.

    Args:
        home: the home.
        source: ``candidates`` (accepted, one row per crystal) or ``materials`` (real crystals).
        generations: only candidates of these.
        where: SQL condition; None for all.
        order_by: SQL expressions; None draws at random, the same for the same seed.
        limit: most crystals.
        seed: of the random order.

    Raises:
        UsageError: no such table, a limit below 1, or no crystal fits.
        QueryError: the condition or the order is refused or wrong.
    """
    if source not in IDENTIFIERS:
        raise UsageError(f"--source {source!r}: expected one of {', '.join(IDENTIFIERS)}.")
    if limit < 1:
        raise UsageError(f"--limit {limit}: expected at least 1 crystal.")
    name = IDENTIFIERS[source]
    columns = ", ".join((f"{name} AS source_id", *INPUT_COLUMNS[1:]))
    condition = f"\nWHERE (\n{where}\n)" if where else ""
    order = order_by or f"md5({name} || '{int(seed)}')"
    # The texts of the user are SQL on purpose; the catalog lets them read its tables and do nothing else.
    sql = f"SELECT {columns} FROM {source}{condition}\nORDER BY {order}\n, {name}\nLIMIT {int(limit)}"  # noqa: S608
    with open_catalog(home, generations=generations) as catalog:
        table = catalog.query(sql)
    if not table.num_rows:
        asked = f" WHERE {where}" if where else ""
        raise UsageError(f"No crystal in {source}{asked}: expected some to relax. Look with `platform sql`.")
    return table.combine_chunks()
