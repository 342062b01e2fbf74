"""SymmetrisedCrystal: space group, cell and representative sites, however many; what every format is written from.

``k`` is the number of representative sites, ``n_atoms`` that of all atoms of the conventional cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.elements import symbols
from crystalforge.crystals.lattice import lattice_matrices
from crystalforge.crystals.structures import crystal_from_row
from crystalforge.errors import DamagedFileError, UsageError
from crystalforge.symmetry import expand_orbits


@dataclass(frozen=True, eq=False)
class SymmetrisedCrystal:
    """A crystal in the one Hall setting of its space group, each site exactly on its Wyckoff position.

    Attributes:
        space_group_number: 1 to 230.
        lattice_parameters: (6,) a, b, c (Å), α, β, γ (degrees) of the conventional cell.
        atomic_numbers: (k,) of the representative sites.
        sites: (k, 3) representative sites (fractional).
        multiplicity: (k,) atoms of each orbit in the conventional cell.
        wyckoff_letter: (k,).
        displacement: largest distance (Å) from where an atom was to where symmetrising put it; 0 for crystals whose
            rows have representative sites.
    """

    space_group_number: int
    lattice_parameters: NDArray[np.float64]
    atomic_numbers: NDArray[np.int64]
    sites: NDArray[np.float64]
    multiplicity: NDArray[np.int64]
    wyckoff_letter: NDArray[np.str_]
    displacement: float = 0.0

    @property
    def n_atoms(self) -> int:
        """Atoms in the conventional cell."""
        return int(self.multiplicity.sum())

    @cached_property
    def lattice(self) -> NDArray[np.float64]:
        """(3, 3) vectors a, b, c of the conventional cell as rows (Å), a along x and b in the xy plane."""
        matrix: NDArray[np.float64] = lattice_matrices(self.lattice_parameters[None])[0]
        return matrix

    @cached_property
    def frac_coords(self) -> NDArray[np.float64]:
        """(n_atoms, 3) all atoms of the conventional cell, orbit by orbit."""
        return expand_orbits(self.space_group_number, self.sites).frac_coords

    @property
    def site_index(self) -> NDArray[np.int64]:
        """(n_atoms,) the representative site of each atom."""
        return np.repeat(np.arange(len(self.sites)), self.multiplicity)

    @property
    def species(self) -> list[str]:
        """Symbol of each atom of the conventional cell."""
        names: list[str] = symbols(self.atomic_numbers[self.site_index]).tolist()
        return names


def symmetrised_crystals(batch: CrystalBatch) -> Iterator[SymmetrisedCrystal]:
    """The crystals of a batch, in its order; all atoms are expanded for a whole space group at once.

    Raises:
        UsageError: a site has no place.
        DamagedFileError: a site's orbit has another multiplicity than the batch says.
    """
    if not batch.is_placed.all():
        row = int(np.flatnonzero(~batch.is_placed)[0])
        raise UsageError(f"Crystal {row} has sites without a place (NaN): expected merged sites. Take accepted ones.")
    atoms = _all_atoms(batch)
    matrices = lattice_matrices(batch.lattice_parameters)
    for index in range(len(batch)):
        first = np.cumsum(batch.multiplicity[index]) - batch.multiplicity[index]
        crystal = SymmetrisedCrystal(
            space_group_number=int(batch.space_group_number[index]),
            lattice_parameters=batch.lattice_parameters[index],
            atomic_numbers=batch.atomic_numbers[index],
            sites=atoms[index][first],
            multiplicity=batch.multiplicity[index],
            wyckoff_letter=batch.wyckoff_letter[index],
        )
        # What the cached properties would compute one by one.
        crystal.__dict__.update(frac_coords=atoms[index], lattice=matrices[index])
        yield crystal


def _all_atoms(batch: CrystalBatch) -> list[NDArray[np.float64]]:
    """(n_atoms, 3) of each crystal."""
    atoms: list[NDArray[np.float64]] = [np.empty((0, 3))] * len(batch)
    for number, members in batch.by_space_group():
        orbits = expand_orbits(number, batch.frac_coords[members].reshape(-1, 3))
        multiplicity = orbits.multiplicity.reshape(len(members), -1)
        if not (multiplicity == batch.multiplicity[members]).all():
            row = int(np.flatnonzero((multiplicity != batch.multiplicity[members]).any(axis=1))[0])
            raise DamagedFileError(
                f"Crystal {members[row]}: its row says multiplicities {batch.multiplicity[members[row]].tolist()}, its "
                f"sites have {multiplicity[row].tolist()} in space group {number}. Merge the sites, or leave the row "
                "out by a condition."
            )
        n_atoms = multiplicity.sum(axis=1)
        for member, of_crystal in zip(members, np.split(orbits.frac_coords, np.cumsum(n_atoms)[:-1]), strict=True):
            atoms[int(member)] = of_crystal
    return atoms


Crystal = SymmetrisedCrystal | CrystalBatch | Mapping[str, Any]
"""What the writers of text take: a crystal, a batch with an index, or a row of ``samples`` or ``materials``."""


def as_symmetrised(crystal: Crystal, index: int = 0) -> SymmetrisedCrystal:
    """The one crystal of a row, or of a batch at an index.

    Raises:
        UsageError: the row has no merged sites, or lacks a column.
    """
    if isinstance(crystal, SymmetrisedCrystal):
        return crystal
    batch = crystal.select([index]) if isinstance(crystal, CrystalBatch) else crystal_from_row(crystal)
    return next(symmetrised_crystals(batch))
