"""Least contacts: exact least distances between all atoms of a crystal, from its representative sites.

The least distance between two orbits is the least distance from one site of the first to any site of the second, so
three representative sites against three full orbits (6 pairs) say everything. Which lattice images are scanned:

- right angles: each fractional difference reduced to [-1/2, 1/2] is the nearest image; no scan;
- hexagonal axes (a = b, γ = 120°): reduced likewise, the nearest image is one of the four lattice points around the
  difference in the ab plane, and only two of them can win (``_hexagonal_squares``); no scan;
- any other cell: a reduced difference is at most U = half the longest body diagonal long, and an image n lattice
  steps away along axis k is at least (|n| - 1/2)·h_k long, h_k the interplanar spacing; all images with
  |n| ≤ U/h_k + 1/2 are scanned. Exact, but slow for very skewed cells; none of the 12 groups needs it.

The atom's own lattice images count: operations that fix the site are left out, the shortest lattice vector is put in.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.elements import atomic_radii
from crystalforge.crystals.images import AxisForms, axis_forms
from crystalforge.crystals.lattice import lattice_matrices, metric_tensors

FloatArray = NDArray[np.float64]
Forms = tuple[AxisForms, AxisForms, AxisForms]

SITE_PAIRS: tuple[tuple[int, int], ...] = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""Pairs of representative sites: three of a site with its own orbit, then three of different orbits."""
_FIRST, _SECOND = (np.array(sites) for sites in zip(*SITE_PAIRS, strict=True))
_N_OWN = 3

SAME_SITE_DISTANCE = 1e-4
"""Å: an image nearer than this is the site itself; far below any contact, above the noise of stored coordinates."""
_ANGLE_NOISE = 1e-6  # degrees; moves a distance of 10 Å by less than 2e-7 Å
_LENGTH_NOISE = 1e-8  # relative
_CHUNK_VALUES = (
    1 << 17
)  # 1 MB arrays stay in the cache; the allocator gives 2 MB ones back each time, at 3 times the cost


@dataclass(frozen=True)
class Contacts:
    """Least contacts of crystals.

    Attributes:
        min_distance: (n,) least distance of two atoms, lattice images included (Å).
        min_contact_ratio: (n,) least distance over the sum of the two Slater atomic radii. Pairs with an element of
            unknown radius are left out; NaN if there is no other pair.

    Both are NaN where a site has no place.
    """

    min_distance: FloatArray
    min_contact_ratio: FloatArray


class _CellShape(IntEnum):
    RIGHT_ANGLED = 0
    HEXAGONAL = 1
    GENERAL = 2


def least_contacts(batch: CrystalBatch) -> Contacts:
    """Least distance and least contact ratio of each crystal over all pairs of atoms, lattice images included."""
    distances = pair_distances(batch)
    radii = atomic_radii()[batch.atomic_numbers]
    ratios = np.fmin.reduce(distances / (radii[:, _FIRST] + radii[:, _SECOND]), axis=1)
    min_distance = distances.min(axis=1)
    return Contacts(min_distance, np.where(np.isnan(min_distance), np.nan, ratios))


