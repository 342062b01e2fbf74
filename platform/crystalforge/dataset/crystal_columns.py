"""Standardised crystals as columns: what every source becomes before curation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalforge.dataset.cif_parser import CrystalRecord
from crystalforge.dataset.standardise import StandardisedCrystal

PROPERTIES = ("formation_energy_per_atom", "energy_above_hull", "band_gap")
"""Taken from the source as they are (eV/atom, eV/atom, eV)."""


@dataclass(frozen=True)
class CrystalColumns:
    """Crystals of three representative sites, not yet checked.

    Attributes:
        inputs: (n,) what a report calls each.
        material_ids: (n,) identifiers in the source.
        space_group_number: (n,) int.
        hall_number: (n,) int; 0 where the source states none.
        lattice_parameters: (n, 6) a, b, c (Å), α, β, γ (degrees).
        atomic_numbers: (n, 3) int; 0 where the element is unknown.
        frac_coords: (n, 3, 3) representative sites.
        n_atoms_conventional: (n,) int, as stated; 0 where the source states none.
        multiplicity: (n, 3) int, as stated; 0 where the source states none.
        properties: name → (n,) float, NaN where unknown.
    """

    inputs: NDArray[np.object_]
    material_ids: NDArray[np.object_]
    space_group_number: NDArray[np.int64]
    hall_number: NDArray[np.int64]
    lattice_parameters: NDArray[np.float64]
    atomic_numbers: NDArray[np.int64]
    frac_coords: NDArray[np.float64]
    n_atoms_conventional: NDArray[np.int64]
    multiplicity: NDArray[np.int64]
    properties: dict[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.inputs)


def columns_of(parsed: Sequence[tuple[CrystalRecord, StandardisedCrystal]]) -> CrystalColumns:
    """Gather what the CIF parser gave into columns."""
    n = len(parsed)
    records = [record for record, _ in parsed]
    crystals = [crystal for _, crystal in parsed]

    def integers(name: str) -> NDArray[np.int64]:
        return np.array([getattr(crystal, name) for crystal in crystals], dtype=np.int64)

    return CrystalColumns(
        inputs=np.array([record.input for record in records], dtype=object),
        material_ids=np.array([record.material_id for record in records], dtype=object),
        space_group_number=integers("space_group_number"),
        hall_number=integers("hall_number"),
        lattice_parameters=np.array([crystal.lattice_parameters for crystal in crystals], dtype=float).reshape(n, 6),
        atomic_numbers=integers("atomic_numbers").reshape(n, 3),
        frac_coords=np.array([crystal.frac_coords for crystal in crystals], dtype=float).reshape(n, 3, 3),
        n_atoms_conventional=integers("n_atoms_conventional"),
        multiplicity=np.zeros((n, 3), dtype=np.int64),
        properties={name: _property(records, name) for name in PROPERTIES},
    )


def _property(records: Sequence[CrystalRecord], name: str) -> NDArray[np.float64]:
    values = [record.properties.get(name) for record in records]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
