"""Crystals on their way out: chosen by SQL, symmetrised, and written in the formats that other programs read.

Knows nothing of how crystals are made. Pictures and pages are not made here (``report``, ``explore``).
"""

from crystalforge.export.choosing import ChosenCrystals, CrystalQuery, read_crystals
from crystalforge.export.cif import cif_text
from crystalforge.export.symmetrised import SymmetrisedCrystal, symmetrised_crystals

__all__ = [
    "ChosenCrystals",
    "CrystalQuery",
    "SymmetrisedCrystal",
    "cif_text",
    "read_crystals",
    "symmetrised_crystals",
]
