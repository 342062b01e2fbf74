"""Formulas, counts and densities against pymatgen's structures of all atoms."""

from __future__ import annotations

import numpy as np
from crystal_prototypes import PROTOTYPES, batch_of, reference_structure
from pymatgen.core import Composition

from crystalforge.crystals import composition


def test_counts_volumes_and_densities_are_those_of_all_atoms() -> None:
    batch = batch_of()
    structures = [reference_structure(batch, i) for i in range(len(batch))]
    assert composition.n_atoms_conventional(batch).tolist() == [len(structure) for structure in structures]
    assert composition.n_atoms_primitive(batch).tolist() == [len(s.get_primitive_structure()) for s in structures]
    np.testing.assert_allclose(composition.volumes_per_atom(batch), [s.volume / len(s) for s in structures])
    np.testing.assert_allclose(composition.densities(batch), [float(s.density) for s in structures], rtol=1e-6)


def test_formulas() -> None:
    batch = batch_of()
    assert composition.formulas(batch).tolist() == [prototype.formula for prototype in PROTOTYPES]
    reduced = composition.reduced_formulas(batch).tolist()
    assert reduced[3] == "MgAl2O4" and reduced[5] == "ScNiP" and reduced[6] == "Ti2AlC"
    for formula, prototype in zip(reduced, PROTOTYPES, strict=True):
        assert Composition(formula).reduced_formula == Composition(prototype.formula).reduced_formula
    assert composition.chemical_systems(batch.atomic_numbers)[5] == "Ni-P-Sc"


def test_an_element_that_stands_twice_is_counted_once() -> None:
    batch = batch_of(PROTOTYPES[:1])
    batch.atomic_numbers[0] = [29, 25, 29]
    assert composition.formulas(batch).tolist() == ["Cu3Mn"]
    assert composition.chemical_systems(batch.atomic_numbers).tolist() == ["Cu-Mn"]


def test_a_crystal_without_atoms_has_no_volume_per_atom() -> None:
    batch = batch_of(PROTOTYPES[:1])
    batch.multiplicity[:] = 0
    assert np.isnan(composition.volumes_per_atom(batch)).all()
    assert composition.formulas(batch).tolist() == [""]
