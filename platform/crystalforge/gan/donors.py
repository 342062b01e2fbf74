"""Donors: for a template and its elements, the training crystal whose coordinates and cell are copied.

Elements are compared place by place, by ``element_metric.place_distances``. Places of the same Wyckoff letter may
change roles: a donor counts with the assignment of its sites to the target's that makes it nearest.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.gan.element_metric import place_distances

PERMUTATIONS = np.array(list(itertools.permutations(range(3))))
"""(6, 3)."""
REPLACEMENT = 1e3
"""Distance of one element more that differs, where the fewest replacements come first; above any other distance."""


@dataclass(frozen=True)
class Donors:
    """For n targets.

    Attributes:
        crystal: (n,) index of the donor, -1 where no crystal has the template.
        site: (n, 3) which site of the donor stands at each site of the target.
    """

    crystal: NDArray[np.int64]
    site: NDArray[np.int64]


def find_donors(
    crystals: CrystalBatch, letters: NDArray[np.str_], atomic_numbers: NDArray[np.int64], *, fewest_first: bool
) -> Donors:
    """The nearest training crystal of the same template; the first in order where several are equally near.

    Args:
        crystals: to choose from, of one space group.
        letters: (n, 3) Wyckoff letters of the targets.
        atomic_numbers: (n, 3) their elements.
        fewest_first: crystals that differ in fewer elements come first, however unlike.
    """
    distances = place_distances() + (REPLACEMENT * ~np.eye(len(place_distances()), dtype=bool) if fewest_first else 0)
    donor, site = np.full(len(letters), -1), np.tile(np.arange(3), (len(letters), 1))
    templates, of_target = np.unique(np.sort(letters, axis=1), axis=0, return_inverse=True)
    of_target = of_target.reshape(-1)
    sorted_letters = np.sort(crystals.wyckoff_letter, axis=1)
    for i, template in enumerate(templates):
        candidates = np.flatnonzero((sorted_letters == template).all(axis=1))
        targets = np.flatnonzero(of_target == i)
        if len(candidates):
            chosen, order = _nearest(crystals.select(candidates), letters[targets], atomic_numbers[targets], distances)
            donor[targets], site[targets] = candidates[chosen], order
    return Donors(donor, site)


def _nearest(
    crystals: CrystalBatch,
    letters: NDArray[np.str_],
    atomic_numbers: NDArray[np.int64],
    distances: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Donor (n,) and its sites (n, 3) among crystals that all have the targets' template."""
    best = np.full(len(letters), np.inf)
    donor, site = np.zeros(len(letters), dtype=np.int64), np.zeros((len(letters), 3), dtype=np.int64)
    for order in PERMUTATIONS:
        fits = (letters[:, None] == crystals.wyckoff_letter[None, :, order]).all(axis=2)
        total = sum(distances[atomic_numbers[:, None, k], crystals.atomic_numbers[None, :, order[k]]] for k in range(3))
        total = np.where(fits, total, np.inf)
        nearest = total.argmin(axis=1)
        distance = np.take_along_axis(total, nearest[:, None], axis=1)[:, 0]
        better = distance < best
        best[better], donor[better], site[better] = distance[better], nearest[better], order
    return donor, site
