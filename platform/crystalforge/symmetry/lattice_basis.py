"""A basis of the lattice that more vectors than needed generate (the Hermite normal form, in integers)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def lattice_basis(generators: NDArray[np.float64], denominator: int) -> NDArray[np.float64]:
    """Basis (rank, 3) of the lattice spanned over the integers by generators (n, 3).

    Args:
        generators: (n, 3) vectors whose components are multiples of 1 / denominator.
        denominator: makes them integers, so that Euclid's algorithm is exact.
    """
    rows = [[int(value) for value in row] for row in np.round(generators * denominator)]
    basis: list[list[int]] = []
    for column in range(3):
        pivot, rows = _eliminate(rows, column)
        if pivot is not None:
            basis.append(pivot)
    return np.array(basis, dtype=float).reshape(-1, 3) / denominator


def _eliminate(rows: list[list[int]], column: int) -> tuple[list[int] | None, list[list[int]]]:
    """Euclid on one column: at most one row keeps a value there; return it and the rest."""
    having = [row for row in rows if row[column]]
    rest = [row for row in rows if not row[column]]
    while len(having) > 1:
        having.sort(key=lambda row: abs(row[column]))
        pivot, *others = having
        having = [pivot]
        for row in others:
            factor = row[column] // pivot[column]
            reduced = [value - factor * base for value, base in zip(row, pivot, strict=True)]
            (having if reduced[column] else rest).append(reduced)
    return (having[0] if having else None), rest
