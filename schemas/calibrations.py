"""Views that compare the screening with the calculations: crystal by crystal, and by space group."""

from __future__ import annotations

import pyarrow as pa

from crystalforge.schemas.columns import LABEL, STRING, column, table_schema

_BY = [
    column("recipe", LABEL, "Name of the calculation's recipe"),
    column("recipe_hash", LABEL, "Hash of what decides the calculation's energy"),
    column("potential", LABEL, "Potential of the screening"),
    column("potential_version", LABEL, "Version of its weights"),
    column("hull_reference", LABEL, "Name and correction of the hull's reference, the same for both"),
    column("source", LABEL, "Table of the crystals: candidates or materials"),
]
_SPACE_GROUP = "Space group asked for, 1 to 230"

CALIBRATION_PAIRS = table_schema(
    "calibration_pairs",
    1,
    [
        column("calculation_id", pa.int64(), "Calculation in the ledger"),
        column("crystal_id", STRING, "Hash of the canonical content of the crystal before relaxation"),
        column("formula", STRING, "Reduced formula"),
        *_BY,
        column("space_group_number", pa.int16(), _SPACE_GROUP, nullable=True),
        column("structure", LABEL, "Cell that was computed: generated or relaxed", nullable=True),
        column("screened_formation_energy_per_atom", pa.float64(), "Of the potential (eV/atom)", nullable=True),
        column("formation_energy_per_atom", pa.float64(), "Of the calculation (eV/atom)", nullable=True),
        column("screened_energy_above_hull", pa.float64(), "Of the potential (eV/atom)"),
        column("energy_above_hull", pa.float64(), "Of the calculation (eV/atom)"),
    ],
)

CALIBRATIONS = table_schema(
    "calibrations",
    1,
    [
        *_BY,
        column("space_group_number", pa.int16(), f"{_SPACE_GROUP}; null: all of them together", nullable=True),
        column("n", pa.int64(), "Crystals that were both screened and computed"),
        column("mean_error", pa.float64(), "Energy above hull, screened less computed (eV/atom)"),
        column("mean_absolute_error", pa.float64(), "Of the energy above hull (eV/atom)"),
        column("mean_absolute_error_of_median", pa.float64(), "Null: the computed median said of all (eV/atom)"),
        column("n_nearly_stable_screened", pa.int64(), "Within 0.1 eV/atom of the hull by the potential"),
        column("n_nearly_stable_computed", pa.int64(), "Within 0.1 eV/atom of the hull by the calculation"),
        column("rank_correlation", pa.float64(), "Spearman's, of energies above hull; null below 3", nullable=True),
        column("flattery", pa.float64(), "Nearly stable by the potential over those by calculation", nullable=True),
    ],
)
