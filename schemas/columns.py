"""What every schema is built of: a column with a comment that gives its meaning and unit."""

from __future__ import annotations

import pyarrow as pa

STRING = pa.string()
LABEL = pa.dictionary(pa.int32(), pa.string())
"""A string of few distinct values."""
# Lists of three, not of a fixed size: pyarrow writes nulls among lists of a fixed size, and cannot read them again.
THREE_STRINGS = pa.list_(pa.string())
THREE_INTEGERS = pa.list_(pa.int16())
THREE_SITES = pa.list_(pa.list_(pa.float64()))
"""(3 representative sites, xyz)."""

VERSION_KEY = b"crystalforge.schema"
SINCE_KEY = b"since"
"""Of a column that came after version 1. A column of version 1 has none, so that its bytes stay what they were."""


def column(name: str, kind: pa.DataType, comment: str, *, nullable: bool = False, since: int = 1) -> pa.Field:
    """One column; the comment travels in the file and is shown by the command line.

    A column that comes after version 1 of its table says ``since`` which it is there, and is nullable.
    """
    metadata = {b"comment": comment.encode()} | ({SINCE_KEY: str(since).encode()} if since > 1 else {})
    return pa.field(name, kind, nullable=nullable or since > 1, metadata=metadata)


def table_schema(name: str, version: int, columns: list[pa.Field]) -> pa.Schema:
    """A schema with its name and version in the metadata, as ``samples/1``."""
    return pa.schema(columns, metadata={VERSION_KEY: f"{name}/{version}".encode()})


CELL_COLUMNS = [
    column("a", pa.float64(), "Conventional cell length a (Å)"),
    column("b", pa.float64(), "Conventional cell length b (Å)"),
    column("c", pa.float64(), "Conventional cell length c (Å)"),
    column("alpha", pa.float64(), "Conventional cell angle α (degrees)"),
    column("beta", pa.float64(), "Conventional cell angle β (degrees)"),
    column("gamma", pa.float64(), "Conventional cell angle γ (degrees)"),
]


def composition_columns(*, nullable: bool) -> list[pa.Field]:
    """What follows from the cell and the sites; null where the sites could not be merged."""
    return [
        column("n_atoms_conventional", pa.int32(), "Atoms in the conventional cell", nullable=nullable),
        column("n_atoms_primitive", pa.int32(), "Atoms in the primitive cell", nullable=nullable),
        column("formula", STRING, "Formula of the primitive cell, elements by electronegativity", nullable=nullable),
        column("reduced_formula", STRING, "Reduced formula, elements by electronegativity", nullable=nullable),
        column("chemical_system", STRING, "Elements, alphabetical, joined by '-'"),
        column("volume_per_atom", pa.float64(), "Volume per atom (Å³)", nullable=nullable),
        column("density", pa.float64(), "Density (g/cm³)", nullable=nullable),
        column(
            "min_contact_ratio",
            pa.float64(),
            "Least distance of two atoms over the sum of their Slater atomic radii, lattice images included",
            nullable=nullable,
        ),
    ]


WHOLE_CRYSTAL = [
    column("crystal_id", STRING, "Hash of the canonical content: equal crystals share it"),
    column("space_group_number", pa.int16(), "Space group, 1 to 230"),
    column("hall_number", pa.int16(), "Hall number of the setting of cell and sites, 1 to 530"),
    column("elements", THREE_STRINGS, "Elements of the three representative sites, by electronegativity"),
    column("base_frac_coords", THREE_SITES, "Representative sites (fractional)"),
    column("wyckoff_letters", THREE_STRINGS, "Wyckoff letters of the sites"),
    column("multiplicities", THREE_INTEGERS, "Multiplicities in the conventional cell"),
    *CELL_COLUMNS,
    *composition_columns(nullable=False),
]
"""A crystal whose sites all have a place: its name, sites and cell, and what follows from them."""
