"""POSCAR: VASP's file of a cell, written by ASE; the first line says which crystal it is."""

from __future__ import annotations

import io

from crystalforge.export.choices import CellKind
from crystalforge.export.content import ExportFormat
from crystalforge.export.entries import Entry, ase_atoms


def text_of(entry: Entry, cell: CellKind) -> str:
    """The POSCAR of an entry: atoms of one element together, fractional coordinates with 16 decimals."""
    from ase.io.vasp import write_vasp

    stream = io.StringIO()
    write_vasp(stream, ase_atoms(entry, cell), direct=True, sort=True)
    _, rest = stream.getvalue().split("\n", 1)  # the first line is free for a title
    return f"{entry.name} space group {entry.crystal.space_group_number}\n{rest}"


# pymatgen and VESTA know the file by its suffix, ASE by the word in its name.
FORMAT: ExportFormat = ExportFormat("a cell for VASP; pymatgen, ASE, VESTA", ".POSCAR.vasp", text_of=text_of)
