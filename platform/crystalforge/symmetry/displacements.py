"""Displacements of sites by symmetry operations that are no longer than a cut-off (docs/model.md, Merging, step 1).

The displacement along an axis is a row of (R - 1) times x plus a translation, and a group has only some dozens of
distinct such scalars: they are computed and rounded once per site, then every operation is three look-ups.

Array dimensions: ``n`` sites, ``n_ops`` operations with centrings, ``m`` distinct scalars, ``k`` near displacements.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalforge.symmetry.space_groups import SpaceGroup
from crystalforge.symmetry.spglib_database import TRANSLATION_DENOMINATOR
from crystalforge.symmetry.subgroups import masks_of

BLOCK = 1 << 18
"""Displacements held at once (operations times sites): some MiB, so that they stay in the cache."""


@dataclass(frozen=True)
class NearDisplacements:
    """Displacements within the cut-off, in no particular order.

    Attributes:
        site: (k,) index of the site.
        rotation: (k,) index of the rotation in ``point_rotations``.
        vector: (k, 3) fractional displacement (R - 1)·x + t + lattice vector.
        endless: (n,) True where a lattice vector is within the cut-off; these sites may lack displacements.
    """

    site: NDArray[np.int64]
    rotation: NDArray[np.int64]
    vector: NDArray[np.float64]
    endless: NDArray[np.bool_]


class DisplacementTable:
    """The distinct scalars of a space group and where each operation finds its three."""

    def __init__(self, space_group: SpaceGroup) -> None:
        R, t = space_group.point_rotations, space_group.point_translations
        n_point, n_centrings = len(R), len(space_group.centrings)
        rows = np.broadcast_to((R - np.eye(3, dtype=int))[:, None], (n_point, n_centrings, 3, 3))
        offsets = (t[:, None] + space_group.centrings) % 1.0
        # As integers the translations compare exactly.
        twentyfourths = np.round(offsets * TRANSLATION_DENOMINATOR).astype(int) % TRANSLATION_DENOMINATOR
        keys = np.concatenate([rows, twentyfourths[..., None]], axis=-1).reshape(-1, 4)
        scalars, index = np.unique(keys, axis=0, return_inverse=True)
        self.rows: NDArray[np.float64] = scalars[:, :3].astype(float)
        self.offsets: NDArray[np.float64] = scalars[:, 3] / TRANSLATION_DENOMINATOR
        self.index: NDArray[np.int64] = np.ascontiguousarray(index.reshape(-1, 3).T)
        self.rotation: NDArray[np.int64] = np.repeat(np.arange(n_point), n_centrings)

    def near(
        self, frac_coords: NDArray[np.float64], metrics: NDArray[np.float64], cutoff: NDArray[np.float64]
    ) -> NearDisplacements:
        """Find every image of every operation that moves a site by at most the cut-off.

        Args:
            frac_coords: (n, 3).
            metrics: (n, 3, 3) invariant metric tensors, Å².
            cutoff: (n,) Å.
        """
        spacings = 1.0 / np.sqrt(np.einsum("nii->ni", np.linalg.inv(metrics)))
        # A displacement within the cut-off has |component| <= cutoff / spacing: below 1/2 rounding finds the only one.
        reach = np.floor(cutoff[:, None] / spacings + 0.5 + 1e-9).astype(int)
        edges = np.sqrt(np.einsum("nii->ni", metrics))
        endless = (edges <= cutoff[:, None]).any(axis=1)  # also keeps the scan below small
        found = []
        for images, members in _by_reach(reach, np.flatnonzero(~endless)):
            size = max(1, BLOCK // self.index.shape[1])
            for start in range(0, len(members), size):
                part = members[start : start + size]
                scalars = self._scalars(frac_coords[part])
                for image in images:
                    ops, local, vector = self._within(scalars, image, metrics[part], cutoff[part])
                    found.append((part[local], self.rotation[ops], vector))
        if not found:
            return NearDisplacements(np.empty(0, int), np.empty(0, int), np.empty((0, 3)), endless)
        site, rotation, vector = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return NearDisplacements(site, rotation, vector, endless)

    def stabilizers(self, frac_coords: NDArray[np.float64], tolerance: float) -> NDArray[np.uint64]:
        """Masks (n,) of the rotations whose operations leave the sites (n, 3) within a tolerance, fractional."""
        n, n_point = len(frac_coords), int(self.rotation[-1]) + 1
        near = self.near(frac_coords, np.broadcast_to(np.eye(3), (n, 3, 3)), np.full(n, float(tolerance)))
        fixing = np.zeros((n, n_point), dtype=bool)
        fixing[near.site, near.rotation] = True
        return masks_of(fixing)

    def _scalars(self, frac_coords: NDArray[np.float64]) -> NDArray[np.float64]:
        scalars = self.rows @ frac_coords.T + self.offsets[:, None]
        return scalars - np.round(scalars)

    def _within(
        self,
        scalars: NDArray[np.float64],
        image: NDArray[np.int64],
        metrics: NDArray[np.float64],
        cutoff: NDArray[np.float64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Operations, sites and vectors of one lattice image that lie within the cut-off."""
        axes = [scalars + shift if shift else scalars for shift in image]
        squared = np.zeros((self.index.shape[1], scalars.shape[1]))
        for i in range(3):
            squared += (axes[i] ** 2 * metrics[:, i, i])[self.index[i]]
            for j in range(i):
                if metrics[:, i, j].any():
                    squared += axes[i][self.index[i]] * (axes[j] * (2 * metrics[:, i, j]))[self.index[j]]
        ops, local = np.nonzero(squared <= cutoff**2)
        vector = np.stack([axes[i][self.index[i, ops], local] for i in range(3)], axis=-1)
        return ops, local, vector


def _by_reach(
    reach: NDArray[np.int64], members: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Group sites by the box of lattice images that their cut-off needs: (n_images, 3) and the sites."""
    boxes, which = np.unique(reach[members], axis=0, return_inverse=True)
    for number, box in enumerate(boxes):
        images = np.stack(np.meshgrid(*(np.arange(-k, k + 1) for k in box), indexing="ij"), axis=-1).reshape(-1, 3)
        yield images, members[which == number]
