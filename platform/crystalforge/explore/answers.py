"""What each address of the API answers, as plain values for JSON."""

from __future__ import annotations

import shlex
import time
from typing import Any

from crystalforge import __version__
from crystalforge.catalog.inventory import take_inventory
from crystalforge.catalog.lineage import trace_in
from crystalforge.catalog.tables import TABLES, columns
from crystalforge.crystals.elements import SYMBOLS
from crystalforge.errors import UsageError
from crystalforge.explore.filters import Filters
from crystalforge.explore.live_catalog import LiveCatalog
from crystalforge.explore.questions import (
    SORTABLE,
    Page,
    Question,
    copied_sql,
    count_question,
    export_command,
    facet_question,
    named_question,
    rows_question,
    sql_command,
)
from crystalforge.symmetry import space_group
from crystalforge.viewer import crystal_scene
from crystalforge.viewer.periodic_table import element_position

FACETS = {
    "elements": ("unnest(list_distinct(elements))", None),
    "space_groups": ("space_group_number", "space_groups"),
    "formulas": ("anonymous_formula", "formula"),
    "energies": (
        "CASE WHEN energy_above_hull IS NOT NULL"
        " THEN floor(least(greatest(energy_above_hull, -0.5), 0.999999) / 0.05)::INTEGER END",
        "max_energy_above_hull",
    ),
}
"""Name → the expression whose values are counted, and the filter that does not narrow them: its own."""
TOTALS = Question(
    "SELECT source, count(*) AS crystals, count(energy_above_hull) AS screened, "
    "count(computed_energy_above_hull) AS computed, count(*) FILTER (NOT is_known) AS new FROM crystals GROUP BY source"
)
RELAXED = """
SELECT relaxation_id, source, potential, potential_version, lattice, species, frac_coords, energy_per_atom,
       volume_per_atom, volume_change, rmsd, space_group_after, space_group_after_loose, symmetry_broken
FROM relaxations
LEFT JOIN (
  SELECT relaxation_id, min(energy_above_hull) AS energy_above_hull
  FROM stabilities WHERE crystal_id = $crystal_id GROUP BY ALL
) USING (relaxation_id)
WHERE crystal_id = $crystal_id AND status = 'converged'
ORDER BY energy_above_hull NULLS LAST, relaxation_id LIMIT 1
"""
JUDGED = "SELECT * FROM stabilities WHERE crystal_id = $crystal_id ORDER BY energy_above_hull NULLS LAST, relaxation_id"
COMPUTED = "SELECT * FROM validations WHERE crystal_id = $crystal_id ORDER BY calculation_id"


def home_answer(catalog: LiveCatalog) -> dict[str, Any]:
    """What the page needs once: totals, origins, elements, space groups, columns. Takes a new snapshot if need be."""
    catalog.refresh()
    inventory = take_inventory(catalog.home)
    numbers = catalog.ask(Question("SELECT DISTINCT space_group_number AS n FROM crystals ORDER BY n"))
    return state_answer(catalog) | {
        "version": __version__,
        "home": str(catalog.home.path),
        "totals": {row["source"]: row for row in catalog.ask(TOTALS)},
        "origins": {
            "candidates": [generation.generation_id for generation in inventory.generations],
            "materials": [dataset.dataset_id for dataset in inventory.datasets],
        },
        "space_groups": {row["n"]: space_group(row["n"]).international_symbol for row in numbers},
        "elements": [
            {"symbol": symbol, "number": number, "row": row, "column": column}
            for number, symbol in enumerate(SYMBOLS[1:], start=1)
            for row, column in (element_position(number),)
        ],
        "columns": {one.name: {"unit": one.unit, "about": one.comment} for one in columns(TABLES["crystals"])},
        "sortable": list(SORTABLE),
    }


def state_answer(catalog: LiveCatalog) -> dict[str, Any]:
    """Number of the snapshot, whether rows were committed since, and why a newer one could not be taken."""
    return {"snapshot": catalog.number, "changed": catalog.has_changed(), "problem": catalog.problem}