def pair_distances(batch: CrystalBatch) -> FloatArray:
    """Least distance of each pair of orbits (Å): (n, 6), columns as ``SITE_PAIRS``; NaN where a site has no place."""
    squares = np.full((len(batch), len(SITE_PAIRS)), np.nan)
    shapes = _cell_shapes(batch.lattice_parameters)
    for number, of_group in batch.by_space_group():
        forms = axis_forms(number)
        size = max(1, _CHUNK_VALUES // (len(forms[0].of_operation) * len(SITE_PAIRS)))
        for shape in _CellShape:
            members = of_group[shapes[of_group] == shape]
            for start in range(0, len(members), size):
                chunk = members[start : start + size]
                squares[chunk] = _pair_squares(forms, shape, batch.frac_coords[chunk], batch.lattice_parameters[chunk])
    return np.sqrt(squares)


def _cell_shapes(parameters: FloatArray) -> NDArray[np.int64]:
    def is_angle(column: int, degrees: float) -> NDArray[np.bool_]:
        return np.abs(parameters[:, column] - degrees) <= _ANGLE_NOISE

    is_upright = is_angle(3, 90.0) & is_angle(4, 90.0)
    is_rhombus = np.abs(parameters[:, 0] - parameters[:, 1]) <= _LENGTH_NOISE * np.abs(parameters[:, 0])
    return np.select(
        [is_upright & is_angle(5, 90.0), is_upright & is_angle(5, 120.0) & is_rhombus],
        [_CellShape.RIGHT_ANGLED, _CellShape.HEXAGONAL],
        _CellShape.GENERAL,
    )


def _pair_squares(forms: Forms, shape: _CellShape, frac_coords: FloatArray, parameters: FloatArray) -> FloatArray:
    """Least squared distances (n, 6) in Å² of crystals of one space group and one shape of cell."""
    n_crystals = len(frac_coords)
    # Columns are pair-major: (6 pairs × n crystals), own orbits first.
    from_sites, to_sites = (frac_coords[:, sites].transpose(1, 0, 2).reshape(-1, 3) for sites in (_FIRST, _SECOND))
    columns = np.tile(parameters, (len(SITE_PAIRS), 1))
    differences = []
    for axis, form in enumerate(forms):
        difference = form.values(to_sites) - from_sites[:, axis]
        difference -= np.rint(difference)
        differences.append(difference)
    squares = _SQUARES[shape](forms, differences, columns)
    own = squares[:, : _N_OWN * n_crystals]
    own[own < SAME_SITE_DISTANCE**2] = np.inf
    least = squares.min(axis=0).reshape(len(SITE_PAIRS), n_crystals).T
    least[:, :_N_OWN] = np.minimum(least[:, :_N_OWN], _shortest_lattice_squares(shape, parameters)[:, None])
    return least


def _right_angled_squares(forms: Forms, differences: list[FloatArray], columns: FloatArray) -> FloatArray:
    """Squared lengths (n_operations, n_columns): the sum of one look-up per axis."""
    parts = [(difference * columns[:, axis]) ** 2 for axis, difference in enumerate(differences)]
    squares = parts[0][forms[0].of_operation]
    squares += parts[1][forms[1].of_operation]
    squares += parts[2][forms[2].of_operation]
    return squares


def _hexagonal_squares(forms: Forms, differences: list[FloatArray], columns: FloatArray) -> FloatArray:
    """Squared lengths of the nearest images, a = b, γ = 120°: a²·(u² + v² - uv) + c²·w².

    With u, v in [-1/2, 1/2] of equal sign that is the least. Of opposite sign, the step that can shorten it is the one
    along the greater of the two, m, against its sign; it changes u² + v² - uv by 1 - |u| - |v| - m.
    """
    u, v = (differences[axis][forms[axis].of_operation] for axis in (0, 1))
    u_size, v_size = np.abs(u), np.abs(v)
    product = u * v
    step = np.minimum(1.0 - u_size - v_size - np.maximum(u_size, v_size), 0.0)
    step[product >= 0.0] = 0.0
    in_plane = u_size * u_size + v_size * v_size - product + step
    along_c = (differences[2] * columns[:, 2]) ** 2
    return in_plane * columns[:, 0] ** 2 + along_c[forms[2].of_operation]


def _general_squares(forms: Forms, differences: list[FloatArray], columns: FloatArray) -> FloatArray:
    """Squared lengths of the nearest images in any cell, by a scan of all that can be nearest."""
    vectors = [difference[form.of_operation] for form, difference in zip(forms, differences, strict=True)]
    matrices = lattice_matrices(columns)
    signs = np.array(list(itertools.product((-0.5, 0.5), repeat=3)))
    reach = np.sqrt(((signs @ matrices) ** 2).sum(axis=2).max(axis=1))
    best = np.full_like(vectors[0], np.inf)
    for step in _steps(reach, matrices, 0.5):
        moved = [vector + n for vector, n in zip(vectors, step, strict=True)]
        np.minimum(best, _quadratic_form(moved, columns), out=best)
    return best


def _quadratic_form(vectors: list[FloatArray], columns: FloatArray) -> FloatArray:
    metric = metric_tensors(columns)
    u, v, w = vectors
    square = u * u * metric[:, 0, 0] + v * v * metric[:, 1, 1] + w * w * metric[:, 2, 2]
    return square + 2.0 * (u * v * metric[:, 0, 1] + u * w * metric[:, 0, 2] + v * w * metric[:, 1, 2])


def _steps(reach: FloatArray, matrices: FloatArray, reduced: float) -> Iterator[tuple[int, int, int]]:
    """Lattice steps whose images can be within reach (Å) of any of the cells; ``reduced`` bounds |difference|."""
    # A cell without volume has no spacing; its distances are NaN whatever is scanned.
    with np.errstate(divide="ignore", invalid="ignore"):
        volumes = np.abs(np.linalg.det(matrices))
        faces = np.linalg.norm(np.cross(np.roll(matrices, -1, axis=1), np.roll(matrices, -2, axis=1)), axis=2)
        counts = np.floor(reach[:, None] * faces / volumes[:, None] + reduced + 1e-9)
    most = np.where(np.isfinite(counts), counts, 0).max(axis=0).astype(int)
    yield from itertools.product(*(range(-n, n + 1) for n in most))


def _shortest_lattice_squares(shape: _CellShape, parameters: FloatArray) -> FloatArray:
    """Squared length (n,) of the shortest vector of the conventional lattice; centrings are operations already."""
    shortest = parameters[:, :3].min(axis=1)
    if shape != _CellShape.GENERAL:
        return shortest**2
    best = shortest**2
    for step in _steps(shortest, lattice_matrices(parameters), 0.0):
        if any(step):
            vector = [np.full(len(parameters), float(n)) for n in step]
            best = np.minimum(best, _quadratic_form(vector, parameters))
    return best


_SQUARES = {
    _CellShape.RIGHT_ANGLED: _right_angled_squares,
    _CellShape.HEXAGONAL: _hexagonal_squares,
    _CellShape.GENERAL: _general_squares,
}
