"""Crystals that are one and the same but for small differences: the best of them is shown, the others are counted.

Two samples rarely agree to the last digit; relaxed, they often fall into one crystal. They are compared as screenings
and evaluations compare crystals: by pymatgen's StructureMatcher, with those of their reduced formula, whatever the
space group; in the relaxed cell where there is one, else as generated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crystalforge.catalog.query import Queryable
from crystalforge.crystals.primitive import primitive_cells
from crystalforge.crystals.rows import batch_from_table
from crystalforge.evaluation.matching import reduced_structure
from crystalforge.screening.discoveries import KnownCrystals, relaxed_cell

if TYPE_CHECKING:
    from pymatgen.core import Structure

AT_ONCE = 100
"""Crystals whose cells are made together."""
RELAXED = """
SELECT crystal_id, lattice, species, frac_coords FROM relaxations LEFT JOIN (
  SELECT relaxation_id, min(energy_above_hull) AS energy_above_hull FROM stabilities GROUP BY relaxation_id
) USING (relaxation_id)
WHERE status = 'converged' AND crystal_id IN (SELECT unnest($crystals))
QUALIFY row_number() OVER (PARTITION BY crystal_id ORDER BY energy_above_hull NULLS LAST, relaxation_id) = 1
"""


@dataclass(frozen=True)
class Different:
    """Crystals of which no two are alike.

    Attributes:
        rows: of the view ``crystals``, best first.
        alike: of each row, how many of those looked at equal it and came after it.
        looked_at: rows that it took to find so many, from the best on.
    """

    rows: list[dict[str, Any]]
    alike: list[int]
    looked_at: int


def first_different(catalog: Queryable, table: pa.Table, wanted: int) -> Different:
    """The first crystals of a table of which no two are alike.

    Args:
        catalog: that has their relaxed cells.
        table: rows of the view ``crystals``, best first.
        wanted: how many to find at most.
    """
    seen = KnownCrystals()
    rows: list[dict[str, Any]] = []
    alike: Counter[str] = Counter()
    looked_at = 0
    for row, structure in _structures(catalog, table):
        formula, name = row["reduced_formula"], row["crystal_id"]
        equal = seen.find(formula, structure)
        if equal is None and len(rows) == wanted:
            break
        looked_at += 1
        if equal is None:
            rows.append(row)
            seen.by_formula[formula].append((name, structure))
        else:
            alike[equal] += 1
    return Different(rows, [alike[row["crystal_id"]] for row in rows], looked_at)


def _structures(catalog: Queryable, table: pa.Table) -> Iterator[tuple[dict[str, Any], Structure]]:
    """Each row with what it is compared by, in the order of the table."""
    for start in range(0, table.num_rows, AT_ONCE):
        some = table.slice(start, AT_ONCE).combine_chunks()
        found = catalog.query(RELAXED, {"crystals": some["crystal_id"].to_pylist()})
        relaxed = {row["crystal_id"]: relaxed_cell(row) for row in found.to_pylist()}
        cells = dict(primitive_cells(batch_from_table(some)))
        for index, row in enumerate(some.to_pylist()):
            yield row, reduced_structure(relaxed.get(row["crystal_id"], cells[index]))
