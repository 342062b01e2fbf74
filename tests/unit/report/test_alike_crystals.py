"""Of crystals that are alike the best is shown, and the others are counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from conftest import Reported
from small_catalog import plain_row
from small_screening import add_screening

from crystalforge.catalog.query import Catalog, open_catalog
from crystalforge.crystals.elements import symbols
from crystalforge.crystals.primitive import primitive_cells
from crystalforge.crystals.rows import batch_from_table
from crystalforge.home import Home
from crystalforge.report.alike import first_different
from crystalforge.schemas.crystals import CRYSTALS

# A perovskite, the same a little larger, another of its elements, one of its formula that is no perovskite.
PEROVSKITE = {
    "crystal_id": "perovskite",
    "space_group_number": 221,
    "elements": ["Sr", "Ti", "O"],
    "base_frac_coords": [[0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [0.0, 0.0, 0.5]],
    "wyckoff_letters": ["b", "a", "d"],
    "multiplicities": [1, 1, 3],
    "reduced_formula": "SrTiO3",
    **dict.fromkeys("abc", 3.9),
    **dict.fromkeys(("alpha", "beta", "gamma"), 90.0),
}
LARGER = PEROVSKITE | {"crystal_id": "larger", **dict.fromkeys("abc", 4.0)}
OTHER = PEROVSKITE | {"crystal_id": "other", "elements": ["Ba", "Ti", "O"], "reduced_formula": "BaTiO3"}
INVERSE = PEROVSKITE | {
    "crystal_id": "inverse",
    "wyckoff_letters": ["b", "a", "c"],
    "base_frac_coords": [[0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [0.0, 0.5, 0.5]],
}


def table_of(*crystals: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([plain_row(CRYSTALS, **crystal) for crystal in crystals], schema=CRYSTALS)


@pytest.fixture
def catalog(reported: Reported) -> Iterator[Catalog]:
    with open_catalog(reported.home) as opened:
        yield opened


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["crystal_id"] for row in rows]


def test_the_best_of_those_alike_is_kept_and_the_others_are_counted(catalog: Catalog) -> None:
    table = table_of(PEROVSKITE, LARGER, OTHER, INVERSE, PEROVSKITE | {"crystal_id": "again"})
    found = first_different(catalog, table, 5)
    assert names(found.rows) == ["perovskite", "other", "inverse"]
    assert (found.alike, found.looked_at) == ([2, 0, 0], 5)


def test_no_more_are_looked_at_than_are_wanted(catalog: Catalog) -> None:
    found = first_different(catalog, table_of(PEROVSKITE, LARGER, OTHER, INVERSE), 1)
    assert (names(found.rows), found.alike, found.looked_at) == (["perovskite"], [1], 2)
    assert first_different(catalog, table_of(), 3).rows == []


def test_what_relaxed_into_one_crystal_is_one(tmp_path: Any) -> None:
    """As generated they differ; a screening left both as the perovskite."""
    home = Home.locate(tmp_path)
    (_, cell), *_ = primitive_cells(batch_from_table(table_of(PEROVSKITE)))
    relaxed = {
        "lattice": cell.lattice.reshape(-1).tolist(),
        "species": symbols(cell.atomic_numbers).tolist(),
        "frac_coords": cell.frac_coords.reshape(-1).tolist(),
    }
    add_screening(home, "s", [{"source_id": "x", "crystal_id": "inverse", **relaxed}])
    with open_catalog(home) as catalog:
        found = first_different(catalog, table_of(INVERSE, PEROVSKITE), 5)
    assert (names(found.rows), found.alike) == (["inverse"], [1])
