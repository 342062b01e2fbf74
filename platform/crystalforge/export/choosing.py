"""Which crystals leave: an SQL condition on a table of the catalog, and the crystals of its rows.

A table has rows of crystals in one of three ways: with representative sites (``candidates``, ``samples``,
``materials``, ``crystals``), as a screening relaxed them (``relaxations``, ``stabilities``, ``discoveries``), or as a
calculation left them (``validations``). Crystals of the first kind can also be taken as a screening relaxed them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from crystalforge.catalog.query import DEFAULT_TIME_LIMIT_S, Catalog
from crystalforge.crystals.rows import batch_from_table
from crystalforge.errors import UsageError
from crystalforge.export.calculated import with_calculated_cells
from crystalforge.export.relaxed import RELAXED_COLUMNS, relaxed_crystals
from crystalforge.export.symmetrised import SymmetrisedCrystal, symmetrised_crystals
from crystalforge.home import Home
from crystalforge.suggestions import did_you_mean
from crystalforge.validation.choosing import CANDIDATES_SQL, MAX_LIMIT, RELAXED_SQL, SCREENED_AS
from crystalforge.validation.states import Structure

MAX_ROWS = MAX_LIMIT


_LOWEST = """
SELECT relaxation_id, min(energy_above_hull) AS energy_above_hull,
  arg_min(formation_energy_per_atom, energy_above_hull) AS formation_energy_per_atom,
  arg_min(reference, energy_above_hull) AS reference
FROM stabilities GROUP BY relaxation_id
"""
_RELAXATIONS = f"(SELECT * FROM relaxations LEFT JOIN ({_LOWEST}) USING (relaxation_id))"  # noqa: S608 (a text of ours)
_CALCULATED = """(
SELECT * FROM validations
LEFT JOIN (SELECT attempt_id, result_sha256 FROM attempts) USING (attempt_id)
LEFT JOIN (
  SELECT crystal_id, source, source_id, origin FROM crystals
  QUALIFY row_number() OVER (PARTITION BY crystal_id ORDER BY source, origin, source_id) = 1
) USING (crystal_id)
)"""
_JUDGED = "(SELECT judged.*, lattice, species, frac_coords FROM {table} judged JOIN relaxations USING (relaxation_id))"


@dataclass(frozen=True)
class SourceTable:
    """A table that crystals can be taken from."""

    sql: str
    """What stands after FROM."""
    identifier: str
    """Column that names a row."""
    order: str
    """Order where none is asked for, the best first."""
    is_crystal: str
    """Condition that a row has a crystal."""
    without_crystal: str
    """Why a row has none."""
    is_relaxed: bool = False
    """Whether its crystals are relaxed ones."""
    is_calculated: bool = False
    """Whether these are of calculations, whose result files hold them."""


_PLACED = ("base_frac_coords IS NOT NULL", "rejected: its sites have no place")
_KEPT = ("status = 'converged'", "not converged: its relaxation has no final cell")
_BY_ENERGY = "energy_above_hull NULLS LAST"
TABLES = {
    "candidates": SourceTable(f"({CANDIDATES_SQL})", "sample_id", _BY_ENERGY, *_PLACED),
    "samples": SourceTable("samples", "sample_id", "sample_id", *_PLACED),
    "materials": SourceTable("materials", "material_id", _BY_ENERGY, *_PLACED),
    "crystals": SourceTable("crystals", "source_id", _BY_ENERGY, *_PLACED),
    "relaxations": SourceTable(_RELAXATIONS, "relaxation_id", _BY_ENERGY, *_KEPT, True),
    "stabilities": SourceTable(
        _JUDGED.format(table="stabilities"), "relaxation_id", _BY_ENERGY, "lattice IS NOT NULL", _KEPT[1], True
    ),
    "discoveries": SourceTable(
        _JUDGED.format(table="discoveries"), "relaxation_id", _BY_ENERGY, "is_converged", _KEPT[1], True
    ),
    "validations": SourceTable(
        _CALCULATED,
        "attempt_id",
        _BY_ENERGY,
        "result_sha256 IS NOT NULL AND element IS NULL",
        "not computed to the end, or the reference of an element",
        is_relaxed=True,
        is_calculated=True,
    ),
}
"""By name."""
SCREENED = SCREENED_AS | {
    "samples": SCREENED_AS["candidates"],
    "crystals": [*SCREENED_AS["candidates"], *SCREENED_AS["materials"]],
}
"""Sources of screenings whose rows have the same names as those of a table."""
_IS_SCREENED = """{identifier} IN (
  SELECT source_id FROM relaxations WHERE status = 'converged' AND list_contains($sources, source)
)"""


@dataclass(frozen=True)
class CrystalQuery:
    """Which crystals, in what order; the defaults are all candidates, the lowest energy above hull first."""

    table: str = "candidates"
    """One of ``TABLES``."""
    where: str | None = None
    """SQL condition on the rows; None for all."""
    order_by: str | None = None
    """SQL expressions; None for the lowest energy above hull first. Ties are broken by the row's name."""
    limit: int | None = None
    """Most crystals; None for all."""
    structure: Structure | None = None
    """Which cell: generated, or relaxed by a screening (of several the one of lowest energy above hull); None for the
    one that the table has."""

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: no such table, a limit below 1, or generated cells asked of relaxed crystals.
        """
        if self.table not in TABLES:
            meant = did_you_mean(self.table, TABLES)
            raise UsageError(f"--table {self.table!r}: expected one of {', '.join(TABLES)}.{meant}")
        if self.limit is not None and not 1 <= self.limit <= MAX_ROWS:
            raise UsageError(f"--limit {self.limit}: expected 1 to {MAX_ROWS:,}.")
        if self.structure is Structure.REFERENCE:
            raise UsageError("--structure reference: expected generated or relaxed; elements have no rows here.")
        if self.structure is Structure.GENERATED and self.source.is_relaxed:
            raise UsageError(
                f"--structure generated of {self.table}: its crystals are as a screening or a calculation left them. "
                "Take the generated from --table candidates, samples or materials."
            )

    @property
    def source(self) -> SourceTable:
        """The table."""
        return TABLES[self.table]

    @property
    def is_relaxed(self) -> bool:
        """Whether the crystals are those that a screening or a calculation left."""
        return self.source.is_relaxed or self.structure is Structure.RELAXED

    @property
    def fits(self) -> str:
        """SQL condition that the user asked for."""
        return f"(\n{self.where}\n)" if self.where else "true"

    @property
    def has_crystal(self) -> str:
        """SQL condition that a row has the crystal that is asked for."""
        conditions = [self.source.is_crystal]
        if self.structure is Structure.RELAXED and not self.source.is_relaxed:
            conditions.append(_IS_SCREENED.format(identifier=self.source.identifier))
        return " AND ".join(conditions)

    def rows_sql(self, columns: Sequence[str] = ("*",)) -> str:
        """The SELECT of the chosen rows. The user's texts are SQL on purpose: the catalog is only read."""
        order, limit = self.order_by or self.source.order, "" if self.limit is None else f" LIMIT {self.limit}"
        return (
            f"SELECT {', '.join(columns)} FROM {self.source.sql} AS {self.table}\n"  # noqa: S608
            f"WHERE {self.fits} AND {self.has_crystal}\nORDER BY {order}\n, {self.source.identifier}{limit}"
        )

    def count_sql(self) -> str:
        """The SELECT that counts the chosen rows."""
        return f"SELECT count(*) AS n FROM (\n{self.rows_sql((self.source.identifier,))}\n)"  # noqa: S608

    def left_out_sql(self) -> str:
        """The SELECT that counts the rows that fit but have no such crystal."""
        return (
            f"SELECT count(*) AS n FROM {self.source.sql} AS {self.table}\n"  # noqa: S608
            f"WHERE {self.fits} AND NOT coalesce({self.has_crystal}, false)"
        )

    def parameters(self) -> dict[str, Any]:
        """Values of the parameters of both."""
        return {"sources": SCREENED[self.table]} if "$sources" in self.has_crystal else {}


