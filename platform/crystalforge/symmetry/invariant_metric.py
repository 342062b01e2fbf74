"""The metric of a cell, made exactly invariant under the point group.

The clusters of an orbit are cosets only because symmetry operations are isometries, so the metric is averaged over
the point group. For a cell of the right crystal system that changes nothing beyond round-off.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystalforge.errors import UsageError
from crystalforge.symmetry.space_groups import SpaceGroup

MAX_DISTORTION = 0.02
"""Largest relative change of the metric by the averaging that is taken for noise, not for a wrong crystal system."""

_OFF_DIAGONAL = ((0, 1, 5), (0, 2, 4), (1, 2, 3))
"""Row, column of the metric and the place of its angle in the lattice parameters."""


def invariant_metrics(space_group: SpaceGroup, lattice_parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Metric tensors (n, 3, 3) in Å² of cells (n, 6) in Å and degrees, averaged over the point group.

    Raises:
        UsageError: a cell is not finite, has no volume, or does not fit the crystal system.
    """
    metrics = _metric_tensors(lattice_parameters)
    invariant = average_over_point_group(space_group, metrics)
    _check(space_group, lattice_parameters, metrics, invariant)
    return invariant


def unit_metric(space_group: SpaceGroup) -> NDArray[np.float64]:
    """Metric (3, 3) of a cell with edges of about 1, in which distances are about fractional coordinates."""
    return average_over_point_group(space_group, np.eye(3)[None])[0]


def average_over_point_group(space_group: SpaceGroup, metrics: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of Rᵀ G R over the point group, for metrics (n, 3, 3)."""
    R = space_group.point_rotations
    # The averaging is linear: one (9, 9) matrix serves all cells.
    average = np.einsum("pki,plj->klij", R, R).reshape(9, 9) / len(R)
    invariant = (metrics.reshape(-1, 9) @ average).reshape(-1, 3, 3)
    scale = np.sqrt(np.einsum("nii->ni", invariant))
    tiny = np.abs(invariant) < 1e-13 * scale[:, :, None] * scale[:, None, :]
    return np.where(tiny, 0.0, invariant)  # cos 90° is 6e-17: right angles are exact zeros


def _metric_tensors(lattice_parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths, cosines = lattice_parameters[:, :3], np.cos(np.radians(lattice_parameters[:, 3:]))
    metrics = lengths[:, :, None] * lengths[:, None, :]
    for row, column, angle in _OFF_DIAGONAL:
        metrics[:, row, column] *= cosines[:, angle - 3]
        metrics[:, column, row] = metrics[:, row, column]
    return metrics


def _check(
    space_group: SpaceGroup,
    lattice_parameters: NDArray[np.float64],
    metrics: NDArray[np.float64],
    invariant: NDArray[np.float64],
) -> None:
    scale = np.trace(metrics, axis1=1, axis2=2)
    with np.errstate(invalid="ignore"):
        real = np.isfinite(metrics).all(axis=(1, 2)) & (lattice_parameters[:, :3] > 0).all(axis=1)
        real &= np.linalg.det(metrics) > 1e-9 * np.prod(lattice_parameters[:, :3] ** 2, axis=1)
        fits = np.abs(metrics - invariant).max(axis=(1, 2), initial=0.0) <= MAX_DISTORTION * scale
    for good, expected in (
        (real, "positive lengths (Å) and angles (degrees) that span a volume"),
        (fits, f"a {space_group.crystal_system} cell for space group {space_group.number}"),
    ):
        if not good.all():
            row = int(np.argmin(good))
            raise UsageError(
                f"Lattice parameters of row {row}: expected {expected}, got {lattice_parameters[row].tolist()}. "
                "Average lengths and fix angles by the crystal system first; leave out cells without volume."
            )
