"""Checks of the arrays that callers give, and wrapping into the cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalforge.errors import UsageError
from crystalforge.symmetry.tolerances import ROUND_OFF


def check_rows(name: str, values: ArrayLike, width: int, length: int | None = None) -> NDArray[np.float64]:
    """Return the values as finite floats (n, width).

    Raises:
        UsageError: another shape, another length, or a value that is not finite.
    """
    array = np.asarray(values, dtype=float)
    if array.ndim != 2 or array.shape[1] != width or (length is not None and len(array) != length):
        raise UsageError(
            f"{name}: expected shape ({'n' if length is None else length}, {width}), got {array.shape}. "
            "Give one row per site."
        )
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise UsageError(
            f"{name} of row {row}: expected finite numbers, got {array[row].tolist()}. Leave such rows out first."
        )
    return array


def check_cutoff(cutoff: ArrayLike, length: int) -> NDArray[np.float64]:
    """Return the cut-offs (Å) as (n,), from one number or n.

    Raises:
        UsageError: another shape, or a value that is negative or not finite.
    """
    array = np.asarray(cutoff, dtype=float)
    if array.shape not in ((), (length,)):
        raise UsageError(f"cutoff: expected one number or shape ({length},), got shape {array.shape}.")
    fit = np.isfinite(array) & (array >= 0)
    if not fit.all():
        wrong = np.atleast_1d(array)[~np.atleast_1d(fit)]
        raise UsageError(f"cutoff: expected finite distances of 0 Å or more, got {wrong[0]}. Give distances in Å.")
    return np.broadcast_to(array, (length,))


def wrap(frac_coords: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring coordinates into [0, 1); what is 1 but for round-off becomes 0."""
    wrapped = frac_coords - np.floor(frac_coords)
    return np.where(wrapped > 1.0 - ROUND_OFF, 0.0, wrapped)
