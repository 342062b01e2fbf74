"""View ``crystals``: every candidate and every real crystal, with what screening and calculations said of it."""

from __future__ import annotations

import pyarrow as pa

from crystalforge.schemas.columns import (
    CELL_COLUMNS,
    LABEL,
    STRING,
    THREE_INTEGERS,
    THREE_SITES,
    THREE_STRINGS,
    column,
    composition_columns,
    table_schema,
)

CRYSTALS = table_schema(
    "crystals",
    1,
    [
        column("source", STRING, "candidates (drawn and accepted) or materials (real)"),
        column("source_id", STRING, "Its sample_id or material_id"),
        column("origin", LABEL, "Generation that drew it, or dataset that holds it"),
        column("crystal_id", STRING, "Hash of the canonical content: equal crystals share it"),
        column("space_group_number", pa.int16(), "Space group, 1 to 230"),
        column("hall_number", pa.int16(), "Hall number of the setting of cell and sites, 1 to 530"),
        column("elements", THREE_STRINGS, "Elements of the three representative sites, by electronegativity"),
        column("base_frac_coords", THREE_SITES, "Representative sites (fractional)"),
        column("wyckoff_letters", THREE_STRINGS, "Wyckoff letters of the sites"),
        column("multiplicities", THREE_INTEGERS, "Multiplicities in the conventional cell"),
        *CELL_COLUMNS,
        *composition_columns(nullable=False),
        column("anonymous_formula", STRING, "Reduced formula without its elements, as ABX3"),
        column(
            "formation_energy_per_atom",
            pa.float64(),
            "Formation energy (eV/atom), by what energy_from says",
            nullable=True,
        ),
        column(
            "energy_above_hull",
            pa.float64(),
            "Energy above hull (eV/atom), by what energy_from says; of several the lowest",
            nullable=True,
        ),
        column(
            "energy_from",
            STRING,
            "Of candidates potential and reference of the screening, of materials their dataset",
            nullable=True,
        ),
        column(
            "systems_without_reference",
            STRING,
            "Systems of its elements in which the hull has no compound: it may lie too high; none: null",
            nullable=True,
        ),
        column("is_known", pa.bool_(), "Whether a real crystal has the same reduced formula in the same space group"),
        column("validation_state", STRING, "State in the queue of calculations; null: not in it", nullable=True),
        column("computed_energy_above_hull", pa.float64(), "Energy above hull, calculated (eV/atom)", nullable=True),
        column("computed_by", STRING, "Recipe and engine of that calculation", nullable=True),
    ],
)
