"""The references of the elements, and the corrections of compounds."""

from __future__ import annotations

import json

import numpy as np
import pytest
import spglib
from ase.build import bulk

from crystalforge.validation.corrections import correction_per_atom
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.elements import MOLECULES, NOBLE, element_crystal
from crystalforge.validation.engines.gpaw import DATA_SETS, Gpaw, starting_moments
from crystalforge.validation.recipe import load_recipe

WITHOUT = {"S", "Mn"}
GROUND_STATES = {
    "Al": (225, 1),
    "Mg": (194, 2),
    "As": (166, 2),
    "C": (194, 4),
    "Sn": (227, 2),
    "P": (64, 4),
    "Ga": (64, 4),
    "Se": (152, 3),
    "B": (166, 12),
    "I": (64, 4),
    "Cr": (229, 2),
}
"""Space group and atoms of the primitive cell (of chromium, of its antiferromagnet)."""


def test_the_elements_without_a_reference_are_those_that_the_module_names() -> None:
    assert {symbol for symbol in DATA_SETS if element_crystal(symbol) is None} == (WITHOUT | set(NOBLE) | {"Rn"})


@pytest.mark.parametrize("symbol", sorted(DATA_SETS - WITHOUT - set(NOBLE) - {"Rn"}))
def test_each_reference_is_of_its_element_alone_and_fits_the_engine(symbol: str) -> None:
    crystal = element_crystal(symbol)
    assert crystal is not None
    assert set(crystal.to_atoms().get_chemical_symbols()) == {symbol}
    assert Gpaw().refusal(crystal, load_recipe("gpaw-static")) is None
    distances = crystal.to_atoms().repeat(2).get_all_distances(mic=True)
    assert 0.7 < distances[distances > 0].min() < 5.5


@pytest.mark.parametrize("symbol", GROUND_STATES)
def test_elements_stand_in_the_form_of_their_ground_state(symbol: str) -> None:
    space_group_number, n_atoms = GROUND_STATES[symbol]
    crystal = element_crystal(symbol)
    assert crystal is not None
    cell = (crystal.lattice, crystal.frac_coords, crystal.atomic_numbers)
    assert spglib.get_symmetry_dataset(cell, symprec=1e-2).number == space_group_number
    assert crystal.n_atoms == n_atoms
    assert starting_moments(crystal, "by-composition") == ([1.5, -1.5] if symbol == "Cr" else None)


@pytest.mark.parametrize("symbol", MOLECULES)
def test_molecules_lie_alone_in_their_box_and_oxygen_keeps_its_spin(symbol: str) -> None:
    crystal = element_crystal(symbol)
    assert crystal is not None
    assert crystal.n_atoms == 2
    assert crystal.is_molecule
    length = crystal.to_atoms().get_distance(0, 1)
    assert min(np.diag(crystal.lattice)) - length > 5.0, "images do not feel each other"
    back = Crystal.from_json(json.loads(json.dumps(crystal.to_json())))
    assert starting_moments(back, "by-composition") == ([1.0, 1.0] if symbol == "O" else None)
    without_spin = load_recipe("gpaw-static").model_copy(
        update={"physics": load_recipe("gpaw-static").physics.model_copy(update={"spin": "none"})}
    )
    assert ("magnetic" in str(Gpaw().refusal(back, without_spin))) == (symbol == "O")


@pytest.mark.parametrize(
    ("formula", "expected"), [("MgO", -0.687 / 2), ("NaCl", -0.614 / 2), ("CaO", -0.687 / 2), ("ZnS", -0.503 / 2)]
)
def test_corrections_of_compounds_are_those_of_the_published_table(formula: str, expected: float) -> None:
    """Wang et al. 2021, table 1: eV for each anion."""
    atoms = bulk(formula, "rocksalt", a=5.0)
    crystal = Crystal(formula, formula, atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    assert correction_per_atom(crystal, "MP2020") == pytest.approx(expected, abs=1e-3)
    assert correction_per_atom(crystal, "none") == 0.0


def test_a_peroxide_is_told_from_an_oxide_by_its_distances() -> None:
    sites = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])
    corrections = {}
    for name, gap in (("peroxide", 1.49), ("oxide", 3.0)):
        cell = np.diag([5.0, 5.0, 7.0])
        shifted = sites + np.array([[0, 0, 0], [0, 0, gap / 14], [0, 0, -gap / 14]])
        corrections[name] = correction_per_atom(Crystal(name, "BaO2", cell, shifted, np.array([56, 8, 8])), "MP2020")
    assert corrections["peroxide"] == pytest.approx(-2 * 0.465 / 3, abs=1e-3)
    assert corrections["oxide"] == pytest.approx(-2 * 0.687 / 3, abs=1e-3)


def test_elements_are_never_corrected() -> None:
    oxygen = element_crystal("O")
    assert oxygen is not None
    assert correction_per_atom(oxygen, "MP2020") == 0.0
