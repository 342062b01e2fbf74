"""The crystal of a calculation: all atoms of a primitive cell, as the ledger keeps it and an engine takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.errors import DamagedFileError
from crystalforge.validation.states import Structure

if TYPE_CHECKING:
    from ase import Atoms

    from crystalforge.crystals.batch import CrystalBatch

REQUIRED = ("crystal_id", "formula", "lattice", "frac_coords", "atomic_numbers")


@dataclass(frozen=True)
class Crystal:
    """One crystal before it is computed: a candidate, a real crystal, or an element as a reference.

    Attributes:
        crystal_id: equal crystals share it.
        formula: reduced.
        lattice: (3, 3) vectors as rows (Å).
        frac_coords: (n_atoms, 3).
        atomic_numbers: (n_atoms,).
        space_group_number: that it was drawn in; None where it is not known.
        origin: where it comes from, as ``{"sample_id": …}``.
        structure: which of its cells this is.
        element: that it is the reference of; None for a compound.
        is_molecule: alone in a box: one k-point, and a cell that must stay.
        magnetic_moments: (n_atoms,) to start with (μB), where they are known; None leaves them to the engine.
    """

    crystal_id: str
    formula: str
    lattice: NDArray[np.float64]
    frac_coords: NDArray[np.float64]
    atomic_numbers: NDArray[np.int64]
    space_group_number: int | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    structure: Structure = Structure.GENERATED
    element: str | None = None
    is_molecule: bool = False
    magnetic_moments: tuple[float, ...] | None = None

    @property
    def n_atoms(self) -> int:
        """Atoms in the cell."""
        return len(self.atomic_numbers)

    def to_json(self) -> dict[str, Any]:
        """Plain values; every number comes back as it was."""
        return {
            "crystal_id": self.crystal_id,
            "formula": self.formula,
            "space_group_number": self.space_group_number,
            "lattice": self.lattice.tolist(),
            "frac_coords": self.frac_coords.tolist(),
            "atomic_numbers": self.atomic_numbers.tolist(),
            "origin": dict(self.origin),
            "structure": self.structure.value,
            "element": self.element,
            "is_molecule": self.is_molecule,
            "magnetic_moments": self.magnetic_moments and list(self.magnetic_moments),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Crystal:
        """The crystal from what ``to_json`` gave.

        Raises:
            DamagedFileError: a key is missing, or the numbers are not those of a cell.
        """
        missing = [key for key in REQUIRED if key not in values]
        if missing:
            raise DamagedFileError(f"Not the record of a crystal: expected {', '.join(REQUIRED)}; missing {missing}.")
        numbers = np.asarray(values["atomic_numbers"], dtype=np.int64)
        lattice = np.asarray(values["lattice"], dtype=np.float64)
        sites = np.asarray(values["frac_coords"], dtype=np.float64)
        if lattice.shape != (3, 3) or sites.shape != (len(numbers), 3) or not len(numbers):
            raise DamagedFileError(
                f"Not the record of a crystal: expected a (3, 3) lattice and (n, 3) sites of n atoms, got "
                f"{lattice.shape}, {sites.shape} and {numbers.shape}."
            )
        return cls(
            crystal_id=str(values["crystal_id"]),
            formula=str(values["formula"]),
            lattice=lattice,
            frac_coords=sites,
            atomic_numbers=numbers,
            space_group_number=values.get("space_group_number"),
            origin=dict(values.get("origin") or {}),
            structure=Structure(values.get("structure", Structure.GENERATED)),
            element=values.get("element"),
            is_molecule=bool(values.get("is_molecule")),
            magnetic_moments=tuple(values["magnetic_moments"]) if values.get("magnetic_moments") else None,
        )

    def to_atoms(self) -> Atoms:
        """The cell as a periodic ASE ``Atoms``."""
        from ase import Atoms

        return Atoms(numbers=self.atomic_numbers, scaled_positions=self.frac_coords, cell=self.lattice, pbc=True)


def crystals_of_batch(
    batch: CrystalBatch, crystal_ids: list[str], formulas: list[str], origins: list[dict[str, Any]]
) -> list[Crystal]:
    """The primitive cells of a batch, in its order.

    Args:
        batch: n crystals whose sites all have a place.
        crystal_ids: n.
        formulas: n reduced formulas.
        origins: n.
    """
    from crystalforge.crystals.primitive import primitive_cells

    cells = dict(primitive_cells(batch))
    return [
        Crystal(
            crystal_id=crystal_ids[index],
            formula=formulas[index],
            lattice=cells[index].lattice,
            frac_coords=cells[index].frac_coords,
            atomic_numbers=cells[index].atomic_numbers,
            space_group_number=int(batch.space_group_number[index]),
            origin=origins[index],
        )
        for index in range(len(batch))
    ]
