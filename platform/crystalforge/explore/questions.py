"""Filters as SQL: once with bound values, to be run, and once with the values in it, to be copied."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crystalforge.catalog.tables import sql_text
from crystalforge.explore.filters import BEST_OF_EACH, Condition, Filters

LISTED = (
    "formula",
    "space_group_number",
    "n_atoms_primitive",
    "energy_above_hull",
    "computed_energy_above_hull",
    "formation_energy_per_atom",
    "volume_per_atom",
    "density",
    "min_contact_ratio",
    "is_known",
    "anonymous_formula",
    "wyckoff_letters",
    "elements",
    "systems_without_reference",
    "energy_from",
    "validation_state",
    "source",
    "source_id",
    "origin",
    "crystal_id",
)
"""Columns of a row of the list."""
SORTABLE = LISTED[:11]
FAR = 2_000
"""Offset from which the rows are found first and their columns read then: passing over whole rows takes longer."""
TIE_BREAK = ("source_id", "origin")
"""Names a row, so that the same rows come again on every page."""


@dataclass(frozen=True)
class Question:
    """A statement to be run."""

    sql: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """Which of the fitting rows, in what order."""

    sort: str = "energy_above_hull"
    descending: bool = False
    limit: int = 50
    offset: int = 0

    @property
    def order(self) -> str:
        """What stands after ORDER BY; crystals without the value come last either way."""
        direction = " DESC" if self.descending else ""
        return ", ".join((f"{self.sort}{direction} NULLS LAST", *TIE_BREAK))

    @property
    def sql(self) -> str:
        """What stands after WHERE."""
        offset = f" OFFSET {self.offset}" if self.offset else ""
        return f"ORDER BY {self.order}\nLIMIT {self.limit}{offset}"


def rows_question(filters: Filters, page: Page, columns: tuple[str, ...] = LISTED) -> Question:
    """The rows of a page, of a catalog that keeps ``crystals`` as a table."""
    if page.offset < FAR or filters.one_of_each:
        return _question(filters, ", ".join(columns), page.sql)
    inner = _question(filters, "rowid", page.sql)
    sql = f"SELECT {', '.join(columns)}\nFROM crystals\nWHERE rowid IN (\n{inner.sql}\n)\nORDER BY {page.order}"
    return Question(sql, inner.values)


def count_question(filters: Filters) -> Question:
    """How many rows fit: ``n``."""
    return _question(filters, "count(*) AS n")


def facet_question(filters: Filters, value: str) -> Question:
    """How many rows fit for each value of an expression: ``value`` and ``n``, the most frequent first."""
    inner = _question(filters, f"{value} AS value")
    # `value` may be an UNNEST, by which nothing can be grouped directly.
    sql = f"SELECT value, count(*) AS n FROM (\n{inner.sql}\n) GROUP BY value ORDER BY n DESC, value"  # noqa: S608
    return Question(sql, inner.values)


def named_question(source: str, origin: str | None, source_id: str) -> Question:
    """The row of one crystal."""
    values = {"source": source, "source_id": source_id, "origin": origin}
    return Question(
        "SELECT * FROM crystals\n"
        "WHERE source = $source AND source_id = $source_id AND ($origin IS NULL OR origin = $origin)\n"
        "ORDER BY origin LIMIT 1",
        values,
    )


def copied_sql(filters: Filters, page: Page, columns: tuple[str, ...] = (*LISTED[:10], "source_id")) -> str:
    """The statement of a page with the values in it, for ``platform sql``."""
    conditions = [_with_values(condition) for condition in filters.conditions()]
    return _statement(", ".join(columns), filters, conditions, page.sql)


def sql_command(sql: str, home: Path) -> str:
    """The command that runs a statement."""
    return f"platform sql {shlex.quote(sql)} --home {shlex.quote(str(home))}"


def export_command(filters: Filters, page: Page, home: Path) -> str:
    """The command that writes every crystal that fits into files."""
    conditions = [_with_values(condition) for condition in filters.conditions()]
    where = _fits(conditions, filters.where)
    if filters.one_of_each:
        where = f"(source_id, origin) IN (\n{_statement('(source_id, origin)', filters, conditions)}\n)"
    order = page.order
    return (
        f"platform export --table crystals --where {shlex.quote(where)} --order-by {shlex.quote(order)} "
        f"--home {shlex.quote(str(home))}"
    )


def _question(filters: Filters, columns: str, tail: str = "") -> Question:
    conditions = filters.conditions()
    values = {name: value for condition in conditions for name, value in condition.values.items()}
    return Question(_statement(columns, filters, [condition.sql for condition in conditions], tail), values)


def _statement(columns: str, filters: Filters, conditions: list[str], tail: str = "") -> str:
    rows = f"FROM crystals\nWHERE {_fits(conditions, filters.where)}"
    if filters.one_of_each:  # a window cannot stand beside a count
        rows = f"FROM (\n  SELECT *\n  {rows}\n  QUALIFY {BEST_OF_EACH}\n)"
    return f"SELECT {columns}\n{rows}\n{tail}".rstrip()


def _fits(conditions: list[str], where: str | None) -> str:
    """All of the conditions; what the user typed stands on lines of its own, so that a comment in it ends there."""
    typed = [f"(\n{where}\n)"] if where else []
    return "\n  AND ".join([*conditions, *typed])


def _with_values(condition: Condition) -> str:
    return re.sub(r"\$(\w+)", lambda match: sql_literal(condition.values[match[1]]), condition.sql)


def sql_literal(value: Any) -> str:
    """A text, number or list as SQL has it."""
    if isinstance(value, list):
        return "[" + ", ".join(sql_literal(one) for one in value) + "]"
    return sql_text(value) if isinstance(value, str) else repr(value)
