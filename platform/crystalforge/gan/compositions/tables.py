"""Tables to draw from: every composition with its probability, so that conditions are met exactly.

A space group has some ten million compositions at most. So a sampler writes the probability of each down once, and a
draw is a search in the cumulative sum: 50,000 draws take milliseconds, and a constraint is a mask on the table, which
gives the exact conditional distribution without drawing anything in vain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import gcd
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from crystalforge.gan.compositions.space import N_ORDERS, CompositionSpace

NEGLIGIBLE = 1e-9
"""Share of the whole below which a composition is left out of a table: it would come once in a billion draws."""
GOLDEN = (5**0.5 - 1) / 2

Mask = Callable[[int], NDArray[np.bool_] | None]
"""Which compositions of a template are allowed: (n_elements³,), or all (None)."""


class Density(Protocol):
    """What a sampler has learned: relative weights of the elements in the slots of a template."""

    def template(self, template: int, /) -> Tensor:
        """(n_elements, n_elements, n_elements) weights, not negative, of any sum."""
        ...


@dataclass(frozen=True)
class Table:
    """Cells with their cumulative probability."""

    cells: NDArray[np.int64]
    cumulative: NDArray[np.float64]
    """Up to the total, which is the share that the mask has of the whole."""

    def at(self, places: NDArray[np.float64]) -> NDArray[np.int64]:
        """The cells at places (n,) in [0, 1) of the cumulative distribution."""
        found = np.searchsorted(self.cumulative, places * self.cumulative[-1], side="right")
        return self.cells[np.minimum(found, len(self.cells) - 1)]

    def without_replacement(self, n: int) -> Table:
        """The table whose ``at`` gives no cell twice at n places, 1/n apart (Madow, Ann. Math. Stat. 20, 1949).

        A cell is drawn with probability min(1, factor · p), and these add up to n: likely cells once, and what they
        lose by that goes to the others by their probability.

        Args:
            n: number of places, at most the number of cells.
        """
        shares = np.diff(self.cumulative, prepend=0.0)
        certain = np.zeros(len(shares), dtype=np.bool_)
        while True:
            factor = (n - certain.sum()) / max(shares[~certain].sum(), 1e-300)
            more = ~certain & (shares * factor >= 1)
            if not more.any():
                break
            certain |= more
        return Table(self.cells, np.cumsum(np.where(certain, 1.0, shares * factor)))


def probabilities(space: CompositionSpace, density: Density, temperature: float = 1.0) -> Iterator[NDArray[np.float32]]:
    """For each template the probabilities (n_elements³,) of its cells; the sum over all templates is 1.

    Templates and orders of electronegativity keep the frequency that they have among the training crystals at every
    temperature; the density decides which elements, given those. A temperature T takes it to the power 1/T.
    """
    for template, wanted in enumerate(space.order_shares):
        weights = density.template(template).numpy().reshape(-1)
        # Relative to the greatest, so that a low temperature does not underflow everywhere.
        weights = (weights / max(float(weights.max()), 1e-30)) ** (1 / temperature)
        totals = np.bincount(space.orders + 1, weights=weights, minlength=N_ORDERS + 1)[1:]
        factors = np.divide(wanted, totals, out=np.zeros(N_ORDERS), where=totals > 0)
        yield np.asarray(weights * np.append(0, factors)[space.orders + 1], dtype=np.float32)


def make_table(space: CompositionSpace, density: Density, temperature: float, mask: Mask) -> Table:
    """The table of all allowed cells; empty where none is allowed."""
    n_cells = int(np.prod(space.shape[1:]))
    cells, weights = [], []
    for template, values in enumerate(probabilities(space, density, temperature)):
        allowed = mask(template)
        kept = np.flatnonzero(values if allowed is None else values * allowed)
        cells.append(kept + template * n_cells)
        weights.append(values[kept])
    every, weight = np.concatenate(cells), np.concatenate(weights)
    kept = weight > NEGLIGIBLE * weight.sum(dtype=np.float64)
    return Table(every[kept], np.cumsum(weight[kept], dtype=np.float64))


def even_places(n: int, first: int, offset: float) -> NDArray[np.float64]:
    """Places ``first`` to ``first + n`` of a sequence that fills [0, 1) evenly: any stretch of it is spread out.

    Multiples of the golden section (Weyl's sequence). Draws at these places follow the same distribution, but a
    composition of probability p comes about n·p times and not by chance: of those with n·p = 1, independent draws miss
    37 %, these few.

    Args:
        n: number of places.
        first: index of the first, in the whole generation; shards take consecutive stretches.
        offset: in [0, 1), the same for all shards of a space group, from the generation's seed.
    """
    return (offset + GOLDEN * np.arange(first, first + n, dtype=np.float64)) % 1.0


def order_of_places(n: int, first: int, n_total: int) -> NDArray[np.float64]:
    """Numbers ``first`` to ``first + n`` of a sequence that visits 0 to n_total - 1 once each, spread evenly."""
    step = max(1, round(GOLDEN * n_total))
    while gcd(step, n_total) != 1:
        step += 1
    return (np.arange(first, first + n, dtype=np.int64) * step % n_total).astype(np.float64)
