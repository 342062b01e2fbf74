"""The one edge to pymatgen and ASE: a row of ``samples`` or ``materials`` as a Structure or an Atoms, in one call.

structure = to_structure(row)          # a mapping, such as table.to_pylist()[0]
atoms = to_atoms(batch, 17)            # a crystal of a batch
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.elements import atomic_number, symbols
from crystalforge.crystals.lattice import lattice_matrices
from crystalforge.crystals.rows import CRYSTAL_COLUMNS, LATTICE_COLUMNS
from crystalforge.errors import UsageError
from crystalforge.symmetry import expand_orbits

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

Crystal = Mapping[str, Any] | CrystalBatch


def to_structure(crystal: Crystal, index: int = 0) -> Structure:
    """All atoms of the conventional cell as a pymatgen ``Structure``.

    Args:
        crystal: a row of ``samples`` or ``materials`` with merged sites, or a batch.
        index: which crystal of a batch.

    Returns:
        the structure; site property ``wyckoff_letter``; atoms ordered by representative site.

    Raises:
        UsageError: the row has no merged sites, or lacks a column.
    """
    from pymatgen.core import Lattice, Structure

    batch, frac_coords, site_index = _all_atoms(crystal, index)
    return Structure(
        Lattice(lattice_matrices(batch.lattice_parameters)[0]),
        symbols(batch.atomic_numbers[0, site_index]).tolist(),
        frac_coords,
        site_properties={"wyckoff_letter": batch.wyckoff_letter[0, site_index].tolist()},
    )


def to_atoms(crystal: Crystal, index: int = 0) -> Atoms:
    """All atoms of the conventional cell as a periodic ASE ``Atoms``.

    Args:
        crystal: a row of ``samples`` or ``materials`` with merged sites, or a batch.
        index: which crystal of a batch.

    Returns:
        the atoms; per-atom array ``wyckoff_letter``, ``info["space_group_number"]``.

    Raises:
        UsageError: the row has no merged sites, or lacks a column.
    """
    from ase import Atoms

    batch, frac_coords, site_index = _all_atoms(crystal, index)
    atoms = Atoms(
        numbers=batch.atomic_numbers[0, site_index],
        scaled_positions=frac_coords,
        cell=lattice_matrices(batch.lattice_parameters)[0],
        pbc=True,
        info={"space_group_number": int(batch.space_group_number[0])},
    )
    atoms.set_array("wyckoff_letter", batch.wyckoff_letter[0, site_index])
    return atoms


def _all_atoms(crystal: Crystal, index: int) -> tuple[CrystalBatch, NDArray[np.float64], NDArray[np.int64]]:
    """A batch of the one crystal, its atoms' coordinates (n_atoms, 3) and the site of each (n_atoms,)."""
    batch = crystal.select([index]) if isinstance(crystal, CrystalBatch) else crystal_from_row(crystal)
    if not batch.is_placed[0]:
        raise UsageError("The crystal has sites without a place (NaN): expected merged sites. Take an accepted one.")
    orbits = expand_orbits(int(batch.space_group_number[0]), batch.frac_coords[0])
    return batch, orbits.frac_coords, np.asarray(orbits.site_index)


def crystal_from_row(row: Mapping[str, Any]) -> CrystalBatch:
    """A batch of one crystal from a row of ``samples`` or ``materials``.

    Raises:
        UsageError: a column is missing or null.
    """
    absent = [name for name in CRYSTAL_COLUMNS if row.get(name) is None]
    if absent:
        name = row.get("sample_id") or row.get("material_id") or "without an id"
        reason = f", rejected: {row['reject_reason']}" if row.get("reject_reason") else ""
        raise UsageError(
            f"Row {name} is not a whole crystal{reason}: expected {', '.join(CRYSTAL_COLUMNS)}; missing or null are"
            f" {', '.join(absent)}. Select those columns, of rows with base_frac_coords IS NOT NULL."
        )
    return CrystalBatch(
        space_group_number=np.array([row["space_group_number"]]),
        lattice_parameters=np.array([[row[name] for name in LATTICE_COLUMNS]]),
        atomic_numbers=atomic_number([list(row["elements"])]),
        frac_coords=np.array([[list(site) for site in row["base_frac_coords"]]]),
        multiplicity=np.array([list(row["multiplicities"])]),
        wyckoff_letter=np.array([list(row["wyckoff_letters"])]),
    )