def list_answer(catalog: LiveCatalog, filters: Filters, page: Page) -> dict[str, Any]:
    """A page of rows, how many there are in all, and the SQL that gives them."""
    start = time.perf_counter()
    total = catalog.ask(count_question(filters))[0]["n"]
    rows = catalog.ask(rows_question(filters, page)) if page.offset < total else []
    sql = copied_sql(filters, page)
    return {
        "snapshot": catalog.number,
        "total": total,
        "offset": page.offset,
        "rows": rows,
        "sql": sql,
        "command": sql_command(sql, catalog.home.path),
        "export": export_command(filters, page, catalog.home.path),
        "seconds": round(time.perf_counter() - start, 4),
    }


def facets_answer(catalog: LiveCatalog, filters: Filters) -> dict[str, Any]:
    """Counts by element, space group, anonymous formula and energy (bins of 0.05 eV/atom from -0.5 to 1)."""
    answer: dict[str, Any] = {"snapshot": catalog.number}
    for name, (value, own) in FACETS.items():
        asked = filters.without_filter(own) if own else filters
        answer[name] = [
            [row["value"], row["n"]] for row in catalog.ask(facet_question(asked, value)) if row["value"] is not None
        ]
    return answer


def crystal_answer(catalog: LiveCatalog, name: dict[str, str | None]) -> dict[str, Any]:
    """One crystal: its row, how it is drawn, and what screening and calculations said.

    Raises:
        UsageError: there is none of that name.
    """
    row = find_row(catalog, name)
    crystal = {"crystal_id": row["crystal_id"]}
    relaxed = next(iter(catalog.ask(Question(RELAXED, crystal))), None)
    scene = crystal_scene(row, relaxed)
    geometry = ("lattice", "species", "frac_coords")
    return {
        "snapshot": catalog.number,
        "row": row,
        "symbol": space_group(row["space_group_number"]).international_symbol,
        "scene": scene,
        "relaxation": {key: value for key, value in relaxed.items() if key not in geometry} if relaxed else None,
        "stabilities": catalog.ask(Question(JUDGED, crystal)),
        "validations": catalog.ask(Question(COMPUTED, crystal)),
        "python": _python(catalog, row),
    }


def lineage_answer(catalog: LiveCatalog, name: dict[str, str | None]) -> dict[str, Any]:
    """Where a crystal comes from: samples, seeds, models, recipe, dataset; nearest real crystals; later steps."""
    row = find_row(catalog, name)
    known = trace_in(catalog, catalog.home, row["source_id"]).to_dict()
    command = f"platform show {shlex.quote(row['source_id'])} --home {shlex.quote(str(catalog.home.path))}"
    return {"snapshot": catalog.number, "command": command} | known


def find_row(catalog: LiveCatalog, name: dict[str, str | None]) -> dict[str, Any]:
    """The row of ``crystals`` of that name.

    Raises:
        UsageError: there is none.
    """
    source, source_id = str(name["source"]), str(name["source_id"])
    rows = catalog.ask(named_question(source, name["origin"], source_id))
    if not rows:
        raise UsageError(f"No crystal {source_id[:80]!r} among the {source}: expected the source_id of a row.")
    return rows[0]


def _python(catalog: LiveCatalog, row: dict[str, Any]) -> str:
    """Code that makes a pymatgen ``Structure`` of a row."""
    sql = "SELECT * FROM crystals WHERE source = $source AND source_id = $id"
    values = {"source": row["source"], "id": row["source_id"]}
    return (
        "from crystalforge.catalog.query import open_catalog\n"
        "from crystalforge.crystals import to_structure\n"
        "from crystalforge.home import Home\n\n"
        f"with open_catalog(Home.locate({str(catalog.home.path)!r})) as catalog:\n"
        f"    row = catalog.query({sql!r}, {values!r}).to_pylist()[0]\n"
        "structure = to_structure(row)\n"
    )
