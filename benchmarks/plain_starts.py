"""Where the generator of method ``forge`` starts, one crystal after another in NumPy.

What ``gan.forge.crystals.find_donors`` and ``gan.forge.starts`` do for all crystals at once, written as a plain loop
has it: donors of one crystal, the modes that they agree on, and kriging within the one mode that is drawn.

Array dimensions: ``k`` donors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalforge.gan.element_metric import place_distances
from crystalforge.gan.forge import starts as ours
from crystalforge.gan.forge.learning import ForgeData
from crystalforge.gan.volume import likeness

Array = NDArray[np.generic]
Start = tuple[Array, Array, float]
"""Parameters (3, 3), logarithms of the ratios of the edges (2,), support."""


@dataclass(frozen=True)
class Mode:
    """Donors that are alike."""

    support: float
    counts: Array
    """(k,) whether a donor counts in the kriging."""
    base: int
    """The donor from which differences are taken."""


class PlainStarts:
    """Donors and modes of the crystals of one space group, looked for when they are asked for.

    Args:
        data: of the batched training; only its crystals and its tables of the space group are read.
        n_donors, n_modes: as in the recipe.
    """

    def __init__(self, data: ForgeData, n_donors: int, n_modes: int) -> None:
        knowledge = data.knowledge
        self.known = {name: tensor.numpy() for name, tensor in knowledge.known.state().items()}
        self.positions = {name: tensor.numpy() for name, tensor in vars(knowledge.positions).items()}
        self.position_of = {code: i for i, code in enumerate(knowledge.position_codes.tolist())}
        self.height = math.sqrt(0.75) if knowledge.hexagonal else 1.0
        self.distances, self.place = np.array(place_distances()), likeness("cpu")[1].numpy()
        self.n_donors, self.n_modes = n_donors, n_modes
        self.of_template: dict[tuple[int, ...], list[int]] = {}
        for row, code in enumerate(self.known["code"].tolist()):
            self.of_template.setdefault(tuple(code), []).append(row)

    def every(self, row: int, code: Array, numbers: Array, log_volume: float) -> list[Start]:
        """All modes of a composition, the best supported first; ``row`` is the crystal, for one without donors."""
        donors, distance = self._donors(code, numbers)
        if len(donors) == 0:
            return [(self.known["parameters"][row], self.known["log_ratios"][row], 1.0)]
        modes = self._modes(donors, distance, code, log_volume)
        return [(*self._krige(mode, donors, numbers), mode.support) for mode in modes]

    def draw(self, row: int, code: Array, numbers: Array, log_volume: float, random: np.random.Generator) -> Start:
        """One mode of a composition, drawn by its support: only this one is kriged."""
        donors, distance = self._donors(code, numbers)
        if len(donors) == 0:
            return self.known["parameters"][row], self.known["log_ratios"][row], 1.0
        modes = self._modes(donors, distance, code, log_volume)
        support = np.array([mode.support for mode in modes])
        mode = modes[random.choice(len(modes), p=support / support.sum())]
        return *self._krige(mode, donors, numbers), mode.support

    def edges(self, code: Array, log_volume: float, log_ratios: Array) -> Array:
        """(k, 3) a, b, c in Å of cells with these logarithms of the ratios (k, 2)."""
        n_atoms = self.positions["multiplicity"][self.place_of(code)].sum()
        b, c = np.exp(log_ratios).T
        a = (np.exp(log_volume) * n_atoms / (b * c * self.height)) ** (1 / 3)
        return np.stack([a, a * b, a * c], axis=1)

    def place_of(self, code: Array) -> list[int]:
        """Row of each site's position in the tables."""
        return [self.position_of[letter] for letter in code.tolist()]

    def _donors(self, code: Array, numbers: Array) -> tuple[Array, Array]:
        """The nearest known crystals of the same template and other elements, and their distances."""
        rows = np.array(self.of_template[tuple(code.tolist())])
        others = self.known["atomic_numbers"][rows]
        different = (np.sort(others, axis=1) != np.sort(numbers)).any(axis=1)
        rows, others = rows[different], others[different]
        distance = sum(self.distances[numbers[slot], others[:, slot]] for slot in range(3))
        nearest = np.argsort(distance, kind="stable")[: self.n_donors]
        return rows[nearest], distance[nearest]

    def _modes(self, donors: Array, distance: Array, code: Array, log_volume: float) -> list[Mode]:
        alike = self._alike(donors, code, log_volume)
        weight = np.exp((distance[0] - distance) / ours.REACH)
        support = alike @ weight / weight.sum()
        left, modes = np.full(len(donors), True), []
        while left.any() and len(modes) < self.n_modes:
            best = np.where(left, support, -1.0).argmax()
            member = (alike[best] > ours.MEMBER) & left
            modes.append(Mode(float(support[best]), alike[best] > ours.NEIGHBOUR, int(member.argmax())))
            left &= ~member
        return modes

    def _alike(self, donors: Array, code: Array, log_volume: float) -> Array:
        """Likeness (k, k) of every two donors."""
        place = self.place_of(code)
        parameters, ratios = self.known["parameters"][donors], self.known["log_ratios"][donors]
        sites = (self.positions["linear"][place] @ parameters[..., None])[..., 0] + self.positions["constant"][place]
        off = sites[:, None] - sites[None]
        off = (off - np.round(off)) * self.edges(code, log_volume, ratios)[:, None, None]
        squared = (off**2).sum(axis=3).max(axis=2)
        stretch = np.abs(ratios[:, None] - ratios[None]).max(axis=2)
        size = np.exp(log_volume / 3)
        return np.exp(-squared / (ours.LIKE_SITES * size) ** 2 - (stretch / ours.LIKE_RATIOS) ** 2)

    def _krige(self, mode: Mode, donors: Array, numbers: Array) -> tuple[Array, Array]:
        parameters, ratios = self.known["parameters"][donors], self.known["log_ratios"][donors]
        off = parameters - parameters[mode.base]
        off -= np.round(off)
        values = np.concatenate([off.reshape(-1, 9), ratios - ratios[mode.base]], axis=1)
        theirs = self.known["atomic_numbers"][donors]
        covariance = self._covariance(theirs, theirs) + np.diag(np.where(mode.counts, ours.NUGGET, ours.NEVER))
        change = (self._covariance(numbers[None], theirs) @ np.linalg.solve(covariance, values))[0]
        return parameters[mode.base] + change[:9].reshape(3, 3), ratios[mode.base] + change[9:]

    def _covariance(self, first: Array, second: Array) -> Array:
        by_slot = self.place[first[:, None], second[None]]
        return by_slot.prod(axis=2) + ours.SUM_WEIGHT * by_slot.mean(axis=2) + ours.ANY_LEVEL
