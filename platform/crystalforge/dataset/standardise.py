"""Bring one crystal to the Hall setting of its space group, by spglib: for inputs in any setting.

Runs in the process of the CIF parser, because spglib, too, may take long on a hostile input.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.lattice import lattice_parameters_of
from crystalforge.dataset.exclusion import ExclusionReason, LeftOutError
from crystalforge.symmetry import hall_number_of

SYMPREC = 0.1
"""Tolerance (Å) of the symmetry search: the one that the paper's reference code uses."""
LEAST_VOLUME = 0.1
"""Volume (Å³) below which a cell counts as flat (CDVAE's bound)."""
FULL_OCCUPANCY_TOLERANCE = 1e-3


@dataclass(frozen=True)
class StandardisedCrystal:
    """A ternary crystal of three inequivalent sites, in the Hall setting of its space group.

    Attributes:
        space_group_number: 1 to 230.
        hall_number: 1 to 530.
        lattice_parameters: a, b, c (Å), α, β, γ (degrees) of the conventional cell.
        atomic_numbers: of the three representative sites.
        frac_coords: (3, 3) representative sites.
        n_atoms_conventional: atoms in the conventional cell.
    """

    space_group_number: int
    hall_number: int
    lattice_parameters: list[float]
    atomic_numbers: list[int]
    frac_coords: list[list[float]]
    n_atoms_conventional: int

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def standardise(
    lattice: NDArray[np.float64], frac_coords: NDArray[np.float64], atomic_numbers: NDArray[np.int64]
) -> StandardisedCrystal:
    """Find the space group and the three representative sites in its Hall setting.

    Args:
        lattice: (3, 3) rows a, b, c (Å).
        frac_coords: (n_atoms, 3) all atoms of the cell.
        atomic_numbers: (n_atoms,).

    Raises:
        LeftOutError: not a crystal of three elements on three inequivalent sites.
    """
    check_cell(lattice, frac_coords)
    elements = np.unique(atomic_numbers)
    if len(elements) != 3:
        raise LeftOutError(ExclusionReason.NOT_TERNARY, f"expected 3 elements, found {len(elements)}")
    dataset = _symmetry_dataset(lattice, frac_coords, atomic_numbers)
    orbits, first_atoms = np.unique(dataset.crystallographic_orbits, return_index=True)
    if len(orbits) != 3:
        raise LeftOutError(
            ExclusionReason.NOT_THREE_SITES,
            f"expected 3 inequivalent sites, found {len(orbits)} in space group {dataset.number}",
        )
    in_primitive = np.asarray(dataset.mapping_to_primitive)[first_atoms]
    sites = [int(np.flatnonzero(np.asarray(dataset.std_mapping_to_primitive) == atom)[0]) for atom in in_primitive]
    return StandardisedCrystal(
        space_group_number=int(dataset.number),
        hall_number=int(dataset.hall_number),
        lattice_parameters=lattice_parameters_of(np.asarray(dataset.std_lattice)).tolist(),
        atomic_numbers=[int(dataset.std_types[site]) for site in sites],
        frac_coords=[[float(x) for x in dataset.std_positions[site]] for site in sites],
        n_atoms_conventional=len(dataset.std_types),
    )


def check_cell(lattice: NDArray[np.float64], coords: NDArray[np.float64]) -> None:
    """Refuse a cell that no search for symmetry needs to see.

    Args:
        lattice: (3, 3) rows a, b, c (Å).
        coords: (n_atoms, 3), Cartesian or fractional.

    Raises:
        LeftOutError: a number is not finite, or the cell has no volume.
    """
    if not np.isfinite(lattice).all() or not np.isfinite(coords).all():
        raise LeftOutError(ExclusionReason.BAD_CELL, "expected finite cell vectors and coordinates, found NaN or ∞")
    volume = abs(float(np.linalg.det(lattice)))
    if not volume >= LEAST_VOLUME:
        raise LeftOutError(
            ExclusionReason.BAD_CELL, f"expected a cell of at least {LEAST_VOLUME} Å³, found {volume:.3g} Å³"
        )


def _symmetry_dataset(
    lattice: NDArray[np.float64], frac_coords: NDArray[np.float64], atomic_numbers: NDArray[np.int64]
) -> Any:
    """spglib's dataset in the one Hall setting; its standard choice first, as that is mostly the one already."""
    cell = (lattice, frac_coords, atomic_numbers)
    found = _call_spglib(cell, 0)
    if found is not None and found.hall_number != hall_number_of(int(found.number)):
        found = _call_spglib(cell, hall_number_of(int(found.number)))
    if found is None:
        raise LeftOutError(
            ExclusionReason.SYMMETRY_NOT_FOUND,
            f"spglib finds no space group at symprec {SYMPREC} Å: atoms of one element may overlap",
        )
    return found


def _call_spglib(cell: tuple[Any, Any, Any], hall_number: int) -> Any | None:
    import spglib

    with warnings.catch_warnings():
        # spglib 2.x warns at each call that its way of reporting errors will change; both ways are handled here.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return spglib.get_symmetry_dataset(cell, symprec=SYMPREC, hall_number=hall_number)
        except spglib.SpglibError:
            return None
