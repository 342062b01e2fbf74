"""The exact merge of one site after the other, compiled (docs/model.md, Merging).

``merge_sites`` is the loop; the functions below it take one site, and their steps are those of the text, by number.
Compiled code is cached on disk, beside this file or in the user's cache folder where that is read-only, so only the
very first call on a machine waits for the compiler. Vectors are tuples, and tables come one by one, because a view of
an array and an attribute of a tuple each cost a counted reference, as much as the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from crystalforge.symmetry.cells import GOOD, NOT_A_CELL, WRONG_SYSTEM
from crystalforge.symmetry.letter_tables import LetterTables
from crystalforge.symmetry.operation_tables import WORD, OperationTables
from crystalforge.symmetry.tolerances import FIXED_PART_TOLERANCE, LEAST_CUTOFF, MAX_DISTORTION, RESIDUAL, ROUND_OFF

F = TypeVar("F", bound=Callable[..., Any])
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
BitSets = NDArray[np.uint64]

Vector = tuple[float, float, float]
"""Fractional coordinates or displacement."""
Metric = tuple[float, float, float, float, float, float]
"""Components 11, 22, 33, 12, 13, 23 of a metric tensor, Å²."""

PERCOLATES = -1
NO_POSITION = -1

_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_BIT_PLACE = np.zeros(WORD, dtype=np.int64)
_BIT_PLACE[[(int(_DE_BRUIJN) << bit & (1 << WORD) - 1) >> 58 for bit in range(WORD)]] = np.arange(WORD)
"""Place of the one bit that is set, by the upper six bits of its product with a de Bruijn sequence."""


def compiled(function: F) -> F:
    """Compile on first use, to machine code without Python objects; no reordering of sums ("fast math").

    Inlined into the loop, the functions take half the time: a call passes every table with its shape and strides.
    """
    return cast("F", numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)(function))


@compiled
def merge_sites(
    frac_coords: Floats,
    cells: Floats,
    cutoff: Floats,
    repeat: bool,
    tables: OperationTables,
    letters: LetterTables,
    centres: Floats,
    subgroup: Integers,
    position: Integers,
) -> tuple[int, int]:
    """Merge n sites; the last three arrays are filled.

    Args:
        frac_coords: (n, 3).
        cells: (n, 6) Å and degrees.
        cutoff: (n,) Å.
        repeat: merge the centres again until they keep their distance.
        tables: of the space group.
        letters: of the space group.
        centres: (n, 3) in [0, 1), NaN where percolating.
        subgroup: (n,) index of the subgroup H, or ``PERCOLATES``.
        position: (n,) index of the Wyckoff position, or ``NO_POSITION`` where percolating or H is only a part of the
            site symmetry of the centre.

    Returns:
        ``GOOD``, or what is wrong with a cell, and its row; the rows from there on are not filled.
    """
    scalars, operations, scalar_of, rotation_of, rotations, join, mean_rotation, metric_average = tables
    fixed_part, n_spaces, points, positions = letters
    values = np.empty(len(scalars))
    near, vectors = np.empty(len(rotations), dtype=np.int64), np.empty((len(rotations), 3))
    for i in range(len(frac_coords)):
        verdict, metric = _invariant_metric(cells, i, metric_average)
        if verdict != GOOD:
            return verdict, i
        distance = max(cutoff[i], LEAST_CUTOFF)
        H, y = 0, (frac_coords[i, 0], frac_coords[i, 1], frac_coords[i, 2])
        while H != PERCOLATES:
            n_near = _near_operations(
                y, metric, distance, scalars, operations, scalar_of, rotation_of, values, near, vectors
            )
            larger, centre = _centre(y, metric, n_near, near, vectors, rotations, join, mean_rotation)
            # A site that merged with no more than before has kept its place.
            if larger == H:
                break
            H, y = larger, centre
            if not repeat:
                break
        subgroup[i], position[i] = H, NO_POSITION
        centres[i, 0], centres[i, 1], centres[i, 2] = _wrap(y[0]), _wrap(y[1]), _wrap(y[2])
        if H != PERCOLATES:
            position[i] = _wyckoff_position(centres, i, H, fixed_part, n_spaces, points, positions)
    return GOOD, len(frac_coords)


@compiled
def _invariant_metric(cells: Floats, i: int, average: Floats) -> tuple[int, Metric]:
    """Metric (Å²) of cell i of (n, 6), averaged over the point group, with a verdict on the cell.

    The clusters of an orbit are cosets only because symmetry operations are isometries; for a cell of the right crystal
    system the averaging changes nothing beyond round-off.
    """
    a, b, c = cells[i, 0], cells[i, 1], cells[i, 2]
    cos_alpha, cos_beta, cos_gamma = _cosine(cells[i, 3]), _cosine(cells[i, 4]), _cosine(cells[i, 5])
    own = (a * a, b * b, c * c, a * b * cos_gamma, a * c * cos_beta, b * c * cos_alpha)
    # The volume squared over (abc)².
    shape = 1 + 2 * cos_alpha * cos_beta * cos_gamma - cos_alpha**2 - cos_beta**2 - cos_gamma**2
    if not (a > 0 and b > 0 and c > 0 and shape > 1e-9 and np.isfinite(own[0] + own[1] + own[2])):
        return NOT_A_CELL, own
    mean = (
        _dot(average, 0, own),
        _dot(average, 1, own),
        _dot(average, 2, own),
        _dot(average, 3, own),
        _dot(average, 4, own),
        _dot(average, 5, own),
    )
    allowed, verdict = MAX_DISTORTION * (own[0] + own[1] + own[2]), GOOD
    for component in range(6):
        if not abs(mean[component] - own[component]) <= allowed:
            verdict = WRONG_SYSTEM
    return verdict, mean


@compiled
def _cosine(degrees: float) -> float:
    return 0.0 if degrees == 90.0 else np.cos(np.radians(degrees))  # cos 90° would be 6e-17


@compiled
def _dot(matrix: Floats, row: int, own: Metric) -> float:
    value = 0.0
    for column in range(6):
        value += matrix[row, column] * own[column]
    return value


@compiled
def _near_operations(
    x: Vector,
    metric: Metric,
    cutoff: float,
    scalars: Floats,
    operations: BitSets,
    scalar_of: Integers,
    rotation_of: Integers,
    values: Floats,
    near: Integers,
    vectors: Floats,
) -> int:
    """Step 1: rotation and displacement of each operation but the identity that moves x by at most the cut-off.

    The last three arrays are room for the scalars of the site and the answer.

    Returns:
        How many there are, or ``PERCOLATES`` where a rotation has two images in reach.
    """
    if min(metric[0], metric[1], metric[2]) <= cutoff**2:
        return PERCOLATES
    reach = _reach(metric, cutoff)
    one_image = max(reach[0], reach[1], reach[2]) < 0.5
    for s in range(len(values)):
        value = scalars[s, 0] * x[0] + scalars[s, 1] * x[1] + scalars[s, 2] * x[2] + scalars[s, 3]
        values[s] = value - np.floor(value + 0.5)
    n_near, seen = 0, np.uint64(0)
    for word in range(operations.shape[2]):
        candidates = _candidates(word, values, reach, operations)
        while candidates != 0:
            lowest = candidates & (~candidates + np.uint64(1))
            candidates ^= lowest
            op = WORD * word + _BIT_PLACE[(lowest * _DE_BRUIJN) >> np.uint64(58)]
            d = (values[scalar_of[op, 0]], values[scalar_of[op, 1]], values[scalar_of[op, 2]])
            n_images = 1 if one_image and _squared_length(d, metric) <= cutoff**2 else 0
            if not one_image:
                n_images, d = _images_within(d, metric, cutoff, reach)
            p = rotation_of[op]
            if p == 0 and d[0] == 0.0 and d[1] == 0.0 and d[2] == 0.0:
                n_images -= 1  # the identity itself
            if n_images == 0:
                continue
            bit = np.uint64(1) << np.uint64(p)
            if p == 0 or n_images > 1 or seen & bit:
                return PERCOLATES
            seen |= bit
            near[n_near] = p
            vectors[n_near, 0], vectors[n_near, 1], vectors[n_near, 2] = d
            n_near += 1
    return n_near


@compiled
def _reach(metric: Metric, cutoff: float) -> Vector:
    """Largest component on each axis of a displacement within the cut-off: cut-off over interplanar spacing."""
    xx, yy, zz, xy, xz, yz = metric
    minor_x, minor_y, minor_z = yy * zz - yz * yz, xx * zz - xz * xz, xx * yy - xy * xy
    volume = np.sqrt(xx * minor_x - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz))
    scale = cutoff / volume
    return scale * np.sqrt(minor_x) + 1e-9, scale * np.sqrt(minor_y) + 1e-9, scale * np.sqrt(minor_z) + 1e-9


@compiled
def _candidates(word: int, values: Floats, reach: Vector, operations: BitSets) -> np.uint64:
    """One word of the bit set of the operations whose displacement is in reach on every axis."""
    along_a, along_b, along_c = np.uint64(0), np.uint64(0), np.uint64(0)
    for s in range(len(values)):
        size = abs(values[s])
        if size <= reach[0]:
            along_a |= operations[0, s, word]
        if size <= reach[1]:
            along_b |= operations[1, s, word]
        if size <= reach[2]:
            along_c |= operations[2, s, word]
    return along_a & along_b & along_c


@compiled
def _images_within(d: Vector, metric: Metric, cutoff: float, reach: Vector) -> tuple[int, Vector]:
    """How many lattice images of a displacement are within the cut-off, and the last of them."""
    count, last = 0, d
    for i in range(int(np.ceil(-reach[0] - d[0])), int(np.floor(reach[0] - d[0])) + 1):
        for j in range(int(np.ceil(-reach[1] - d[1])), int(np.floor(reach[1] - d[1])) + 1):
            for k in range(int(np.ceil(-reach[2] - d[2])), int(np.floor(reach[2] - d[2])) + 1):
                image = (d[0] + i, d[1] + j, d[2] + k)
                if _squared_length(image, metric) <= cutoff**2:
                    count, last = count + 1, image
    return count, last


@compiled
def _squared_length(d: Vector, metric: Metric) -> float:
    u, v, w = d
    xx, yy, zz, xy, xz, yz = metric
    return u * u * xx + v * v * yy + w * w * zz + 2 * (u * v * xy + u * w * xz + v * w * yz)


@compiled
def _centre(
    x: Vector,
    metric: Metric,
    n_near: int,
    near: Integers,
    vectors: Floats,
    rotations: Floats,
    join: Integers,
    mean_rotation: Floats,
) -> tuple[int, Vector]:
    """Steps 2 to 4: the subgroup that the near operations generate, and the point near x that it fixes.

    Returns:
        Index of the subgroup and its centre, or ``PERCOLATES`` and NaN.
    """
    if n_near == 0:
        return 0, x
    nowhere = (np.nan, np.nan, np.nan)
    if n_near == PERCOLATES:
        return PERCOLATES, nowhere
    H = 0
    for k in range(n_near):
        H = join[H, near[k]]
    shift = _shift(n_near, near, vectors, rotations, mean_rotation, H)
    for k in range(n_near):
        moved = _times(rotations, near[k], shift)
        left = (
            vectors[k, 0] + moved[0] - shift[0],
            vectors[k, 1] + moved[1] - shift[1],
            vectors[k, 2] + moved[2] - shift[2],
        )
        if _squared_length(left, metric) >= RESIDUAL**2:
            return PERCOLATES, nowhere
    return H, (x[0] + shift[0], x[1] + shift[1], x[2] + shift[2])


@compiled
def _shift(n_near: int, near: Integers, vectors: Floats, rotations: Floats, mean_rotation: Floats, H: int) -> Vector:
    """Step 3: M · mean of d over S, with M = (1 - A + P)⁻¹ - P, A the mean rotation of S and P that of H."""
    n = n_near + 1  # and the identity, which does not move
    sums = (0.0, 0.0, 0.0)
    A_x, A_y, A_z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    for k in range(n_near):
        sums = (sums[0] + vectors[k, 0], sums[1] + vectors[k, 1], sums[2] + vectors[k, 2])
        A_x, A_y, A_z = (
            _plus(A_x, rotations, near[k], 0),
            _plus(A_y, rotations, near[k], 1),
            _plus(A_z, rotations, near[k], 2),
        )
    mean = (sums[0] / n, sums[1] / n, sums[2] / n)
    P = mean_rotation
    solved = _solve(
        (1.0 - A_x[0] / n + P[H, 0, 0], P[H, 0, 1] - A_x[1] / n, P[H, 0, 2] - A_x[2] / n),
        (P[H, 1, 0] - A_y[0] / n, 1.0 - A_y[1] / n + P[H, 1, 1], P[H, 1, 2] - A_y[2] / n),
        (P[H, 2, 0] - A_z[0] / n, P[H, 2, 1] - A_z[1] / n, 1.0 - A_z[2] / n + P[H, 2, 2]),
        mean,
    )
    fixed = _times(P, H, mean)
    return solved[0] - fixed[0], solved[1] - fixed[1], solved[2] - fixed[2]


@compiled
def _plus(row: Vector, rotations: Floats, p: int, i: int) -> Vector:
    return row[0] + rotations[p, i, 0], row[1] + rotations[p, i, 1], row[2] + rotations[p, i, 2]


@compiled
def _times(matrices: Floats, which: int, v: Vector) -> Vector:
    return (
        matrices[which, 0, 0] * v[0] + matrices[which, 0, 1] * v[1] + matrices[which, 0, 2] * v[2],
        matrices[which, 1, 0] * v[0] + matrices[which, 1, 1] * v[1] + matrices[which, 1, 2] * v[2],
        matrices[which, 2, 0] * v[0] + matrices[which, 2, 1] * v[1] + matrices[which, 2, 2] * v[2],
    )


@compiled
def _solve(row_x: Vector, row_y: Vector, row_z: Vector, d: Vector) -> Vector:
    """B⁻¹ · d by Cramer's rule, B given by its rows; its determinant is a fraction of small integers."""
    yz, zx, xy = _cross(row_y, row_z), _cross(row_z, row_x), _cross(row_x, row_y)
    scale = 1.0 / (row_x[0] * yz[0] + row_x[1] * yz[1] + row_x[2] * yz[2])
    return (
        scale * (yz[0] * d[0] + zx[0] * d[1] + xy[0] * d[2]),
        scale * (yz[1] * d[0] + zx[1] * d[1] + xy[1] * d[2]),
        scale * (yz[2] * d[0] + zx[2] * d[1] + xy[2] * d[2]),
    )


@compiled
def _cross(u: Vector, v: Vector) -> Vector:
    return u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]


@compiled
def _wyckoff_position(
    sites: Floats,
    i: int,
    H: int,
    fixed_part: Floats,
    n_spaces: Integers,
    points: Floats,
    positions: Integers,
) -> int:
    """Step 5: index of the Wyckoff position of site i of (n, 3), whose site symmetry is H; else ``NO_POSITION``."""
    fixed = _times(fixed_part, H, (sites[i, 0], sites[i, 1], sites[i, 2]))
    for slot in range(n_spaces[H]):
        off_lattice = max(
            _off_integer(fixed[0] - points[H, slot, 0]),
            _off_integer(fixed[1] - points[H, slot, 1]),
            _off_integer(fixed[2] - points[H, slot, 2]),
        )
        if off_lattice < FIXED_PART_TOLERANCE:
            return positions[H, slot]
    return NO_POSITION


@compiled
def _off_integer(value: float) -> float:
    return abs(value - np.floor(value + 0.5))


@compiled
def _wrap(coordinate: float) -> float:
    wrapped = coordinate - np.floor(coordinate)
    return 0.0 if wrapped > 1.0 - ROUND_OFF else wrapped
