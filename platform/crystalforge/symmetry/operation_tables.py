"""What the merge looks up about the operations of a space group.

The displacement of a site along an axis is a row of (R - 1) times x plus a translation, and a group has only some
dozens of distinct such scalars: they are computed once per site. Per axis and scalar, a bit set says which operations
have it; the operations that can be near are the intersection, over the axes, of those whose scalar is small.

Array dimensions: ``n_ops`` operations of the conventional cell, ``m`` distinct scalars, ``n_words`` words of 64 bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crystalforge.symmetry.space_groups import SpaceGroup
from crystalforge.symmetry.spglib_database import TRANSLATION_DENOMINATOR
from crystalforge.symmetry.subgroups import Subgroups

WORD = 64

METRIC_INDEX = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""Rows and columns of the six components of a metric tensor, in the order in which they are stored."""


class OperationTables(NamedTuple):
    """Arrays of one space group, in the form that compiled code takes.

    Attributes:
        scalars: (m, 4) row of R - 1 and translation in [0, 1).
        operations: (3, m, n_words) bit sets of the operations that have scalar m on an axis.
        scalar_of: (n_ops, 3) index of the scalar of each operation on each axis.
        rotation_of: (n_ops,) index of the rotation of each operation.
        rotations: (n_point, 3, 3).
        join: (n_subgroups, n_point) subgroup that a subgroup and a rotation generate.
        mean_rotation: (n_subgroups, 3, 3) P_H.
        metric_average: (6, 6) takes the six components of a metric to those of its mean over the point group.
    """

    scalars: NDArray[np.float64]
    operations: NDArray[np.uint64]
    scalar_of: NDArray[np.int64]
    rotation_of: NDArray[np.int64]
    rotations: NDArray[np.float64]
    join: NDArray[np.int64]
    mean_rotation: NDArray[np.float64]
    metric_average: NDArray[np.float64]


def operation_tables(space_group: SpaceGroup, subgroups: Subgroups) -> OperationTables:
    """Tables of a space group."""
    R, t = space_group.point_rotations, space_group.point_translations
    n_point, n_centrings = len(R), len(space_group.centrings)
    rows = np.broadcast_to((R - np.eye(3, dtype=int))[:, None], (n_point, n_centrings, 3, 3))
    # As integers the translations compare exactly.
    twentyfourths = np.round((t[:, None] + space_group.centrings) * TRANSLATION_DENOMINATOR).astype(int)
    keys = np.concatenate([rows, twentyfourths[..., None] % TRANSLATION_DENOMINATOR], axis=-1).reshape(-1, 4)
    scalars, index = np.unique(keys, axis=0, return_inverse=True)
    scalar_of = np.ascontiguousarray(index.reshape(-1, 3))
    return OperationTables(
        scalars=scalars / np.array([1.0, 1.0, 1.0, TRANSLATION_DENOMINATOR]),
        operations=np.stack([_bit_sets(scalar_of[:, axis], len(scalars)) for axis in range(3)]),
        scalar_of=scalar_of,
        rotation_of=np.repeat(np.arange(n_point), n_centrings),
        rotations=R.astype(float),
        join=subgroups.join,
        mean_rotation=subgroups.mean_rotation,
        metric_average=_metric_average(R),
    )


def _bit_sets(scalar_of: NDArray[np.int64], n_scalars: int) -> NDArray[np.uint64]:
    """Bit sets (n_scalars, n_words) of the operations with each scalar; an operation is bit ``op % 64``."""
    n_ops = len(scalar_of)
    sets = np.zeros((n_scalars, -(-n_ops // WORD)), dtype=np.uint64)
    operation = np.arange(n_ops)
    np.bitwise_or.at(sets, (scalar_of, operation // WORD), np.uint64(1) << (operation % WORD).astype(np.uint64))
    return sets


def _metric_average(rotations: NDArray[np.int64]) -> NDArray[np.float64]:
    """Matrix (6, 6) of the mean of Rᵀ G R over the point group."""
    units = np.zeros((6, 3, 3))
    for component, (i, j) in enumerate(METRIC_INDEX):
        units[component, i, j] = units[component, j, i] = 1.0
    averaged = np.einsum("pki,ckl,plj->cij", rotations, units, rotations) / len(rotations)
    return np.ascontiguousarray(np.stack([averaged[:, i, j] for i, j in METRIC_INDEX]))
