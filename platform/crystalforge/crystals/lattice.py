"""Lattices: cell vectors, metric tensors, volumes, and the equalities of the crystal systems.

Lattice parameters are always (n_crystals, 6): a, b, c in Å, then α, β, γ in degrees.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalforge.errors import UnknownSpaceGroupError
from crystalforge.symmetry import CrystalSystem, crystal_system_of

FloatArray = NDArray[np.float64]

EQUAL_LENGTHS: dict[CrystalSystem, tuple[int, ...]] = {
    CrystalSystem.TRICLINIC: (),
    CrystalSystem.MONOCLINIC: (),
    CrystalSystem.ORTHORHOMBIC: (),
    CrystalSystem.TETRAGONAL: (0, 1),
    CrystalSystem.TRIGONAL: (0, 1),
    CrystalSystem.HEXAGONAL: (0, 1),
    CrystalSystem.CUBIC: (0, 1, 2),
}
"""Which of a, b, c are equal; trigonal groups stand in hexagonal axes."""

FIXED_ANGLES: dict[CrystalSystem, dict[int, float]] = {
    CrystalSystem.TRICLINIC: {},
    CrystalSystem.MONOCLINIC: {3: 90.0, 5: 90.0},
    CrystalSystem.ORTHORHOMBIC: {3: 90.0, 4: 90.0, 5: 90.0},
    CrystalSystem.TETRAGONAL: {3: 90.0, 4: 90.0, 5: 90.0},
    CrystalSystem.TRIGONAL: {3: 90.0, 4: 90.0, 5: 120.0},
    CrystalSystem.HEXAGONAL: {3: 90.0, 4: 90.0, 5: 120.0},
    CrystalSystem.CUBIC: {3: 90.0, 4: 90.0, 5: 90.0},
}
"""Column of the lattice parameters → angle (degrees); monoclinic groups have b as their unique axis."""


def lattice_matrices(lattice_parameters: ArrayLike) -> FloatArray:
    """Cell vectors of each crystal, as rows.

    The standard orientation: a along x, b in the xy plane, c above it. Right angles give exact zeros.

    Args:
        lattice_parameters: (n_crystals, 6).

    Returns:
        (n_crystals, 3, 3) in Å; a fractional vector f lies at ``f @ matrix``. A cell whose angles enclose no volume
        gives NaN.
    """
    parameters = np.asarray(lattice_parameters, dtype=np.float64)
    a, b, c = parameters[:, 0], parameters[:, 1], parameters[:, 2]
    cos_alpha, cos_beta, cos_gamma = np.moveaxis(_cosines(parameters[:, 3:]), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        sin_gamma = np.sqrt(1.0 - cos_gamma**2)
        c_y = (cos_alpha - cos_beta * cos_gamma) / sin_gamma
        c_z = np.sqrt(1.0 - cos_beta**2 - c_y**2)
    matrices = np.zeros((len(parameters), 3, 3))
    matrices[:, 0, 0] = a
    matrices[:, 1, 0], matrices[:, 1, 1] = b * cos_gamma, b * sin_gamma
    matrices[:, 2, 0], matrices[:, 2, 1], matrices[:, 2, 2] = c * cos_beta, c * c_y, c * c_z
    return matrices


def _cosines(degrees: FloatArray) -> FloatArray:
    """Cosines, exact at 90 and 120 degrees, so that symmetric cells stay exactly symmetric."""
    cosines = np.cos(np.radians(degrees))
    cosines[degrees == 90.0] = 0.0
    cosines[degrees == 120.0] = -0.5
    cosines[degrees == 60.0] = 0.5
    return cosines


def lattice_parameters_of(lattice: FloatArray) -> FloatArray:
    """Lengths and angles of one cell, however it is turned.

    Args:
        lattice: (3, 3) vectors as rows (Å).

    Returns:
        (6,).
    """
    lengths = np.linalg.norm(lattice, axis=1)
    cosines = [lattice[i] @ lattice[j] / (lengths[i] * lengths[j]) for i, j in ((1, 2), (0, 2), (0, 1))]
    return np.array([*lengths, *np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))])


def metric_tensors(lattice_parameters: ArrayLike) -> FloatArray:
    """Metric tensor G of each cell: the squared length of a fractional vector f is f·G·f.

    Args:
        lattice_parameters: (n_crystals, 6).

    Returns:
        (n_crystals, 3, 3) in Å².
    """
    parameters = np.asarray(lattice_parameters, dtype=np.float64)
    lengths = parameters[:, :3]
    tensors = lengths[:, :, None] * lengths[:, None, :]
    cosines = _cosines(parameters[:, 3:])
    for (i, j), angle in {(1, 2): 0, (0, 2): 1, (0, 1): 2}.items():
        tensors[:, i, j] *= cosines[:, angle]
        tensors[:, j, i] = tensors[:, i, j]
    return tensors


def cell_volumes(lattice_parameters: ArrayLike) -> FloatArray:
    """Volume of each conventional cell.

    Args:
        lattice_parameters: (n_crystals, 6).

    Returns:
        (n_crystals,) in Å³.
    """
    parameters = np.asarray(lattice_parameters, dtype=np.float64)
    cosines = _cosines(parameters[:, 3:])
    with np.errstate(invalid="ignore"):
        shape = np.sqrt(1.0 - (cosines**2).sum(axis=1) + 2.0 * cosines.prod(axis=1))
    return parameters[:, :3].prod(axis=1) * shape


def apply_crystal_system(lattice_parameters: ArrayLike, crystal_system: CrystalSystem | str | int) -> FloatArray:
    """Give cells the equalities of a crystal system: equal lengths are averaged, fixed angles are set.

    Args:
        lattice_parameters: (n_crystals, 6), all of the one crystal system.
        crystal_system: a ``CrystalSystem`` or its name, or a space group number.

    Returns:
        (n_crystals, 6), a copy.

    Raises:
        UnknownSpaceGroupError: no such system or number.
    """
    system = _crystal_system(crystal_system)
    parameters = np.array(lattice_parameters, dtype=np.float64)
    equal = list(EQUAL_LENGTHS[system])
    if equal:
        parameters[:, equal] = parameters[:, equal].mean(axis=1, keepdims=True)
    for column, angle in FIXED_ANGLES[system].items():
        parameters[:, column] = angle
    return parameters


def _crystal_system(given: CrystalSystem | str | int) -> CrystalSystem:
    if not isinstance(given, str):
        return crystal_system_of(int(given))
    try:
        return CrystalSystem(given.lower())
    except ValueError:
        expected = ", ".join(CrystalSystem)
        raise UnknownSpaceGroupError(f"Unknown crystal system {given!r}: expected one of {expected}.") from None