@dataclass(frozen=True)
class ChosenCrystals:
    """Crystals with the rows that they are of, best first.

    Attributes:
        query: what was asked.
        rows: n rows, all columns of the table; with those of ``RELAXED_COLUMNS`` where relaxed cells were asked for.
        crystals: n.
        left_out: reason → rows that fit the condition and are not here; the limit is no reason.
    """

    query: CrystalQuery
    rows: pa.Table
    crystals: list[SymmetrisedCrystal]
    left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.crystals)

    @property
    def identifiers(self) -> list[str]:
        """The name of each row: its sample_id, material_id, relaxation_id or attempt_id."""
        names: list[str] = self.rows[self.query.source.identifier].to_pylist()
        return names


def read_crystals(
    catalog: Catalog,
    query: CrystalQuery | None = None,
    *,
    home: Home | None = None,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
) -> ChosenCrystals:
    """The crystals that a query of the catalog gives.

    Args:
        catalog: an open one (``catalog.query.open_catalog``).
        query: None for all candidates.
        home: of the catalog; the table ``validations`` needs it, as the cells are in the attempts' files.
        time_limit_s: of each statement.

    Raises:
        UsageError: no such table, a limit below 1, or a home is needed.
        QueryError: the condition or the order is refused or wrong.
        DamagedFileError: the file of a calculation is damaged.
    """
    query = query or CrystalQuery()
    query.check()
    rows = catalog.query(query.rows_sql(), query.parameters(), time_limit_s).combine_chunks()
    if query.source.is_calculated:
        if home is None:
            raise UsageError("read_crystals of validations: expected home=, for the cells are in the attempts' files.")
        rows = with_calculated_cells(home, rows)
    elif query.structure is Structure.RELAXED and not query.source.is_relaxed:
        rows = _with_relaxed_cells(catalog, query, rows, time_limit_s)
    crystals = relaxed_crystals(rows) if query.is_relaxed else list(symmetrised_crystals(batch_from_table(rows)))
    return ChosenCrystals(query, rows, crystals, rows_left_out(catalog, query, time_limit_s))


def rows_left_out(catalog: Catalog, query: CrystalQuery, time_limit_s: float) -> dict[str, int]:
    """Reason → rows that fit the condition and have no such crystal; empty where there are none."""
    count = catalog.query(query.left_out_sql(), query.parameters(), time_limit_s)["n"][0].as_py()
    is_unscreened = query.structure is Structure.RELAXED and not query.source.is_relaxed
    reason = "no screening relaxed it to the end" if is_unscreened else query.source.without_crystal
    return {reason: count} if count else {}


def _with_relaxed_cells(catalog: Catalog, query: CrystalQuery, rows: pa.Table, time_limit_s: float) -> pa.Table:
    """The rows with the ``RELAXED_COLUMNS`` of their relaxed cells."""
    names = rows[query.source.identifier].to_pylist()
    found = catalog.query(RELAXED_SQL, {"sources": SCREENED[query.table], "names": names}, time_limit_s)
    place = {name: position for position, name in enumerate(found["source_id"].to_pylist())}
    ordered = found.take(pa.array([place[name] for name in names], pa.int64()))
    for name in RELAXED_COLUMNS:
        rows = rows.append_column(name, ordered[name])
    return rows
