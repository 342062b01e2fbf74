"""Extended XYZ, written by ASE: one file with a frame for each crystal, what is told of it in its second line."""

from __future__ import annotations

from pathlib import Path

from crystalforge.export.content import Content, ExportFormat, Tell
from crystalforge.export.entries import ase_atoms


def write_file(path: Path, content: Content, tell: Tell) -> None:
    """Write the frames in the order of the entries."""
    from ase.io.extxyz import write_xyz

    with path.open("w", encoding="utf-8") as stream:
        for done, entry in enumerate(content.entries, start=1):
            write_xyz(stream, ase_atoms(entry, content.cell))
            tell(done)


FORMAT: ExportFormat = ExportFormat("one file of frames, for potentials and ASE", ".extxyz", write_file=write_file)
