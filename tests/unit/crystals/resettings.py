"""Other ways to write the same crystals: other settings of the group, members of the orbits, cells; with noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.symmetry import CrystalSystem, setting_changes, sites_of, space_group, wyckoff_letters


def in_setting(batch: CrystalBatch, change: int) -> CrystalBatch:
    """Crystals of one space group after the change of setting of that index."""
    number = int(batch.space_group_number[0])
    changes = setting_changes(number)
    P, p = changes.rotations[change], changes.translations[change]
    coords = batch.frac_coords @ P.T + p
    letters = wyckoff_letters(number, coords.reshape(-1, 3))[0].reshape(-1, 3)
    cells = batch.lattice_parameters.copy()
    if space_group(number).crystal_system == CrystalSystem.ORTHORHOMBIC:
        cells[:, :3] = cells[:, np.abs(P).argmax(axis=1)]
    return replace(batch, frac_coords=coords, wyckoff_letter=letters, lattice_parameters=cells)


def with_random_members(batch: CrystalBatch, rng: np.random.Generator, noise: float = 0.0) -> CrystalBatch:
    """Crystals of one space group with any member of each orbit, in any cell."""
    group = space_group(int(batch.space_group_number[0]))
    chosen = rng.integers(group.order, size=(len(batch), 3))
    coords = np.einsum("nsij,nsj->nsi", group.rotations[chosen], batch.frac_coords) + group.translations[chosen]
    coords = coords + rng.integers(-2, 3, coords.shape) + noise * rng.uniform(-1, 1, coords.shape)
    return replace(batch, frac_coords=coords)


def random_crystals(number: int, n: int, rng: np.random.Generator) -> CrystalBatch:
    """Crystals of three elements on any Wyckoff positions, in a general cell; not of reasonable distances."""
    group = space_group(number)
    position = rng.integers(len(group.wyckoff_positions), size=(n, 3))
    letters = np.array([p.letter for p in group.wyckoff_positions])[position]
    coords = sites_of(number, letters.ravel(), rng.random((3 * n, 3))).reshape(n, 3, 3)
    multiplicity = np.array([p.multiplicity for p in group.wyckoff_positions])[position]
    numbers = np.stack([rng.permutation(np.arange(1, 90))[:3] for _ in range(n)])
    return CrystalBatch(np.full(n, number), random_cells(number, n, rng), numbers, coords, multiplicity, letters)


def random_cells(number: int, n: int, rng: np.random.Generator) -> np.ndarray:
    from crystalforge.crystals.lattice import apply_crystal_system

    cells = np.column_stack([rng.uniform(3, 12, (n, 3)), rng.uniform(75, 110, (n, 3))])
    return apply_crystal_system(cells, number)


def periodic_difference(first: np.ndarray, second: np.ndarray) -> float:
    """Largest difference of fractional coordinates, 1 ≡ 0."""
    difference = first - second
    return float(np.abs(difference - np.rint(difference)).max(initial=0.0))
