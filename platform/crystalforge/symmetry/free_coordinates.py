"""Free coordinates: a site on the first coordinate triplet of its Wyckoff position, as the x, y, z written there.

A site on "x,2x,1/4" has one free coordinate, x; its parameters are (x, 0, 0). Crystals in the canonical setting
(``crystals.canonical``) have all their sites on first triplets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalforge.errors import UsageError
from crystalforge.symmetry.orbits import TOLERANCE
from crystalforge.symmetry.site_arrays import check_rows, wrap
from crystalforge.symmetry.space_groups import space_group


@dataclass(frozen=True)
class FirstTriplets:
    """First triplets of all Wyckoff positions of a space group, ``n_positions`` of them, from "a" on.

    Attributes:
        letters: (n_positions,).
        linear: (n_positions, 3, 3) from parameters to coordinates.
        constant: (n_positions, 3).
        read: (n_positions, 3, 3) from coordinates less the constant to parameters: for each free parameter the first
            coordinate that is ± that parameter alone, so that reading off is exact; zero for the others.
        is_free: (n_positions, 3) whether x, y, z occur.
    """

    letters: NDArray[np.str_]
    linear: NDArray[np.float64]
    constant: NDArray[np.float64]
    read: NDArray[np.float64]
    is_free: NDArray[np.bool_]

    def parameters(self, position: NDArray[np.int64], frac_coords: NDArray[np.float64]) -> NDArray[np.float64]:
        """Parameters (n, 3) in [0, 1) of sites (n, 3) on the first triplets of positions (n,)."""
        return wrap(np.einsum("nij,nj->ni", self.read[position], frac_coords - self.constant[position]))

    def sites(self, position: NDArray[np.int64], parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sites (n, 3) in [0, 1) with parameters (n, 3) on the first triplets of positions (n,)."""
        return wrap(np.einsum("nij,nj->ni", self.linear[position], parameters) + self.constant[position])

    def index_of(self, wyckoff_letters: ArrayLike, space_group_number: int) -> NDArray[np.int64]:
        """Index (n,) of the positions with letters (n,).

        Raises:
            UsageError: the space group has no such letter.
        """
        letters = np.asarray(wyckoff_letters, dtype=np.str_).reshape(-1)
        order = np.argsort(self.letters)
        found = order[np.minimum(np.searchsorted(self.letters[order], letters), len(order) - 1)]
        unknown = self.letters[found] != letters
        if unknown.any():
            raise UsageError(
                f"Wyckoff letter of row {int(np.argmax(unknown))}: expected one of {', '.join(self.letters)} in space "
                f"group {space_group_number}, got {str(letters[np.argmax(unknown)])!r}. Merge the sites first."
            )
        return found


@cache
def first_triplets(space_group_number: int) -> FirstTriplets:
    """First triplets of a space group, 1 to 230."""
    positions = space_group(space_group_number).wyckoff_positions
    linear = np.array([position.linear for position in positions])
    free = np.abs(linear).sum(axis=1) > 0
    return FirstTriplets(
        letters=np.array([position.letter for position in positions], dtype="<U1"),
        linear=linear,
        constant=np.array([position.constant for position in positions]),
        read=np.array([_reading(position.linear) for position in positions]),
        is_free=free,
    )


def _reading(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    reading = np.zeros((3, 3))
    for parameter, unit in enumerate(np.eye(3)):
        alone = (np.abs(linear) == unit).all(axis=1)  # every free parameter stands alone somewhere, tested for all
        if alone.any():
            coordinate = int(np.argmax(alone))
            reading[parameter, coordinate] = linear[coordinate, parameter]
    return reading


def free_coordinates(
    space_group_number: int, wyckoff_letters: ArrayLike, frac_coords: ArrayLike, *, tolerance: float = TOLERANCE
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Parameters (n, 3) of sites on the first triplets of their Wyckoff positions, and how many are free (n,).

    Column k of the parameters is the x, y or z of ``WyckoffPosition.coordinates``, in [0, 1); 0 where it does not
    occur. ``WyckoffPosition.linear @ parameters + constant`` is the site again (``sites_of``).

    Args:
        space_group_number: 1 to 230, the one group of all sites.
        wyckoff_letters: (n,).
        frac_coords: (n, 3).
        tolerance: fractional; how far a site may be off.

    Raises:
        UnknownSpaceGroupError: the number is outside 1 to 230.
        UsageError: a site is not on the first triplet of its position, or an array has another shape.
    """
    triplets = first_triplets(space_group_number)
    sites = check_rows("frac_coords", frac_coords, 3, np.asarray(wyckoff_letters).size)
    position = triplets.index_of(wyckoff_letters, space_group_number)
    parameters = triplets.parameters(position, sites)
    off = sites - triplets.sites(position, parameters)
    far = np.abs(off - np.rint(off)).max(axis=1) > tolerance
    if far.any():
        row = int(np.argmax(far))
        wanted = space_group(space_group_number).wyckoff_positions[position[row]]
        raise UsageError(
            f"Site of row {row}: expected one on ({wanted.coordinates}), the first triplet of {wanted.multiplicity}"
            f"{wanted.letter} in space group {space_group_number}, got {sites[row].tolist()}. Bring the crystal to its "
            "canonical setting first (crystals.canonical.canonical_setting)."
        )
    return parameters, np.asarray(triplets.is_free[position].sum(axis=1), dtype=np.int64)


def sites_of(space_group_number: int, wyckoff_letters: ArrayLike, parameters: ArrayLike) -> NDArray[np.float64]:
    """Sites (n, 3) in [0, 1) with parameters (n, 3) on the first triplets; the inverse of ``free_coordinates``.

    Args:
        space_group_number: 1 to 230, the one group of all sites.
        wyckoff_letters: (n,).
        parameters: (n, 3) x, y, z; those that do not occur have no effect.

    Raises:
        UnknownSpaceGroupError: the number is outside 1 to 230.
        UsageError: the group has no such letter, or an array has another shape.
    """
    triplets = first_triplets(space_group_number)
    values = check_rows("parameters", parameters, 3, np.asarray(wyckoff_letters).size)
    return triplets.sites(triplets.index_of(wyckoff_letters, space_group_number), values)
