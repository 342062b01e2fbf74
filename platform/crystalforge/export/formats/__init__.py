"""The formats, one file each, behind one table."""

from __future__ import annotations

from crystalforge.export.choices import FormatName
from crystalforge.export.content import ExportFormat
from crystalforge.export.formats import ase_database, cif, extxyz, optimade, poscar, tables

FORMATS: dict[FormatName, ExportFormat] = {
    FormatName.CIF: cif.FORMAT,
    FormatName.POSCAR: poscar.FORMAT,
    FormatName.EXTXYZ: extxyz.FORMAT,
    FormatName.ASE_DB: ase_database.FORMAT,
    FormatName.OPTIMADE_JSONL: optimade.FORMAT,
    FormatName.CSV: tables.CSV,
    FormatName.PARQUET: tables.PARQUET,
}
"""A new format is one file with a ``FORMAT`` and a line here."""

__all__ = ["FORMATS"]
