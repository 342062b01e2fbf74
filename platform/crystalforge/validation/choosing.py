"""Which crystals are computed, and in what order: a query of the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from crystalforge.catalog.query import open_catalog
from crystalforge.crystals.elements import atomic_number
from crystalforge.crystals.rows import CRYSTAL_COLUMNS, batch_from_table
from crystalforge.errors import UsageError
from crystalforge.home import Home
from crystalforge.suggestions import did_you_mean
from crystalforge.validation.crystal import Crystal, crystals_of_batch
from crystalforge.validation.states import Structure

CANDIDATES_SQL = """
SELECT candidates.*, screened.energy_above_hull, screened.formation_energy_per_atom,
  (reduced_formula, space_group_number) IN (SELECT (reduced_formula, space_group_number) FROM materials) AS is_known
FROM candidates LEFT JOIN (
  SELECT source_id AS sample_id, min(energy_above_hull) AS energy_above_hull,
    arg_min(formation_energy_per_atom, energy_above_hull) AS formation_energy_per_atom
  FROM stabilities WHERE source IN ('candidates', 'samples') GROUP BY source_id
) AS screened USING (sample_id)
"""
"""Candidates with what the screening found: their lowest energy above a hull; and whether a real crystal has the same
formula in the same space group."""
IDENTIFIERS = {"candidates": "sample_id", "materials": "material_id"}
"""Tables to choose from, each with the column that names a row."""
SCREENED_AS = {"candidates": ["candidates", "samples"], "materials": ["materials"]}
"""Sources of screenings whose rows have the same names: a candidate may be screened as one of the raw samples too."""
SOURCES = {"candidates": f"(\n{CANDIDATES_SQL}\n)", "materials": "materials"}
DEFAULT_CONDITION = {"candidates": "NOT is_known", "materials": "true"}
DEFAULT_ORDER = {"candidates": "energy_above_hull NULLS LAST, min_contact_ratio DESC", "materials": "crystal_id"}
MAX_LIMIT = 1_000_000


RELAXED_SQL = """
SELECT source_id, relaxation_id, screening_id, potential, potential_version, lattice, species, frac_coords
FROM relaxations LEFT JOIN (
  SELECT relaxation_id, min(energy_above_hull) AS energy_above_hull FROM stabilities GROUP BY relaxation_id
) USING (relaxation_id)
WHERE list_contains($sources, source) AND status = 'converged' AND source_id IN (SELECT unnest($names))
QUALIFY row_number() OVER (PARTITION BY source_id ORDER BY energy_above_hull NULLS LAST, relaxation_id) = 1
"""
"""The relaxed cells of some crystals; where there are several, the one of lowest energy above hull."""


def choose_crystals(
    home: Home,
    *,
    table: str = "candidates",
    where: str | None = None,
    order_by: str | None = None,
    limit: int,
    structure: Structure = Structure.GENERATED,
) -> list[Crystal]:
    """The crystals that a query gives, best first.

    Args:
        home: the home.
        table: ``candidates`` (accepted, one row per crystal; with ``energy_above_hull``, ``formation_energy_per_atom``
            of the screening and ``is_known``) or ``materials`` (real crystals).
        where: SQL condition; None for candidates that are not known, and for all materials.
        order_by: SQL expressions, None for the lowest energy above hull first; ties are broken by the row's name, so
            that the same rows come again.
        limit: most crystals.
        structure: ``generated``: the cells as they are there; ``relaxed``: those that a screening relaxed, where it
            did. Each crystal says which it is.

    Raises:
        UsageError: no such table, or a limit below 1.
        QueryError: the condition or the order is refused or wrong.
    """
    if table not in IDENTIFIERS:
        nearest = did_you_mean(table, IDENTIFIERS)
        raise UsageError(f"--from {table!r}: expected one of {', '.join(IDENTIFIERS)}.{nearest}")
    if not 1 <= limit <= MAX_LIMIT:
        raise UsageError(f"--limit {limit}: expected 1 to {MAX_LIMIT:,}.")
    name = IDENTIFIERS[table]
    columns = ", ".join(("crystal_id", name, "reduced_formula", *CRYSTAL_COLUMNS))
    condition = where or DEFAULT_CONDITION[table]
    order = order_by or DEFAULT_ORDER[table]
    # The texts of the user are SQL on purpose; the catalog lets them read its tables and do nothing else.
    sql = f"SELECT {columns} FROM {SOURCES[table]} WHERE (\n{condition}\n) ORDER BY {order}\n, {name} LIMIT {limit}"  # noqa: S608
    with open_catalog(home) as catalog:
        crystals = _crystals(catalog.query(sql), name)
        if structure is Structure.GENERATED or not crystals:
            return crystals
        names = [crystal.origin[name] for crystal in crystals]
        found = catalog.query(RELAXED_SQL, {"sources": SCREENED_AS[table], "names": names})
    relaxed = {row["source_id"]: row for row in found.to_pylist()}
    return [_relaxed(crystal, relaxed.get(crystal.origin[name])) for crystal in crystals]


def _relaxed(crystal: Crystal, row: Mapping[str, Any] | None) -> Crystal:
    """The crystal in its relaxed cell; as it is where there is none."""
    if row is None:
        return crystal
    return replace(
        crystal,
        lattice=np.reshape(row["lattice"], (3, 3)),
        frac_coords=np.reshape(row["frac_coords"], (-1, 3)),
        atomic_numbers=atomic_number(row["species"]),
        structure=Structure.RELAXED,
        origin={**crystal.origin, **{key: row[key] for key in ("relaxation_id", "potential", "potential_version")}},
    )


def _crystals(rows: pa.Table, identifier: str) -> list[Crystal]:
    if not rows.num_rows:
        return []
    origins: list[dict[str, Any]] = [{identifier: name} for name in rows[identifier].to_pylist()]
    return crystals_of_batch(
        batch_from_table(rows), rows["crystal_id"].to_pylist(), rows["reduced_formula"].to_pylist(), origins
    )
