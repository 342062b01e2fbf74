"""Linear equations in integers modulo a lattice, solved exactly.

To solve A·p ≡ b modulo integers for p modulo integers, A is brought to diagonal form D = U·A·V by unimodular U, V (as
for the Smith normal form, without its divisibilities). With p = V·q every component of q has an equation of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Solutions:
    """All p modulo 1 with A·p ≡ b modulo 1, for several b at once.

    Attributes:
        solvable: (k,) whether a right side has any solution.
        values: (k, n_solutions, 3) the p, in units of 1 / denominator, one for each class of the continuous ones; where
            ``solvable``.
        denominator: of the values.
        components: (3, 3) integers, rows V⁻¹: ``components @ p`` modulo 1 tells solutions apart; zero rows for the
            directions along which a solution may be shifted by any amount.
        free: (3, n_free) columns: directions of those shifts.
    """

    solvable: NDArray[np.bool_]
    values: Integers
    denominator: int
    components: Integers
    free: Integers


def solve_modulo_one(matrix: Integers, right: Integers, denominator: int) -> Solutions:
    """Solve A·p ≡ b modulo 1.

    Args:
        matrix: (m, 3) A.
        right: (m, k) right sides b in units of 1 / denominator.
        denominator: of the right sides.
    """
    A, b, V = _diagonal_form(matrix, right)
    diagonal = np.diag(A)[:3]
    rank = int(np.count_nonzero(diagonal))
    factors = [int(d) for d in diagonal[:rank]]
    common = lcm(1, *factors)
    steps = np.meshgrid(*(np.arange(abs(d)) for d in factors), *([0] for _ in range(3 - rank)), indexing="ij")
    shifts = np.stack([step.ravel() for step in steps], axis=1)  # (n_solutions, 3)
    scale = np.array([common // d for d in factors] + [0] * (3 - rank))
    first = np.zeros((right.shape[1], 3), dtype=np.int64)
    first[:, :rank] = b[:rank].T
    q = (first[:, None] + denominator * shifts) * scale
    components = np.rint(np.linalg.inv(V)).astype(np.int64)
    components[rank:] = 0
    return Solutions(
        solvable=(b[rank:] % denominator == 0).all(axis=0),
        values=(q @ V.T) % (common * denominator),
        denominator=common * denominator,
        components=components,
        free=V[:, rank:],
    )


def _diagonal_form(matrix: Integers, right: Integers) -> tuple[Integers, Integers, Integers]:
    """U·A·V, U·b and V; the non-zero entries of the diagonal come first."""
    A, b, V = matrix.copy(), right.copy(), np.eye(3, dtype=np.int64)
    for i in range(3):
        while A[i:, i:].any():
            _least_to_corner(A, b, V, i)
            down, across = A[i + 1 :, i] // A[i, i], A[i, i + 1 :] // A[i, i]
            A[i + 1 :] -= down[:, None] * A[i]
            b[i + 1 :] -= down[:, None] * b[i]
            A[:, i + 1 :] -= A[:, i : i + 1] * across
            V[:, i + 1 :] -= V[:, i : i + 1] * across
            if not A[i + 1 :, i].any() and not A[i, i + 1 :].any():
                break
    return A, b, V


def _least_to_corner(A: Integers, b: Integers, V: Integers, i: int) -> None:
    rows, columns = np.nonzero(A[i:, i:])
    least = np.argmin(np.abs(A[i:, i:])[rows, columns])
    row, column = i + rows[least], i + columns[least]
    A[[i, row]], b[[i, row]] = A[[row, i]], b[[row, i]]
    A[:, [i, column]], V[:, [i, column]] = A[:, [column, i]], V[:, [column, i]]
