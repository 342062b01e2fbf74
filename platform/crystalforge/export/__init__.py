"""Crystals on their way out: chosen by SQL, symmetrised, and written in the formats that other programs read.

Knows nothing of how crystals are made. Pictures and pages are not made here (``report``, ``explore``).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crystalforge.export.choices import CellKind, FormatName
    from crystalforge.export.choosing import ChosenCrystals, CrystalQuery, read_crystals
    from crystalforge.export.cif import cif_text
    from crystalforge.export.symmetrised import SymmetrisedCrystal, symmetrised_crystals
    from crystalforge.export.writing import ExportedCrystals, export_crystals

__all__ = [
    "CellKind",
    "ChosenCrystals",
    "CrystalQuery",
    "ExportedCrystals",
    "FormatName",
    "SymmetrisedCrystal",
    "cif_text",
    "export_crystals",
    "read_crystals",
    "symmetrised_crystals",
]

_MODULES = {
    "CellKind": "choices",
    "ChosenCrystals": "choosing",
    "CrystalQuery": "choosing",
    "ExportedCrystals": "writing",
    "FormatName": "choices",
    "SymmetrisedCrystal": "symmetrised",
    "cif_text": "cif",
    "export_crystals": "writing",
    "read_crystals": "choosing",
    "symmetrised_crystals": "symmetrised",
}
"""Where each name stands; it is imported when it is first asked for, for the command line asks for the choices only."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}: it offers {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
