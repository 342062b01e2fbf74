"""Tables of a dataset: ``materials`` (curated crystals) and ``exclusions`` (inputs left out, with the reason)."""

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

MATERIALS = table_schema(
    "materials",
    1,
    [
        column("material_id", STRING, "Identifier in the source"),
        column("dataset_id", LABEL, "Dataset that holds the crystal"),
        column("crystal_id", STRING, "Hash of the canonical content: equal crystals share it"),
        column("space_group_number", pa.int16(), "Space group, 1 to 230"),
        column("hall_number", pa.int16(), "Hall number of the setting of cell and sites, 1 to 530"),
        column("elements", THREE_STRINGS, "Elements of the three representative sites, by electronegativity"),
        column("base_frac_coords", THREE_SITES, "Representative sites (fractional)"),
        column("wyckoff_letters", THREE_STRINGS, "Wyckoff letters of the sites"),
        column("multiplicities", THREE_INTEGERS, "Multiplicities in the conventional cell"),
        *CELL_COLUMNS,
        *composition_columns(nullable=False),
        column("formation_energy_per_atom", pa.float64(), "Formation energy (eV/atom), from the source", nullable=True),
        column("energy_above_hull", pa.float64(), "Energy above hull (eV/atom), from the source", nullable=True),
        column("band_gap", pa.float64(), "Band gap (eV), from the source", nullable=True),
    ],
)

EXCLUSIONS = table_schema(
    "exclusions",
    1,
    [
        column("input", STRING, "File, or file and row, or identifier in the source"),
        column("reason", LABEL, "Why it was left out"),
        column("detail", STRING, "What was expected and what came"),
    ],
)
