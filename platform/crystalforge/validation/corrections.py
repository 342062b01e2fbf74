"""Corrections of energies by which DFT's formation energies meet measured ones, as a reference hull may hold them."""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING

from crystalforge.validation.crystal import Crystal

if TYPE_CHECKING:
    from pymatgen.entries.compatibility import MaterialsProject2020Compatibility


def correction_per_atom(crystal: Crystal, scheme: str) -> float:
    """What a scheme adds to the energy of a crystal (eV/atom).

    MP2020 (Wang et al. 2021) was fitted to energies of VASP; it corrects what PBE does wrong to anions, which is the
    same in every code. Its corrections for +U are left out: no recipe here computes with U. Whether an oxygen is an
    oxide, a peroxide or a superoxide is seen from the distances in the cell.

    Args:
        crystal: elements have none.
        scheme: ``none`` or ``MP2020``.
    """
    if scheme == "none" or crystal.element:
        return 0.0
    from pymatgen.entries.computed_entries import ComputedStructureEntry
    from pymatgen.io.ase import AseAtomsAdaptor

    structure = AseAtomsAdaptor.get_structure(crystal.to_atoms())
    entry = ComputedStructureEntry(structure, 0.0, parameters={"run_type": "GGA", "hubbards": {}})
    with warnings.catch_warnings():
        # Where it guesses no oxidation states, it takes the most electronegative element as the anion, and warns.
        warnings.simplefilter("ignore")
        found = _mp2020().process_entry(entry, inplace=True)
    return float(found.correction_per_atom) if found else 0.0


@cache
def _mp2020() -> MaterialsProject2020Compatibility:
    from pymatgen.entries.compatibility import MaterialsProject2020Compatibility

    return MaterialsProject2020Compatibility(check_potcar=False)
