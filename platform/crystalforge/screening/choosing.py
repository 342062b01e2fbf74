"""Which crystals are screened: a query of the catalog, or a null drawn anew, frozen as a table of inputs."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from crystalforge.catalog.query import open_catalog
from crystalforge.crystals.rows import CRYSTAL_COLUMNS
from crystalforge.errors import UsageError
from crystalforge.evaluation.nulls import NULLS
from crystalforge.home import Home
from crystalforge.screening.null_inputs import null_inputs
from crystalforge.suggestions import did_you_mean

IDENTIFIERS = {"candidates": "sample_id", "samples": "sample_id", "materials": "material_id"}
"""Tables to choose from, each with the column that names a row."""
SOURCES = (*IDENTIFIERS, *NULLS)
RAW_SOURCES = ("samples", *NULLS)
"""Those that hold every sample as it was drawn, rejected ones too: shares of the samples drawn can be told of them."""
INPUT_COLUMNS = ("source_id", "crystal_id", "formula", "chemical_system", *CRYSTAL_COLUMNS)
DRAWN_COLUMNS = ("generation_id", "reject_reason")
"""Further columns of the raw sources."""


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
    """The crystals to relax: ``INPUT_COLUMNS``, and of raw sources the ``DRAWN_COLUMNS``.

    Args:
        home: the home.
        source: ``candidates`` (accepted, one row per crystal), ``samples`` (all that were drawn, rejected or not),
            ``materials`` (real crystals), or a null, which is drawn for the space groups of the samples that the same
            generation, limit and seed give.
        generations: only candidates of these; of samples and nulls exactly one.
        where: SQL condition; None for all.
        order_by: SQL expressions; None draws at random, the same for the same seed.
        limit: most crystals.
        seed: of the random order, and of a null.

    Raises:
        UsageError: no such source, a limit below 1, no crystal fits, or what does not go with a raw source.
        QueryError: the condition or the order is refused or wrong.
    """
    if source not in SOURCES:
        raise UsageError(f"--source {source!r}: expected one of {', '.join(SOURCES)}.{did_you_mean(source, SOURCES)}")
    if limit < 1:
        raise UsageError(f"--limit {limit}: expected at least 1 crystal.")
    if source in RAW_SOURCES:
        _check_raw(source, generations, where, order_by)
    if source in NULLS:
        numbers = choose_inputs(home, source="samples", generations=generations, limit=limit, seed=seed)
        return null_inputs(home, source, str(numbers["generation_id"][0]), numbers["space_group_number"], seed)
    name = IDENTIFIERS[source]
    further = DRAWN_COLUMNS if source in RAW_SOURCES else ()
    columns = ", ".join((f"{name} AS source_id", *INPUT_COLUMNS[1:], *further))
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


def _check_raw(source: str, generations: Sequence[str] | None, where: str | None, order_by: str | None) -> None:
    if generations is None or len(generations) != 1:
        raise UsageError(f"--source {source} is drawn for one generation: name it by --generation.")
    if where or order_by:
        raise UsageError(
            f"--source {source} is a random draw of which shares are told: --where and --order-by would choose. "
            "Use --source candidates to choose."
        )
