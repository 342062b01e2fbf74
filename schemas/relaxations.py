"""Tables of a screening: ``relaxations`` (one row per crystal) and ``stabilities`` (one per crystal and hull)."""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa

from crystalforge.schemas.columns import LABEL, STRING, column, table_schema


class RelaxationStatus(StrEnum):
    """How a relaxation ended."""

    CONVERGED = "converged"
    STEP_LIMIT = "step_limit"
    """Forces were still too large after the last step."""
    TIME_LIMIT = "time_limit"
    EXPLODED = "exploded"
    """Its volume or forces left the bounds, or were no numbers."""
    FAILED = "failed"
    """The potential, or the symmetrisation, raised an error."""
    REJECTED = "rejected"
    """A sample that its generation, or the checks of a null, had rejected: it was not relaxed."""


IDENTITY = [
    column("relaxation_id", STRING, "Screening and index: unique"),
    column("screening_id", LABEL, "Screening that relaxed it"),
    column("source", LABEL, "Where the crystal is from: samples, candidates, materials, or the name of a null"),
    column("source_id", STRING, "Its sample_id or material_id; of a null its seed, space group and index"),
    column("crystal_id", STRING, "Hash of the canonical content before relaxation; none: null", nullable=True),
    column("space_group_number", pa.int16(), "Space group asked for, 1 to 230"),
    column(
        "formula", STRING, "Formula of the primitive cell, elements by electronegativity; null: none", nullable=True
    ),
    column("chemical_system", STRING, "Elements, alphabetical, joined by '-'; null: not known", nullable=True),
    column("potential", LABEL, "Potential"),
    column("potential_version", LABEL, "Version of its weights"),
    column("generation_id", LABEL, "Generation that it was drawn from, or whose null it is; null: neither", since=2),
]

RELAXATIONS = table_schema(
    "relaxations",
    2,
    [
        *IDENTITY,
        column("n_atoms", pa.int32(), "Atoms in the primitive cell", nullable=True),
        column("status", LABEL, "converged, step_limit, time_limit, exploded, failed, or rejected: not relaxed"),
        column("reason", STRING, "What was expected and what came, or why rejected; converged: null", nullable=True),
        column("energy_initial", pa.float64(), "Potential energy before (eV/atom)", nullable=True),
        column("energy_symmetric", pa.float64(), "After the stage that keeps the symmetry (eV/atom)", nullable=True),
        column("energy_free", pa.float64(), "After the free stage (eV/atom)", nullable=True),
        column("energy_per_atom", pa.float64(), "Of the final crystal; null unless converged (eV/atom)", nullable=True),
        column("symmetry_broken", pa.bool_(), "Whether the freed crystal gained enough to be kept"),
        column("max_force", pa.float64(), "Largest force on an atom of the final crystal (eV/Å)", nullable=True),
        column("steps_symmetric", pa.int32(), "Steps of the stage that keeps the symmetry"),
        column("steps_free", pa.int32(), "Steps of the free stage"),
        column("volume_per_atom", pa.float64(), "Of the final crystal (Å³)", nullable=True),
        column("volume_change", pa.float64(), "Final over initial volume, less 1", nullable=True),
        column("rmsd", pa.float64(), "Root mean square displacement of the atoms by the relaxation (Å)", nullable=True),
        column("space_group_before", pa.int16(), "Found before at symprec 0.01 Å; null: none found", nullable=True),
        column("space_group_before_loose", pa.int16(), "Found before at symprec 0.1 Å; null: none", nullable=True),
        column("space_group_after", pa.int16(), "Found after at symprec 0.01 Å; null: none found", nullable=True),
        column("space_group_after_loose", pa.int16(), "Found after at symprec 0.1 Å; null: none", nullable=True),
        column("lattice", pa.list_(pa.float64()), "Vectors a, b, c of the final primitive cell (Å)", nullable=True),
        column("species", pa.list_(pa.string()), "Element of each atom", nullable=True),
        column("frac_coords", pa.list_(pa.float64()), "Final x, y, z of each atom (fractional)", nullable=True),
        column("wall_seconds", pa.float64(), "Wall time of the relaxation (s)"),
        column("cpu_seconds", pa.float64(), "CPU time of the relaxation (s)"),
    ],
)

STABILITIES = table_schema(
    "stabilities",
    2,
    [
        *IDENTITY,
        column("reference", LABEL, "Reference hull: name and first digits of its checksum"),
        column("correction", LABEL, "Functional and corrections of the reference's energies"),
        column("scale", LABEL, "How the potential's energies were brought to the reference's scale"),
        column("formation_energy_per_atom", pa.float64(), "On the reference's scale (eV/atom)", nullable=True),
        column("energy_above_hull", pa.float64(), "Above, or below 0 under, the hull (eV/atom)", nullable=True),
        column("is_stable", pa.bool_(), "Energy above hull at most 0 eV/atom", nullable=True),
        column("is_nearly_stable", pa.bool_(), "Energy above hull at most 0.1 eV/atom", nullable=True),
        column("decomposition", STRING, "Crystals of the hull at that composition, with their shares", nullable=True),
        column("missing_terminals", STRING, "Elements without an energy on this scale; none: null", nullable=True),
        column(
            "systems_without_reference",
            STRING,
            "Systems of its elements in which the reference has no compound: the hull may be too high; none: null",
            nullable=True,
        ),
    ],
)
