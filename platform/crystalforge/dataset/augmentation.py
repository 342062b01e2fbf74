"""Self-augmentation: every orbit written out once, so that training only draws indices.

Zhao, Siriwardane, Hu (2021), "Self-augmentation": for each element a random atom of its orbit is chosen; three such
sets of base sites make a sample. Lattice, space group and elements stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.rows import batch_from_table
from crystalforge.dataset.split import split_materials
from crystalforge.errors import UnknownSpaceGroupError
from crystalforge.symmetry import expand_orbits


@dataclass(frozen=True)
class OrbitTable:
    """All atoms of each representative site of crystals of one space group.

    Attributes:
        coords: (n_crystals, 3, max_multiplicity, 3) float32, fractional, in [0, 1); entry k is atom
            ``k % multiplicity`` of the orbit.
        multiplicity: (n_crystals, 3) int64; drawing ``randint(multiplicity)`` draws each atom equally often.
    """

    coords: NDArray[np.float32]
    multiplicity: NDArray[np.int64]


@dataclass(frozen=True)
class TrainingTable:
    """What the training of one space group reads, as arrays that go to a device as they are.

    Attributes:
        space_group_number: 1 to 230.
        lattice_parameters: (n_crystals, 6) float32: a, b, c (Å), α, β, γ (degrees).
        atomic_numbers: (n_crystals, 3) int64, by ascending electronegativity.
        orbit_coords: (n_crystals, 3, max_multiplicity, 3) float32, as ``OrbitTable.coords``.
        multiplicity: (n_crystals, 3) int64.
        crystals: the same crystals as they stand in the dataset.
    """

    space_group_number: int
    lattice_parameters: NDArray[np.float32]
    atomic_numbers: NDArray[np.int64]
    orbit_coords: NDArray[np.float32]
    multiplicity: NDArray[np.int64]
    crystals: CrystalBatch

    def __len__(self) -> int:
        return len(self.atomic_numbers)


def orbit_table(batch: CrystalBatch) -> OrbitTable:
    """Expand the sites of crystals of one space group, padded by repetition to the greatest multiplicity.

    Args:
        batch: at least one crystal, all of the same space group.

    Raises:
        UnknownSpaceGroupError: none or several space groups.
    """
    numbers = np.unique(batch.space_group_number)
    if len(numbers) != 1:
        raise UnknownSpaceGroupError(
            f"An orbit table holds one space group: expected crystals of one, found {numbers.tolist()}."
        )
    orbits = expand_orbits(int(numbers[0]), batch.frac_coords.reshape(-1, 3))
    multiplicity = np.asarray(orbits.multiplicity, dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(multiplicity)[:-1]])
    members = np.arange(multiplicity.max())[None, :] % multiplicity[:, None]
    coords = np.asarray(orbits.frac_coords, dtype=np.float32)[starts[:, None] + members]
    coords[coords >= 1.0] = 0.0  # what rounds up to 1 in single precision is the atom at 0
    n_crystals = len(batch)
    return OrbitTable(coords.reshape(n_crystals, 3, -1, 3), multiplicity.reshape(n_crystals, 3))


def training_table(materials: pa.Table, space_group_number: int, validation_share: float = 0.0) -> TrainingTable:
    """The crystals of one space group, ready for training.

    Args:
        materials: rows of schema ``materials``.
        space_group_number: which.
        validation_share: share of the formulas that is left out (``dataset.split``); 0 keeps all.

    Raises:
        UnknownSpaceGroupError: the dataset holds no crystal of it, or all are left out.
    """
    rows = materials.filter(pc.equal(materials["space_group_number"], space_group_number))
    if validation_share:
        rows = split_materials(rows, validation_share)[0]
    if rows.num_rows == 0:
        held = sorted(pc.unique(materials["space_group_number"]).to_pylist())
        raise UnknownSpaceGroupError(
            f"The dataset holds no crystal of space group {space_group_number}: expected one of {held}."
        )
    batch = batch_from_table(rows)
    orbits = orbit_table(batch)
    return TrainingTable(
        space_group_number=space_group_number,
        lattice_parameters=batch.lattice_parameters.astype(np.float32),
        atomic_numbers=batch.atomic_numbers.astype(np.int64),
        orbit_coords=orbits.coords,
        multiplicity=orbits.multiplicity,
        crystals=batch,
    )
