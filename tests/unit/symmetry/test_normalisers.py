"""Euclidean normalisers against the International Tables, their definition, and all shifts of a grid."""

from __future__ import annotations

import numpy as np
import pytest

from crystalforge.errors import UnknownSpaceGroupError
from crystalforge.symmetry import CrystalSystem, SpaceGroup, normaliser, space_group
from crystalforge.symmetry.normalisers import GENERAL_METRICS, SHIFT_DENOMINATOR, setting_changes

INDICES = {
    2: 8, 16: 16, 22: 8, 47: 8, 62: 8, 70: 2, 71: 4, 123: 4, 139: 2, 141: 2, 152: 4, 164: 4, 166: 2, 167: 2, 194: 2,
    195: 8, 198: 8, 205: 2, 212: 2, 214: 2, 216: 8, 221: 2, 225: 2, 227: 2, 229: 1, 230: 1,
}  # fmt: skip
"""Index of a group in its Euclidean normaliser, of the general cell. It follows from the normaliser that International
Tables A (2016), section 3.5.2, names: for 216 that is Im-3m with half the edge, so 2 (orders of the point groups) times
4 (volumes of the primitive cells)."""
SHIFTS = {
    62: {(a, b, c) for a in (0, 12) for b in (0, 12) for c in (0, 12)},
    194: {(0, 0, 0), (0, 0, 12)},
    221: {(0, 0, 0), (12, 12, 12)},
    123: {(0, 0, 0), (12, 12, 0), (0, 0, 12), (12, 12, 12)},
}
"""Shifts of the origin, in 1/24, of groups with primitive lattices, for the same reason: 62 has Pmmm with half the
edges, 194 P6/mmm with half of c, 221 Im-3m, 123 P4/mmm with edges ½(a - b), ½(a + b), ½c."""
POLAR = {
    *range(1, 2), *range(3, 6), *range(6, 10), *range(25, 47), *range(75, 81), *range(99, 111), *range(143, 147),
    *range(156, 162), *range(168, 174), *range(183, 187),
}  # fmt: skip
GRIDS = {62: 24, 71: 24, 139: 24, 141: 8, 164: 24, 166: 24, 216: 8, 198: 8, 227: 8, 70: 24}
"""Steps of a grid that holds every shift of the normaliser."""
UNITS = SHIFT_DENOMINATOR


def operation_set(group: SpaceGroup) -> set[bytes]:
    translations = np.rint(group.translations * UNITS).astype(np.int64) % UNITS
    return rows(group.rotations, translations)


def rows(rotations: np.ndarray, translations: np.ndarray) -> set[bytes]:
    both = np.column_stack([rotations.reshape(-1, 9), translations]).astype(np.int64)
    return {row.tobytes() for row in both}


@pytest.mark.parametrize("number", INDICES)
def test_indices_are_those_of_the_international_tables(number: int) -> None:
    assert len(normaliser(number)) == INDICES[number]


@pytest.mark.parametrize("number", SHIFTS)
def test_shifts_are_those_of_the_international_tables(number: int) -> None:
    found = normaliser(number)
    is_shift = (found.rotations == np.eye(3)).all(axis=(1, 2))
    assert {tuple(row) for row in np.rint(found.translations[is_shift] * 24).astype(int).tolist()} == SHIFTS[number]


def test_every_operation_maps_its_group_onto_itself_and_keeps_the_general_cell() -> None:
    for number in range(1, 231):
        group, found = space_group(number), normaliser(number)
        own, metric = operation_set(group), np.array(GENERAL_METRICS[group.crystal_system])
        R, t = group.rotations, np.rint(group.translations * UNITS).astype(np.int64)
        assert (found.rotations[0] == np.eye(3)).all() and not found.translations[0].any()
        cosets: set[bytes] = set()
        for P, p in zip(found.rotations, found.translations, strict=True):
            shift = np.rint(p * UNITS).astype(np.int64)
            assert np.abs(p * UNITS - shift).max() < 1e-12 and (p >= 0).all() and (p < 1).all()
            assert (P.T @ metric @ P == metric).all()
            conjugate = P @ R @ np.rint(np.linalg.inv(P)).astype(np.int64)
            assert rows(conjugate, (t @ P.T + shift - conjugate @ shift) % UNITS) == own, number
            coset = rows(P @ R, (t @ P.T + shift) % UNITS)
            assert not cosets & coset, number
            cosets |= coset


def test_polar_groups_say_so() -> None:
    polar = {number for number in range(1, 231) if len(normaliser(number).free_directions)}
    assert polar == POLAR and len(polar) == 68
    for number in polar:
        R = space_group(number).rotations
        for direction in normaliser(number).free_directions:
            assert (R @ direction == direction).all()


@pytest.mark.parametrize("number", GRIDS)
def test_no_operation_is_missing(number: int) -> None:
    """Every isometry of the cell with every shift of a grid, tried by the definition."""
    group, n = space_group(number), GRIDS[number]
    metric = np.array(GENERAL_METRICS[group.crystal_system])
    signs = np.stack(np.meshgrid(*[(-1, 0, 1)] * 9, indexing="ij"), axis=-1).reshape(-1, 3, 3)
    isometries = signs[(signs.transpose(0, 2, 1) @ metric @ signs == metric).all(axis=(1, 2))]
    grid = np.stack(np.meshgrid(*[np.arange(n) * (UNITS // n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    R, t = group.point_rotations, np.rint(group.point_translations * UNITS).astype(np.int64)
    centrings = np.rint(group.centrings * UNITS).astype(np.int64)
    known = {R[i].tobytes(): t[i] for i in range(len(R))}
    count = 0
    for P in isometries:
        conjugate = P @ R @ np.rint(np.linalg.inv(P)).astype(np.int64)
        if not all(image.tobytes() in known for image in conjugate) or not _keeps(P, centrings):
            continue
        fits = np.ones(len(grid), dtype=bool)
        for i, image in enumerate(conjugate):
            off = P @ t[i] + grid - grid @ image.T - known[image.tobytes()]
            fits &= ((off[:, None] - centrings) % UNITS == 0).all(axis=2).any(axis=1)
        count += int(fits.sum())
    assert count == len(normaliser(number)) * group.order


def _keeps(P: np.ndarray, centrings: np.ndarray) -> bool:
    lattice = {tuple(row) for row in centrings.tolist()}
    return {tuple(row) for row in (centrings @ P.T % UNITS).tolist()} == lattice


def test_only_orthorhombic_groups_have_settings_that_exchange_unequal_edges() -> None:
    counts = {number: len(setting_changes(number)) // len(normaliser(number)) for number in range(1, 231)}
    others = [n for n in counts if space_group(n).crystal_system != CrystalSystem.ORTHORHOMBIC]
    assert {counts[n] for n in others} == {1}
    # Immm, Pmmm: all six orders of the axes; Pnma: none; Pban: a and b; Pbca: the three cyclic ones.
    assert [counts[n] for n in (71, 47, 62, 50, 61)] == [6, 6, 1, 2, 3]


def test_tables_are_read_only_and_unknown_groups_refused() -> None:
    with pytest.raises(ValueError, match="read-only"):
        normaliser(225).translations[0, 0] = 0.5
    with pytest.raises(UnknownSpaceGroupError, match="230"):
        normaliser(231)
