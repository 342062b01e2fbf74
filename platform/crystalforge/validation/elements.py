"""The elements that formation energies are counted from: one reference crystal, or molecule, of each.

Simple metals and semiconductors are those that ASE tabulates (``ase.data.reference_states``: measured lattice
constants, mostly at room temperature). They are not relaxed where the recipe is static: a lattice constant 1 % off
costs a metal some meV/atom. Where ASE's table has no atoms, or another form than the ground state, the crystal is that
of the Δ-project in ASE (``ase.collections.dcdft``; Lejaeghere et al. 2014), at its PBE geometry; chromium is its
antiferromagnet. H, N, O, F and Cl are molecules alone in a box, from ASE's G2 set: the weak forces that hold their
solids together are missing, which PBE hardly knows anyway.

Sulphur and manganese (the Δ-project has them in simpler forms than their ground states), the noble gases, Pm and what
lies beyond Bi have no reference: the formation energies that need them stay empty, and they are named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crystalforge.validation.crystal import Crystal
from crystalforge.validation.states import Structure

if TYPE_CHECKING:
    from ase import Atoms

LATTICES = ("fcc", "bcc", "hcp", "diamond", "bct", "rhombohedral")
"""That ASE builds from its table alone."""
DELTA_PROJECT = ("B", "C", "P", "Cr", "Ga", "Se", "Br", "Sn", "Te", "I")
"""Graphite, black phosphorus and α-tin among them."""
HEAVIEST = 83
"""Bi; beyond it the table is incomplete."""
NOBLE = ("He", "Ne", "Ar", "Kr", "Xe")
MOLECULES = ("H", "N", "O", "F", "Cl")
"""Two atoms each."""
BOX = 8.0
"""Å; edges differ by a little, so that no orbital is degenerate because of the box."""
BOX_STEP = 0.2
SYMPREC = 1e-3
"""Å; of the search for primitive cells."""


def element_crystal(symbol: str) -> Crystal | None:
    """The reference of an element; None where there is no structure for it.

    Args:
        symbol: of the element.
    """
    source, atoms = _atoms_of(symbol)
    if atoms is None:
        return None
    moments = atoms.get_initial_magnetic_moments() if source != "ase.build.bulk" else np.zeros(len(atoms))
    return Crystal(
        crystal_id=f"element-{symbol}",
        formula=symbol,
        lattice=atoms.cell.array,
        frac_coords=atoms.get_scaled_positions(),
        atomic_numbers=atoms.numbers,
        origin={"source": source},
        structure=Structure.REFERENCE,
        element=symbol,
        is_molecule=symbol in MOLECULES,
        magnetic_moments=tuple(moments.tolist()) if moments.any() else None,
    )


def _atoms_of(symbol: str) -> tuple[str, Atoms | None]:
    """Where the structure is from, and the structure."""
    if symbol in MOLECULES:
        return "ase.build.molecule", _molecule(symbol)
    if symbol in DELTA_PROJECT:
        return "ase.collections.dcdft", _of_delta_project(symbol)
    return "ase.build.bulk", _bulk(symbol)


def _bulk(symbol: str) -> Atoms | None:
    from ase.build import bulk
    from ase.data import atomic_numbers, reference_states

    state = reference_states[atomic_numbers[symbol]] if atomic_numbers[symbol] <= HEAVIEST else None
    simple = state and state["symmetry"] in LATTICES and state.get("basis", ()) is not None
    return bulk(symbol) if simple and symbol not in NOBLE else None


def _molecule(symbol: str) -> Atoms:
    from ase.build import molecule

    atoms = molecule(f"{symbol}2")
    atoms.set_cell([BOX, BOX + BOX_STEP, BOX + 2 * BOX_STEP])
    atoms.center()
    atoms.pbc = True
    return atoms


def _of_delta_project(symbol: str) -> Atoms:
    """The primitive cell; the whole one of an antiferromagnet."""
    import spglib
    from ase import Atoms
    from ase.collections import dcdft

    atoms = dcdft[symbol]
    if atoms.get_initial_magnetic_moments().any():
        return atoms
    lattice, sites, numbers = spglib.find_primitive(
        (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers), symprec=SYMPREC
    )
    return Atoms(numbers=numbers, scaled_positions=sites, cell=lattice, pbc=True)
