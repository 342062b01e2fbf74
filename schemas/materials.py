"""Tables of a dataset: ``materials`` (curated crystals) and ``exclusions`` (inputs left out, with the reason)."""

from __future__ import annotations

import pyarrow as pa

from crystalforge.schemas.columns import LABEL, STRING, WHOLE_CRYSTAL, column, table_schema

MATERIALS = table_schema(
    "materials",
    1,
    [
        column("material_id", STRING, "Identifier in the source"),
        column("dataset_id", LABEL, "Dataset that holds the crystal"),
        *WHOLE_CRYSTAL,
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
