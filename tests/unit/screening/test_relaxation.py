"""Relaxations by ASE's EMT (a real potential for copper, gold and the like) and of crystals that cannot end well."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from crystalforge.crystals.primitive import PrimitiveCell
from crystalforge.schemas.relaxations import RelaxationStatus
from crystalforge.screening.relaxation import RelaxationLimits, atoms_of, displacement_of_atoms, relax

COPPER, SILVER, GOLD = 29, 47, 79


def copper(length: float) -> PrimitiveCell:
    """Primitive cell of fcc copper with the given conventional length (Å)."""
    atoms = bulk("Cu", "fcc", a=length)
    return PrimitiveCell(np.array(atoms.cell), atoms.get_scaled_positions(), atoms.numbers)


def layers(shift: float = 0.0) -> PrimitiveCell:
    """Cu2Ag2Au-like tetragonal cell, atoms off their places by ``shift`` along c where symmetry allows it."""
    lattice = np.diag([2.9, 2.9, 8.6])
    z = [0.0, 0.25 + shift, 0.75 - shift, 0.5]
    frac_coords = np.array([[0.5 * (i in (1, 2)), 0.5 * (i in (1, 2)), z[i]] for i in range(4)])
    return PrimitiveCell(lattice, frac_coords, np.array([COPPER, SILVER, SILVER, GOLD]))


def test_a_stretched_crystal_comes_back_to_the_minimum_of_its_energy_curve() -> None:
    relaxation = relax(copper(3.75), EMT(), RelaxationLimits(max_force=0.01))
    length = (4 * abs(np.linalg.det(relaxation.cell.lattice))) ** (1 / 3)
    lengths = np.linspace(3.54, 3.64, 11)
    curve = [_energy(copper(each)) for each in lengths]
    assert relaxation.status is RelaxationStatus.CONVERGED
    assert length == pytest.approx(lengths[int(np.argmin(curve))], abs=0.02)
    assert relaxation.energy_per_atom == pytest.approx(min(curve), abs=1e-3)
    assert relaxation.volume_change == pytest.approx((length / 3.75) ** 3 - 1)
    assert relaxation.rmsd == pytest.approx(0.0, abs=1e-6)
    assert relaxation.reason == ""
    assert relaxation.wall_seconds > 0


def _energy(cell: PrimitiveCell) -> float:
    atoms = atoms_of(cell)
    atoms.calc = EMT()
    return float(atoms.get_potential_energy()) / len(atoms)


def test_the_first_stage_keeps_the_symmetry_and_moves_what_is_free() -> None:
    relaxation = relax(layers(0.03), EMT(), RelaxationLimits(displacement=0.0))
    assert relaxation.status is RelaxationStatus.CONVERGED
    assert np.isnan(relaxation.energy_free)
    assert relaxation.steps_free == 0
    z = relaxation.cell.frac_coords[:, 2] - relaxation.cell.frac_coords[0, 2]
    assert z[1] == pytest.approx(1 - z[2] if z[2] > 0 else -z[2], abs=1e-6), "the mirror through copper stays"
    lengths = np.linalg.norm(relaxation.cell.lattice, axis=1)
    assert lengths[0] == pytest.approx(lengths[1], abs=1e-8), "tetragonal stays tetragonal"
    assert relaxation.rmsd > 0.01
    assert relaxation.energy_per_atom < relaxation.energy_initial


def test_a_saddle_is_left_by_the_free_stage() -> None:
    """Simple cubic packing: no force on it by symmetry, and a shear of the cell leads down to the close packing."""
    pair = LennardJones(sigma=2.5, epsilon=0.2, rc=6.0)
    simple_cubic = PrimitiveCell(2.5 * np.eye(3), np.zeros((1, 3)), np.array([COPPER]))
    relaxation = relax(simple_cubic, pair)
    assert relaxation.status is RelaxationStatus.CONVERGED
    assert relaxation.symmetry_broken
    assert relaxation.energy_per_atom == relaxation.energy_free < relaxation.energy_symmetric - 0.5
    assert relaxation.energy_free == pytest.approx(relax(copper(3.9), pair).energy_per_atom, abs=0.001)


def test_a_minimum_keeps_its_symmetric_crystal() -> None:
    relaxation = relax(copper(3.6), EMT())
    assert not relaxation.symmetry_broken
    assert relaxation.energy_per_atom == relaxation.energy_symmetric
    assert relaxation.energy_free == pytest.approx(relaxation.energy_symmetric, abs=0.001)


@pytest.mark.parametrize(
    ("limits", "status", "reason"),
    [
        (RelaxationLimits(max_steps=1), RelaxationStatus.STEP_LIMIT, "within 1 steps of the symmetric stage"),
        (RelaxationLimits(max_seconds=0.0), RelaxationStatus.TIME_LIMIT, "within 0 s"),
        (RelaxationLimits(least_volume_ratio=0.99), RelaxationStatus.EXPLODED, "of the generated volume"),
    ],
)
def test_a_limit_ends_a_relaxation_with_its_reason(
    limits: RelaxationLimits, status: RelaxationStatus, reason: str
) -> None:
    relaxation = relax(copper(3.9), EMT(), limits)
    assert relaxation.status is status
    assert reason in relaxation.reason
    assert np.isnan(relaxation.energy_per_atom)
    assert np.isfinite(relaxation.energy_initial)


def test_an_exploding_crystal_is_a_row_with_its_reason() -> None:
    relaxation = relax(copper(1.0), LennardJones(sigma=2.5, epsilon=1.0, rc=6.0))
    assert relaxation.status is RelaxationStatus.EXPLODED
    assert "expected" in relaxation.reason
    assert np.isnan(relaxation.energy_per_atom)


def test_what_a_potential_raises_is_the_reason() -> None:
    iron = replace(copper(3.6), atomic_numbers=np.array([26]))
    relaxation = relax(iron, EMT())
    assert relaxation.status is RelaxationStatus.FAILED
    assert "No EMT-potential for Fe" in relaxation.reason


def test_displacement_leaves_out_translation_lattice_vectors_and_cell() -> None:
    start = layers()
    moved = replace(start, lattice=start.lattice * 1.1, frac_coords=start.frac_coords + np.array([0.3, 1.0, -2.1]))
    assert displacement_of_atoms(start, moved) == pytest.approx(0.0, abs=1e-12)
    one = start.frac_coords.copy()
    one[0, 2] += 0.1
    # One of four atoms by 0.86 Å: the others move back by a quarter of it.
    expected = 0.86 * np.sqrt((0.75**2 + 3 * 0.25**2) / 4)
    assert displacement_of_atoms(start, replace(start, frac_coords=one)) == pytest.approx(expected)
