"""What can be chosen of an export, as closed sets; imports nothing, so that the command line starts at once."""

from __future__ import annotations

from enum import StrEnum


class FormatName(StrEnum):
    """What crystals can be written as."""

    CIF = "cif"
    """A symmetrised file for each crystal, or all blocks in one file."""
    POSCAR = "poscar"
    """A VASP cell for each crystal."""
    EXTXYZ = "extxyz"
    """One file of frames."""
    ASE_DB = "ase-db"
    """An SQLite database of ASE."""
    OPTIMADE_JSONL = "optimade-jsonl"
    """Lines that an OPTIMADE server serves."""
    CSV = "csv"
    """The rows, with a CIF in each."""
    PARQUET = "parquet"
    """The rows, with all atoms in lists."""


class CellKind(StrEnum):
    """Which cell the atoms are written in."""

    CONVENTIONAL = "conventional"
    PRIMITIVE = "primitive"
