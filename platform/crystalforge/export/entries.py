"""Entry: a crystal with its file name and what is told of it; the atoms of either of its cells."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.primitive import primitive_atoms, primitive_basis
from crystalforge.export.choices import CellKind
from crystalforge.export.choosing import ChosenCrystals
from crystalforge.export.composition import element_counts, formula_text, reduce_counts
from crystalforge.export.symmetrised import SymmetrisedCrystal

if TYPE_CHECKING:
    from ase import Atoms

PROPERTIES = (
    "sample_id",
    "material_id",
    "relaxation_id",
    "attempt_id",
    "calculation_id",
    "source",
    "source_id",
    "crystal_id",
    "origin",
    "generation_id",
    "training_id",
    "dataset_id",
    "model_checksum",
    "seed",
    "screening_id",
    "potential",
    "potential_version",
    "reference",
    "energy_from",
    "engine",
    "recipe",
    "recipe_hash",
    "state",
    "hull_reference",
    "energy_per_atom",
    "formation_energy_per_atom",
    "energy_above_hull",
    "computed_energy_above_hull",
    "computed_by",
    "validation_state",
    "band_gap",
    "min_contact_ratio",
    "rmsd",
    "is_known",
    "is_stable",
    "is_nearly_stable",
    "is_unique",
    "is_novel",
)
"""Columns that go with a crystal into every format, where its row has a value."""
SPACE_GROUP_ASKED_FOR = "space_group_asked_for"
"""Of a relaxed crystal: that of the crystal before. The relaxed one's own may be another."""
DISPLACEMENT = "symmetrisation_displacement"
"""Of a relaxed crystal: how far (Å) symmetrising moved an atom at most."""
COMMENTS = {
    SPACE_GROUP_ASKED_FOR: "Space group of the crystal before it was relaxed, 1 to 230",
    DISPLACEMENT: "Largest distance from an atom to where symmetrising put it (Å)",
}
"""Meaning and unit of the properties that are no columns."""
OF_THE_CELL_BEFORE = frozenset({"min_contact_ratio"})
"""Properties that a relaxed crystal does not have from the row of the one that was relaxed."""
LONGEST_NAME = 150
"""Characters of a file name without its suffix; file systems allow 255 bytes."""


@dataclass(frozen=True)
class Entry:
    """A crystal on its way into a file.

    Attributes:
        name: of its file, without suffix: rank, formula, space group and identifier; names sort by rank.
        identifier: of its row.
        crystal: the crystal.
        properties: name → text, number or boolean.
    """

    name: str
    identifier: str
    crystal: SymmetrisedCrystal
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class CellAtoms:
    """All atoms of one cell.

    Attributes:
        lattice: (3, 3) vectors as rows (Å).
        frac_coords: (n_atoms, 3).
        atomic_numbers: (n_atoms,).
        wyckoff_letter: (n_atoms,).
    """

    lattice: NDArray[np.float64]
    frac_coords: NDArray[np.float64]
    atomic_numbers: NDArray[np.int64]
    wyckoff_letter: NDArray[np.str_]


def entries_of(chosen: ChosenCrystals) -> Iterator[Entry]:
    """The entries of chosen crystals, in their order."""
    digits = len(str(len(chosen)))
    columns = {name: chosen.rows[name].to_pylist() for name in PROPERTIES if name in chosen.rows.column_names}
    if chosen.query.is_relaxed and "space_group_number" in chosen.rows.column_names:
        columns = {name: values for name, values in columns.items() if name not in OF_THE_CELL_BEFORE}
        columns[SPACE_GROUP_ASKED_FOR] = chosen.rows["space_group_number"].to_pylist()
    for place, (identifier, crystal) in enumerate(zip(chosen.identifiers, chosen.crystals, strict=True)):
        told = {name: values[place] for name, values in columns.items() if _is_told(values[place])}
        if chosen.query.is_relaxed:
            told[DISPLACEMENT] = crystal.displacement
        yield Entry(entry_name(place + 1, digits, crystal, identifier), identifier, crystal, told)


def _is_told(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def entry_name(rank: int, digits: int, crystal: SymmetrisedCrystal, identifier: str) -> str:
    """As ``00017_LiAlSi_216_94b1055ab0-216-00000042``: characters that every file system takes."""
    formula = formula_text(reduce_counts(element_counts(crystal)))
    safe = re.sub(r"[^A-Za-z0-9.+-]+", "-", identifier).strip(".-") or "crystal"
    return f"{rank:0{digits}d}_{formula}_{crystal.space_group_number}_{safe}"[:LONGEST_NAME]


def cell_atoms(crystal: SymmetrisedCrystal, cell: CellKind) -> CellAtoms:
    """All atoms of the conventional or of the primitive cell."""
    if cell is CellKind.CONVENTIONAL:
        lattice, frac_coords, site = crystal.lattice, crystal.frac_coords, crystal.site_index
    else:
        basis = primitive_basis(crystal.space_group_number)
        lattice = basis @ crystal.lattice
        frac_coords, site = primitive_atoms(crystal.space_group_number, crystal.sites, basis)
    return CellAtoms(lattice, frac_coords, crystal.atomic_numbers[site], crystal.wyckoff_letter[site])


def ase_atoms(entry: Entry, cell: CellKind) -> Atoms:
    """The cell as a periodic ASE ``Atoms``: array ``wyckoff_letter``, and in ``info`` what is told of the crystal."""
    from ase import Atoms

    found = cell_atoms(entry.crystal, cell)
    atoms = Atoms(
        numbers=found.atomic_numbers,
        scaled_positions=found.frac_coords,
        cell=found.lattice,
        pbc=True,
        info={"name": entry.name, "space_group_number": entry.crystal.space_group_number, **entry.properties},
    )
    atoms.set_array("wyckoff_letter", found.wyckoff_letter)
    return atoms
