"""Images of sites under every operation of a space group, at the price of a few scalars per axis.

The x of an image is (first row of R)·site + t_x. Over all operations of a group only 12 to 72 distinct pairs (row, t)
occur in all, so each is computed once per site and every operation is a look-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from crystalforge.symmetry import space_group


@dataclass(frozen=True)
class AxisForms:
    """The distinct scalars that the operations of one space group make of a site, along one axis.

    Attributes:
        rows: (n_forms, 3) rows of rotations.
        shifts: (n_forms, 1) translations in [0, 1).
        of_operation: (n_operations,) which form each operation takes, centrings included.
    """

    rows: NDArray[np.float64]
    shifts: NDArray[np.float64]
    of_operation: NDArray[np.int64]

    def values(self, frac_coords: NDArray[np.float64]) -> NDArray[np.float64]:
        """All forms of sites (n_sites, 3): (n_forms, n_sites), not reduced to the cell."""
        return self.rows @ frac_coords.T + self.shifts


@cache
def axis_forms(space_group_number: int) -> tuple[AxisForms, AxisForms, AxisForms]:
    """The forms of a space group along a, b and c."""
    group = space_group(space_group_number)
    first, second, third = (_forms_along(group.rotations[:, axis], group.translations[:, axis]) for axis in range(3))
    return first, second, third


def _forms_along(rows: NDArray[np.int64], shifts: NDArray[np.float64]) -> AxisForms:
    # Translations of the space groups are multiples of 1/24 at the finest: as integers they compare exactly.
    grid = np.rint(np.asarray(shifts) * 24).astype(np.int64) % 24
    distinct, of_operation = np.unique(np.column_stack([rows, grid]), axis=0, return_inverse=True)
    return AxisForms(distinct[:, :3].astype(np.float64), distinct[:, 3:] / 24.0, of_operation.reshape(-1))
