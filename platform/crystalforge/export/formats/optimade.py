"""OPTIMADE JSON lines: a header, the meaning of our own properties, then a `structures` entry for each crystal.

`optimade-python-tools` serves such a file (`OPTIMADE_INSERT_FROM_JSONL`). Our properties have the prefix
``_crystalforge_``. Symmetry operations belong to the conventional cell: with primitive cells only the number of the
space group is written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crystalforge.crystals.elements import symbols
from crystalforge.export.choices import CellKind
from crystalforge.export.cif import OWN_PREFIX, operation_texts
from crystalforge.export.composition import (
    anonymous_formula,
    element_counts,
    formula_text,
    hill_order,
    reduce_counts,
)
from crystalforge.export.content import Content, ExportFormat, Tell
from crystalforge.export.entries import Entry, cell_atoms
from crystalforge.export.symmetrised import SymmetrisedCrystal
from crystalforge.symmetry import setting_symbols

API_VERSION = "1.2.0"
JSON_TYPES = {str: "string", bool: "boolean", int: "integer", float: "float"}
DECIMALS = 12
"""Of the shares of the elements, which must sum to 1."""


def write_file(path: Path, content: Content, tell: Tell) -> None:
    """Write header, meanings and entries, a line each."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write(_line({"x-optimade": {"meta": {"api_version": API_VERSION}}}))
        stream.write(_line(_meanings(content)))
        for done, (entry, changed_at) in enumerate(zip(content.entries, content.changed_at, strict=True), start=1):
            stream.write(_line(structure_entry(entry, content.cell, changed_at)))
            tell(done)


def structure_entry(entry: Entry, cell: CellKind, changed_at: str) -> dict[str, Any]:
    """The resource of one crystal, as OPTIMADE's ``structures`` endpoint gives it.

    Args:
        entry: the crystal.
        cell: which cell its sites are of.
        changed_at: when it was made (ISO 8601).
    """
    return {
        "type": "structures",
        "id": entry.identifier,
        "attributes": {
            "immutable_id": entry.identifier,
            "last_modified": changed_at,
            **_composition(entry.crystal),
            **_sites(entry.crystal, cell),
            **_symmetry(entry.crystal, cell),
            **{f"{OWN_PREFIX}{name}": value for name, value in entry.properties.items()},
        },
    }


def _composition(crystal: SymmetrisedCrystal) -> dict[str, Any]:
    counts = element_counts(crystal)
    elements, n_atoms = sorted(counts), sum(counts.values())
    return {
        "elements": elements,
        "nelements": len(elements),
        "elements_ratios": [round(counts[symbol] / n_atoms, DECIMALS) for symbol in elements],
        "chemical_formula_descriptive": formula_text(reduce_counts(counts)),
        "chemical_formula_reduced": formula_text(reduce_counts(counts), elements),
        "chemical_formula_hill": formula_text(counts, hill_order(counts)),
        "chemical_formula_anonymous": anonymous_formula(counts),
    }


def _sites(crystal: SymmetrisedCrystal, cell: CellKind) -> dict[str, Any]:
    atoms = cell_atoms(crystal, cell)
    species: list[str] = symbols(atoms.atomic_numbers).tolist()
    return {
        "dimension_types": [1, 1, 1],
        "nperiodic_dimensions": 3,
        "lattice_vectors": atoms.lattice.tolist(),
        "cartesian_site_positions": (atoms.frac_coords @ atoms.lattice).tolist(),
        "nsites": len(species),
        "species_at_sites": species,
        "species": [
            {"name": symbol, "chemical_symbols": [symbol], "concentration": [1.0]} for symbol in dict.fromkeys(species)
        ],
        "structure_features": [],
        f"{OWN_PREFIX}wyckoff_letters": atoms.wyckoff_letter.tolist(),
    }


def _symmetry(crystal: SymmetrisedCrystal, cell: CellKind) -> dict[str, Any]:
    number = crystal.space_group_number
    if cell is CellKind.PRIMITIVE:
        return {"space_group_it_number": number}
    setting = setting_symbols(number)
    return {
        "space_group_it_number": number,
        "space_group_symbol_hall": setting.hall,
        "space_group_symbol_hermann_mauguin": setting.hermann_mauguin.split(" :")[0],
        "space_group_symmetry_operations_xyz": list(operation_texts(number)),
    }


def _meanings(content: Content) -> dict[str, Any]:
    """The info entry of ``structures``: our own properties with their type, and what the catalog says of them."""
    kinds: dict[str, str] = {"wyckoff_letters": "list"}
    for entry in content.entries:
        kinds |= {name: JSON_TYPES[type(value)] for name, value in entry.properties.items() if name not in kinds}
    comments = {"wyckoff_letters": "Wyckoff letter of each site", **content.comments}
    return {
        "type": "info",
        "id": "structures",
        "description": "Crystals written by crystalforge",
        "properties": {
            f"{OWN_PREFIX}{name}": {"type": kind, "description": comments.get(name, name.replace("_", " "))}
            for name, kind in sorted(kinds.items())
        },
    }


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"


FORMAT: ExportFormat = ExportFormat(
    "JSON lines that an OPTIMADE server serves (optimade-python-tools)", ".jsonl", write_file=write_file
)
