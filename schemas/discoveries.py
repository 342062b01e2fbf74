"""Of a screening of raw samples: ``discoveries`` (one row per sample drawn and hull) and ``funnel``, its counts."""

from __future__ import annotations

import pyarrow as pa

from crystalforge.schemas.columns import LABEL, STRING, column, table_schema
from crystalforge.schemas.relaxations import IDENTITY

GENERATION = column("generation_id", LABEL, "Generation that it was drawn from, or whose null it is")
REFERENCE = column("reference", LABEL, "Reference hull: name and first digits of its checksum")

DISCOVERIES = table_schema(
    "discoveries",
    1,
    [
        *IDENTITY[:-1],
        GENERATION,
        REFERENCE,
        column("status", LABEL, "As in relaxations"),
        column("is_accepted", pa.bool_(), "Whether the checks of the generation passed it"),
        column("is_converged", pa.bool_(), "Whether it was relaxed to the end"),
        column("is_judged", pa.bool_(), "Converged, and there is an energy above hull"),
        column("is_covered", pa.bool_(), "Judged, and the reference has a compound in every system of its elements"),
        column("energy_above_hull", pa.float64(), "Above, or below 0 under, the hull (eV/atom)", nullable=True),
        column("is_stable", pa.bool_(), "Judged, and the energy above hull is at most 0 eV/atom"),
        column("is_nearly_stable", pa.bool_(), "Judged, and the energy above hull is at most 0.1 eV/atom"),
        column("is_unique", pa.bool_(), "Converged, and the first of its kind among the relaxed crystals"),
        column("is_novel", pa.bool_(), "Converged, and no crystal of the dataset matches the relaxed crystal"),
        column("is_new_formula", pa.bool_(), "Converged; neither dataset nor reference has its reduced formula"),
        column("is_symmetric", pa.bool_(), "Converged, and not P1 after relaxation, at symprec 0.1 Å"),
        column("rmsd", pa.float64(), "Displacement of the atoms by the relaxation, if converged (Å)", nullable=True),
        column("equal_to", STRING, "relaxation_id of the first of its kind, where that is another", nullable=True),
        column("known_as", STRING, "material_id of a crystal of the dataset that it matches", nullable=True),
    ],
)

_HOLDS = {
    "n_stable": "at most 0 eV/atom above the hull",
    "n_nearly_stable": "at most 0.1 eV/atom above the hull",
    "n_sun": "S.U.N.: at most 0 eV/atom above the hull, unique and novel",
    "n_msun": "M.S.U.N.: at most 0.1 eV/atom above the hull, unique and novel",
    "n_ssun": "S.S.U.N.: S.U.N. and not P1",
    "n_mssun": "M.S.S.U.N.: M.S.U.N. and not P1",
}
"""Counts that are also told of the systems alone that the reference covers."""

FUNNEL = table_schema(
    "funnel",
    1,
    [
        column("screening_id", LABEL, "Screening"),
        column("source", LABEL, "samples, or the name of a null"),
        GENERATION,
        column("potential", LABEL, "Potential"),
        REFERENCE,
        column("space_group_number", pa.int16(), "Space group asked for; null: all of them", nullable=True),
        column("n_drawn", pa.int64(), "Samples drawn, rejected ones included"),
        column("n_accepted", pa.int64(), "Accepted by the checks of the generation"),
        column("n_converged", pa.int64(), "Relaxed to the end"),
        column("n_judged", pa.int64(), "With an energy above hull"),
        column("n_covered", pa.int64(), "Judged, in systems that the reference covers"),
        column("n_unique", pa.int64(), "Converged, first of its kind"),
        column("n_novel", pa.int64(), "Converged, not in the dataset"),
        column("n_new_formula", pa.int64(), "Converged, of a formula that neither dataset nor reference has"),
        column("n_symmetric", pa.int64(), "Converged, not P1"),
        *(column(name, pa.int64(), f"Judged, {what}") for name, what in _HOLDS.items()),
        *(
            column(f"{name}_covered", pa.int64(), f"In systems that the reference covers: {what}")
            for name, what in _HOLDS.items()
        ),
        column("n_msun_new_formula", pa.int64(), "M.S.U.N., of a formula that neither dataset nor reference has"),
        column("median_rmsd", pa.float64(), "Median of the displacements, of the converged (Å)", nullable=True),
    ],
)
