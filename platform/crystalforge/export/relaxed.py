"""Relaxed cells as symmetrised crystals: their symmetry is searched, for a relaxation may have raised or broken it."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crystalforge.crystals.elements import atomic_number
from crystalforge.crystals.lattice import apply_crystal_system, lattice_parameters_of
from crystalforge.crystals.symmetry_search import DEFAULT_SYMPREC
from crystalforge.export.symmetrised import SymmetrisedCrystal
from crystalforge.symmetry import expand_orbits, hall_number_of, wyckoff_letters

RELAXED_COLUMNS = (
    "relaxation_id",
    "screening_id",
    "potential",
    "potential_version",
    "lattice",
    "species",
    "frac_coords",
)
"""What a relaxed crystal's row has besides."""
TOLERANCE = 1e-4
"""Fractional; round-off of a standardised cell. Sites of two orbits are further apart."""


def relaxed_crystals(rows: pa.Table, symprec: float = DEFAULT_SYMPREC) -> list[SymmetrisedCrystal]:
    """The relaxed cells of rows of ``relaxations``, symmetrised.

    Args:
        rows: n with ``lattice``, ``species`` and ``frac_coords``.
        symprec: of the search (Å); that of the column ``space_group_after``.
    """
    logging.getLogger("moyo").setLevel(logging.ERROR)  # it warns once per atom of a crystal without a consistent group
    columns = (rows[name].to_pylist() for name in ("lattice", "species", "frac_coords"))
    return [
        symmetrise(np.reshape(lattice, (3, 3)), np.reshape(frac_coords, (-1, 3)), atomic_number(species), symprec)
        for lattice, species, frac_coords in zip(*columns, strict=True)
    ]


def symmetrise(
    lattice: NDArray[np.float64],
    frac_coords: NDArray[np.float64],
    atomic_numbers: NDArray[np.int64],
    symprec: float = DEFAULT_SYMPREC,
) -> SymmetrisedCrystal:
    """Search the space group of a cell and bring it to the one Hall setting of that group.

    A cell in which no group is found (atoms closer than ``symprec``) is one of space group 1, as it stands.

    Args:
        lattice: (3, 3) vectors as rows (Å).
        frac_coords: (n_atoms, 3).
        atomic_numbers: (n_atoms,).
        symprec: Å.
    """
    import moyopy

    cell = moyopy.Cell(lattice.tolist(), frac_coords.tolist(), atomic_numbers.tolist())
    try:
        found = moyopy.MoyoDataset(cell, symprec=symprec, setting=moyopy.Setting.spglib())
        if found.hall_number != hall_number_of(found.number):
            setting = moyopy.Setting.hall_number(hall_number_of(found.number))
            found = moyopy.MoyoDataset(cell, symprec=symprec, setting=setting)
    except ValueError:  # moyopy's only error: atoms closer than symprec, or no consistent group
        return _from_cell(1, lattice, frac_coords, atomic_numbers)
    standard = found.std_cell
    basis, sites, numbers = np.array(standard.basis), np.array(standard.positions), np.array(standard.numbers)
    moved = (frac_coords - np.array(found.std_origin_shift)) @ np.linalg.inv(np.array(found.std_linear)).T
    distances = _distances(moved, sites) @ basis
    lengths = np.where(atomic_numbers[:, None] == numbers[None], np.linalg.norm(distances, axis=2), np.inf)
    crystal = _from_cell(int(found.number), basis, sites, numbers)
    return replace(crystal, displacement=float(lengths.min(axis=1).max()))


def _from_cell(
    number: int, lattice: NDArray[np.float64], frac_coords: NDArray[np.float64], atomic_numbers: NDArray[np.int64]
) -> SymmetrisedCrystal:
    """One representative site of each orbit, of a cell in the setting of its group."""
    orbits = expand_orbits(number, frac_coords, tolerance=TOLERANCE)
    ends = np.cumsum(orbits.multiplicity)
    starts = ends - orbits.multiplicity
    first: list[int] = []
    is_free = np.ones(len(frac_coords), dtype=bool)
    while is_free.any():
        atom = int(np.argmax(is_free))
        images = orbits.frac_coords[starts[atom] : ends[atom]]
        is_free &= ~(_are_near(frac_coords, images) & (atomic_numbers == atomic_numbers[atom]))
        is_free[atom] = False
        first.append(atom)
    letters, multiplicity = wyckoff_letters(number, frac_coords[first], TOLERANCE)
    return SymmetrisedCrystal(
        space_group_number=number,
        lattice_parameters=apply_crystal_system(lattice_parameters_of(lattice)[None], number)[0],
        atomic_numbers=atomic_numbers[first].astype(np.int64),
        sites=orbits.frac_coords[starts[first]],
        multiplicity=multiplicity,
        wyckoff_letter=letters,
    )


def _are_near(frac_coords: NDArray[np.float64], images: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of n sites lie on one of the images of another."""
    return np.asarray(np.abs(_distances(frac_coords, images)).max(axis=2).min(axis=1) < TOLERANCE)


def _distances(ones: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, m, 3) fractional, from each of n sites to the nearest image of each of m others."""
    difference: NDArray[np.float64] = ones[:, None] - others[None]
    return difference - np.round(difference)
