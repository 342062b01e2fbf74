"""What follows from elements, multiplicities and cell: atom counts, formulas, volume per atom, density."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.elements import atomic_masses, symbols
from crystalforge.crystals.lattice import cell_volumes
from crystalforge.symmetry import space_group

ATOMIC_MASS_IN_GRAMS = 1.66053906660e-24
"""Atomic mass constant (CODATA 2018)."""
CUBIC_ANGSTROM_IN_CUBIC_CENTIMETRES = 1e-24


def n_centrings(space_group_numbers: ArrayLike) -> NDArray[np.int64]:
    """Primitive cells in the conventional cell of each space group: 1 (P), 2 (I, A, C), 3 (R) or 4 (F)."""
    numbers, inverse = np.unique(np.asarray(space_group_numbers, dtype=np.int64), return_inverse=True)
    return np.array([len(space_group(int(number)).centrings) for number in numbers], dtype=np.int64)[inverse]


def n_atoms_conventional(batch: CrystalBatch) -> NDArray[np.int64]:
    """Atoms in the conventional cell: (n,)."""
    return batch.multiplicity.sum(axis=1)


def n_atoms_primitive(batch: CrystalBatch) -> NDArray[np.int64]:
    """Atoms in the primitive cell: (n,)."""
    return n_atoms_conventional(batch) // n_centrings(batch.space_group_number)


def formulas(batch: CrystalBatch) -> NDArray[np.str_]:
    """Formula of each primitive cell, elements in stored order, as "Sc4Ni4P4": (n,)."""
    return _formulas(batch.atomic_numbers, batch.multiplicity // n_centrings(batch.space_group_number)[:, None])


def reduced_formulas(batch: CrystalBatch) -> NDArray[np.str_]:
    """Formula with counts over their greatest common divisor, elements in stored order, as "ScNiP": (n,)."""
    numbers, counts = _merge_equal_elements(batch.atomic_numbers, batch.multiplicity)
    divisor = np.maximum(np.gcd.reduce(counts, axis=1), 1)
    return _formulas(numbers, counts // divisor[:, None])


def _merge_equal_elements(
    atomic_numbers: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Add the count of an element that stands twice to its first place; its later place counts 0."""
    merged = counts.copy()
    for later in range(1, atomic_numbers.shape[1]):
        for earlier in range(later):
            same = atomic_numbers[:, later] == atomic_numbers[:, earlier]
            merged[same, earlier] += merged[same, later]
            merged[same, later] = 0
    return atomic_numbers, merged


def _formulas(atomic_numbers: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.str_]:
    numbers, counts = _merge_equal_elements(atomic_numbers, counts)
    parts = np.strings.add(symbols(numbers), np.where(counts == 1, "", counts.astype(np.str_)))
    parts = np.where(counts > 0, parts, "")
    return np.strings.add(np.strings.add(parts[:, 0], parts[:, 1]), parts[:, 2])


def chemical_systems(atomic_numbers: ArrayLike) -> NDArray[np.str_]:
    """Elements of each crystal, alphabetical and joined by "-", as "Ni-P-Sc".

    Args:
        atomic_numbers: (n, 3).

    Returns:
        (n,) str.
    """
    names = np.sort(symbols(atomic_numbers), axis=1)
    system = names[:, 0]
    for column in range(1, names.shape[1]):
        is_new = names[:, column] != names[:, column - 1]
        system = np.strings.add(system, np.where(is_new, np.strings.add("-", names[:, column]), ""))
    return system


def volumes_per_atom(batch: CrystalBatch) -> NDArray[np.float64]:
    """Volume per atom (Å³): (n,), NaN for a crystal without atoms."""
    n_atoms = n_atoms_conventional(batch)
    return cell_volumes(batch.lattice_parameters) / np.where(n_atoms > 0, n_atoms, np.nan)


def densities(batch: CrystalBatch) -> NDArray[np.float64]:
    """Density (g/cm³): (n,)."""
    masses = (atomic_masses()[batch.atomic_numbers] * batch.multiplicity).sum(axis=1) * ATOMIC_MASS_IN_GRAMS
    volumes = cell_volumes(batch.lattice_parameters) * CUBIC_ANGSTROM_IN_CUBIC_CENTIMETRES
    return masses / np.where(volumes > 0, volumes, np.nan)
