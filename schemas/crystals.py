"""View ``crystals``: every candidate and every real crystal, with what screening and calculations said of it."""

from __future__ import annotations

import pyarrow as pa

from crystalforge.schemas.columns import LABEL, STRING, WHOLE_CRYSTAL, column, table_schema

CRYSTALS = table_schema(
    "crystals",
    1,
    [
        column("source", STRING, "candidates (drawn and accepted) or materials (real)"),
        column("source_id", STRING, "Its sample_id or material_id"),
        column("origin", LABEL, "Generation that drew it, or dataset that holds it"),
        *WHOLE_CRYSTAL,
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
