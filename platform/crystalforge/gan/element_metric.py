"""How alike two elements are: for the size of a cell, and for a place in a structure.

The weights of the properties are the maximum of the marginal likelihood of ``gan.volume`` over the training part of
12,889 crystals of the Materials Project (12 space groups, at most 500 crystals of each, the validation part left out);
properties that got less than 0.01 are left out. Distances are dimensionless: at 1, the likeness is e⁻¹.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.elements import ELEMENT_PROPERTY_NAMES, element_properties

SIZE_WEIGHTS = {
    "atomic_radius": 1.54,
    "molar_volume": 1.074,
    "mendeleev_number": 0.522,
    "is_noble_gas": 0.087,
    "row": 0.051,
    "is_halogen": 0.018,
    "group": 0.014,
    "average_cationic_radius": 0.011,
}
"""Weight of the squared difference of each scaled property, for the volume of a composition."""
PLACE_WEIGHTS = {
    "atomic_radius": 1.242,
    "electronegativity": 0.526,
    "mean_common_oxidation_state": 0.417,
    "is_alkali": 0.12,
    "is_halogen": 0.118,
    "is_noble_gas": 0.087,
    "mendeleev_number": 0.069,
    "row": 0.064,
    "molar_volume": 0.064,
    "max_oxidation_state": 0.034,
    "average_ionic_radius": 0.031,
    "average_cationic_radius": 0.031,
    "group": 0.026,
    "average_anionic_radius": 0.026,
    "is_alkaline_earth": 0.015,
    "min_oxidation_state": 0.01,
}
"""The same for an element at one site of a template."""


@cache
def size_distances() -> NDArray[np.float64]:
    """(119, 119) squared distances between elements by atomic number, by ``SIZE_WEIGHTS``; not writable."""
    return _squared_distances(SIZE_WEIGHTS)


@cache
def place_distances() -> NDArray[np.float64]:
    """(119, 119) squared distances between elements by atomic number, by ``PLACE_WEIGHTS``; not writable."""
    return _squared_distances(PLACE_WEIGHTS)


def _squared_distances(weights: dict[str, float]) -> NDArray[np.float64]:
    columns = [ELEMENT_PROPERTY_NAMES.index(name) for name in weights]
    scaled = element_properties()[:, columns].astype(np.float64) * np.sqrt(list(weights.values()))
    distances = ((scaled[:, None] - scaled[None]) ** 2).sum(axis=-1)
    distances.setflags(write=False)
    return distances
