"""Which three elements a sample is made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.elements import order_by_electronegativity

N_ATOMIC_NUMBERS = 119

Counts = NDArray[np.int64]
"""(3, 119): how often each element stands at each representative site of the training crystals."""


def count_elements(atomic_numbers: NDArray[np.int64]) -> Counts:
    """Count the elements of the training crystals by site: ``(n_materials, 3) -> (3, 119)``."""
    return np.stack([np.bincount(column, minlength=N_ATOMIC_NUMBERS) for column in np.asarray(atomic_numbers).T])


def _uniform(counts: Counts, n: int, random: np.random.Generator) -> NDArray[np.int64]:
    elements = np.flatnonzero(counts.sum(axis=0))
    return elements[random.random((n, len(elements))).argpartition(2, axis=1)[:, :3]]


def _marginals(counts: Counts, n: int, random: np.random.Generator) -> NDArray[np.int64]:
    shares = counts / counts.sum(axis=1, keepdims=True)
    drawn = np.zeros((n, 3), dtype=np.int64)
    missing = np.arange(n)
    while len(missing):
        columns = [random.choice(N_ATOMIC_NUMBERS, size=len(missing), p=share) for share in shares]
        drawn[missing] = np.stack(columns, axis=1)
        ordered = np.sort(drawn[missing], axis=1)
        missing = missing[(ordered[:, 1:] == ordered[:, :-1]).any(axis=1)]
    return drawn


SAMPLERS: dict[str, Callable[[Counts, int, np.random.Generator], NDArray[np.int64]]] = {
    "uniform": _uniform,
    "marginals": _marginals,
}


def sample_compositions(name: str, counts: Counts, n: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Draw n triples of different elements, each in the canonical order by electronegativity.

    Args:
        name: a key of ``SAMPLERS``, the recipe's ``sampling.compositions``.
        counts: (3, 119) of the training crystals; at least three elements occur.
        n: number of triples.
        random: decides the draw.

    Returns:
        (n, 3) atomic numbers.
    """
    triples = SAMPLERS[name](counts, n, random)
    return np.take_along_axis(triples, order_by_electronegativity(triples), axis=1)
