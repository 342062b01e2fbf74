"""CIF: symmetrised, with operations and Wyckoff positions; a file for each crystal, or all blocks in one file."""

from __future__ import annotations

from crystalforge.export.choices import CellKind
from crystalforge.export.cif import cif_text
from crystalforge.export.content import ExportFormat
from crystalforge.export.entries import Entry


def text_of(entry: Entry, _cell: CellKind = CellKind.CONVENTIONAL) -> str:
    """The CIF of an entry, with all that is told of it."""
    return cif_text(entry.crystal, name=entry.name, properties=entry.properties)


FORMAT: ExportFormat = ExportFormat(
    "symmetrised, with operations and Wyckoff positions; VESTA, pymatgen, ASE, gemmi",
    ".cif",
    text_of=text_of,
    joins=True,
    conventional_only=True,
)
