"""Euclidean normalisers: the changes of setting that leave a space group and every cell of its crystal system as is.

An operation (P, p) is of the Euclidean normaliser N of a space group Γ if it is an isometry and (P, p) Γ (P, p)⁻¹ = Γ
(International Tables for Crystallography A, chapter 3.5). It takes a crystal of Γ to the same crystal in another
setting of Γ: another origin, other directions of the axes, or the mirror image. Here N is that of the general cell of
the crystal system, so it holds for all cells; a cell with a higher metric has more such operations.

For each rotation P, p follows from (1 - R')·p ≡ t' - P·t modulo the lattice for all (R, t) of Γ, where (R', t') is the
operation with R' = P R P⁻¹: linear equations in integers, solved exactly. In a polar group some shifts are continuous;
then only one representative of each such family is given, with ``free_directions``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from crystalforge.symmetry.integer_equations import Integers, Solutions, solve_modulo_one
from crystalforge.symmetry.lattice_basis import lattice_basis
from crystalforge.symmetry.space_groups import CrystalSystem, SpaceGroup, space_group
from crystalforge.symmetry.spglib_database import TRANSLATION_DENOMINATOR

_HEXAGONAL = ((2, -1, 0), (-1, 2, 0), (0, 0, 7))
GENERAL_METRICS: dict[CrystalSystem, tuple[tuple[int, int, int], ...]] = {
    CrystalSystem.TRICLINIC: ((31, 3, 4), (3, 37, 5), (4, 5, 41)),
    CrystalSystem.MONOCLINIC: ((31, 0, 4), (0, 37, 0), (4, 0, 41)),
    CrystalSystem.ORTHORHOMBIC: ((31, 0, 0), (0, 37, 0), (0, 0, 41)),
    CrystalSystem.TETRAGONAL: ((1, 0, 0), (0, 1, 0), (0, 0, 7)),
    CrystalSystem.TRIGONAL: _HEXAGONAL,
    CrystalSystem.HEXAGONAL: _HEXAGONAL,
    CrystalSystem.CUBIC: ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}
"""A metric tensor of each system whose symmetry, with entries of -1, 0, 1, is that of the general cell."""
SHIFT_DENOMINATOR = 2 * TRANSLATION_DENOMINATOR
"""Every translation of a normaliser is a multiple of 1 over this."""
_ANY_AXES = GENERAL_METRICS[CrystalSystem.CUBIC]


@dataclass(frozen=True)
class Normaliser:
    """Representatives of the cosets of a space group in its normaliser, the identity first; arrays are read-only.

    An operation takes the column of fractional coordinates x to ``rotation @ x + translation``; every other operation
    of the normaliser is one of these times one of the group (and, if polar, times a shift along a free direction).

    Attributes:
        rotations: (k, 3, 3) integers.
        translations: (k, 3) fractional, in [0, 1), multiples of 1/48 to the nearest double.
        free_directions: (n_free, 3) integers; a polar group also stays itself under any shift along these.
    """

    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]
    free_directions: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rotations)


@cache
def normaliser(space_group_number: int) -> Normaliser:
    """Euclidean normaliser, of the general cell of the crystal system, modulo the space group.

    Args:
        space_group_number: 1 to 230.

    Raises:
        UnknownSpaceGroupError: the number is outside 1 to 230.
    """
    group = space_group(space_group_number)
    return _cosets(group, GENERAL_METRICS[group.crystal_system])


@cache
def setting_changes(space_group_number: int) -> Normaliser:
    """As ``normaliser``, with the exchanges of orthorhombic axes that map the group onto itself.

    These change the cell: edge i of the new one is the edge j of the old one with ``rotation[i, j]`` = ±1.

    Args:
        space_group_number: 1 to 230.

    Raises:
        UnknownSpaceGroupError: the number is outside 1 to 230.
    """
    group = space_group(space_group_number)
    if group.crystal_system != CrystalSystem.ORTHORHOMBIC:
        return normaliser(space_group_number)
    return _cosets(group, _ANY_AXES)


class _Primitive:
    """Operations in a primitive basis of the lattice, where lattice vectors are integers."""

    def __init__(self, group: SpaceGroup) -> None:
        basis = lattice_basis(np.concatenate([np.eye(3), group.centrings]), TRANSLATION_DENOMINATOR)
        self.from_primitive = basis.T
        self.to_primitive = np.rint(np.linalg.inv(basis.T)).astype(np.int64)
        self.rotations = self.rotated(group.point_rotations)
        units = np.rint(group.point_translations * TRANSLATION_DENOMINATOR).astype(np.int64)
        self.translations = units @ self.to_primitive.T % TRANSLATION_DENOMINATOR  # (n_point, 3) in 1/24

    def rotated(self, rotations: Integers) -> Integers:
        """Rotations (n, 3, 3) of the conventional cell in this basis; those that change the lattice become zero."""
        moved = self.to_primitive @ rotations @ self.from_primitive
        whole = np.rint(moved).astype(np.int64)
        return np.where(np.abs(moved - whole).max(axis=(1, 2), keepdims=True) < 1e-9, whole, 0)


def _cosets(group: SpaceGroup, metric: tuple[tuple[int, int, int], ...]) -> Normaliser:
    primitive = _Primitive(group)
    candidates = _isometries(np.array(metric))
    P, right = _right_sides(primitive, primitive.rotated(candidates))
    solutions = solve_modulo_one(
        (np.eye(3, dtype=np.int64) - primitive.rotations).reshape(-1, 3), right, TRANSLATION_DENOMINATOR
    )
    P, shifts = P[solutions.solvable], solutions.values[solutions.solvable]
    # Of one P, an element without shift comes first: it is the simplest to read.
    shifts = np.take_along_axis(shifts, np.argsort(shifts.any(axis=2), axis=1, kind="stable")[:, :, None], axis=1)
    rotations = np.repeat(P, shifts.shape[1], axis=0)
    first = _first_of_each_coset(primitive, solutions, rotations, shifts.reshape(-1, 3))
    chosen = np.rint(primitive.from_primitive @ rotations[first] @ primitive.to_primitive).astype(np.int64)
    translations = shifts.reshape(-1, 3)[first] @ primitive.from_primitive.T / solutions.denominator
    free = np.rint(primitive.from_primitive @ solutions.free * 6).astype(np.int64).T
    found = Normaliser(chosen, _nearest_multiples(translations), free // np.gcd.reduce(free, axis=1, keepdims=True))
    for array in (found.rotations, found.translations, found.free_directions):
        array.setflags(write=False)
    return found


def _isometries(metric: Integers) -> Integers:
    """Integer matrices (n, 3, 3) that leave a metric as it is: the identity first, then proper before improper."""
    entries = np.stack(np.meshgrid(*[(-1, 0, 1)] * 9, indexing="ij"), axis=-1).reshape(-1, 3, 3)
    kept = entries[(entries.transpose(0, 2, 1) @ metric @ entries == metric).all(axis=(1, 2))]
    is_identity = (kept == np.eye(3, dtype=int)).all(axis=(1, 2))
    return kept[np.lexsort((np.rint(-np.linalg.det(kept)), ~is_identity))]


def _right_sides(primitive: _Primitive, candidates: Integers) -> tuple[Integers, Integers]:
    """Rotations P (k, 3, 3) that map the point group onto itself, and t' - P·t (3·n_point, k) of each, in 1/24."""
    index = {rotation.tobytes(): i for i, rotation in enumerate(primitive.rotations)}
    kept, sides = [], []
    for P in candidates:
        if not P.any():
            continue
        inverse = np.rint(np.linalg.inv(P)).astype(np.int64)
        conjugate = [index.get(R.tobytes(), -1) for R in np.ascontiguousarray(inverse @ primitive.rotations @ P)]
        if min(conjugate) < 0:
            continue
        kept.append(P)
        sides.append((primitive.translations - primitive.translations[conjugate] @ P.T).ravel())
    return np.array(kept), np.array(sides).T


def _first_of_each_coset(
    primitive: _Primitive, solutions: Solutions, rotations: Integers, shifts: Integers
) -> NDArray[np.int64]:
    """Index of the first element (P, p) of each coset (P, p)·Γ, where p counts modulo lattice and free directions."""
    scale = solutions.denominator // TRANSLATION_DENOMINATOR
    seen: set[bytes] = set()
    first = []
    for i in range(len(rotations)):
        products = rotations[i] @ primitive.rotations
        moved = primitive.translations @ rotations[i].T * scale + shifts[i]
        parts = moved @ solutions.components.T % solutions.denominator
        keys = {key.tobytes() for key in np.concatenate([products.reshape(-1, 9), parts], axis=1)}
        if not keys & seen:
            first.append(i)
            seen |= keys
    return np.array(first, dtype=np.int64)


def _nearest_multiples(translations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Translations in [0, 1), made the nearest doubles to multiples of 1/48."""
    return np.rint(translations * SHIFT_DENOMINATOR) % SHIFT_DENOMINATOR / SHIFT_DENOMINATOR
