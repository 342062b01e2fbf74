"""The elements that formation energies are counted from: one reference crystal, or molecule, of each.

Structures and lattice constants are those that ASE tabulates (``ase.data.reference_states``: measured, mostly at room
temperature; molecules from its G2 set); α-tin is the one addition. They are not relaxed where the recipe is static: a
lattice constant 1 % off costs a metal some meV/atom. H, N, O, F and Cl are molecules alone in a box: the weak forces
that hold their solids together are missing, which PBE hardly knows anyway.

An element that has neither (B, P, S, Mn, Ga, Se, Br, Te, I, the noble gases, Pm and those beyond Bi) has no
reference: the formation energies that need it stay empty, and it is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crystalforge.validation.crystal import Crystal
from crystalforge.validation.states import Structure

if TYPE_CHECKING:
    from ase import Atoms

LATTICES = ("fcc", "bcc", "hcp", "diamond", "bct", "rhombohedral")
"""That ASE builds from its table alone."""
OTHER_FORMS = {"Sn": ("diamond", 6.489)}
"""Structure and length (Å) where ASE tabulates a form that is not PBE's ground state: it has white tin."""
HEAVIEST = 83
"""Bi; beyond it the table is incomplete."""
NOBLE = ("He", "Ne", "Ar", "Kr", "Xe")
MOLECULES = ("H", "N", "O", "F", "Cl")
"""Two atoms each."""
BOX = 8.0
"""Å; edges differ by a little, so that no orbital is degenerate because of the box."""
BOX_STEP = 0.2


def element_crystal(symbol: str) -> Crystal | None:
    """The reference of an element; None where there is no structure for it.

    Args:
        symbol: of the element.
    """
    atoms = _molecule(symbol) if symbol in MOLECULES else _bulk(symbol)
    if atoms is None:
        return None
    moments = atoms.get_initial_magnetic_moments()
    return Crystal(
        crystal_id=f"element-{symbol}",
        formula=symbol,
        lattice=atoms.cell.array,
        frac_coords=atoms.get_scaled_positions(),
        atomic_numbers=atoms.numbers,
        origin={"source": "ase.build.molecule" if symbol in MOLECULES else "ase.build.bulk"},
        structure=Structure.REFERENCE,
        element=symbol,
        is_molecule=symbol in MOLECULES,
        magnetic_moments=tuple(moments.tolist()) if symbol in MOLECULES and moments.any() else None,
    )


def _bulk(symbol: str) -> Atoms | None:
    from ase.build import bulk
    from ase.data import atomic_numbers, reference_states

    if symbol in OTHER_FORMS:
        structure, length = OTHER_FORMS[symbol]
        return bulk(symbol, structure, a=length)
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
