"""Links of clouds of points in periodic cells, and the centres of their clusters; for many sites at once.

What the comparison ways of scipy_ways.py share, so that they differ in the clustering alone.

Array dimensions: ``n`` sites of one space group, ``N`` points of a cloud (operations of the conventional cell), ``P``
pairs of points, ``E`` links of all clouds, ``K`` lattice images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Images:
    """Lattice images to look at besides the rounded one.

    Attributes:
        steps: (K, 3) lattice vectors, zero first.
        opposite: the steps, 0 or 1, are taken against the sign of the rounded component. Enough while the cut-off is
            below the interplanar spacing: a component c in [0, 1/2] has no other image shorter than 1 than c - 1.
    """

    steps: Floats
    opposite: bool


@dataclass(frozen=True)
class Links:
    """Pairs of points within the cut-off.

    Attributes:
        site: (E,) whose cloud.
        first: (E,) point.
        second: (E,) point.
        vector: (E, 3) fractional, from the first to the linked image of the second.
        twice: (n,) two images of one pair are within the cut-off, so that the cluster percolates; their other links
            are left out.
    """

    site: Ints
    first: Ints
    second: Ints
    vector: Floats
    twice: Bools

    @staticmethod
    def join(parts: Sequence[Links]) -> Links:
        """Links of batches of sites, one after the other."""
        offsets = np.cumsum([0] + [len(part.twice) for part in parts[:-1]])
        return Links(
            np.concatenate([part.site + offset for part, offset in zip(parts, offsets, strict=True)]),
            np.concatenate([part.first for part in parts]),
            np.concatenate([part.second for part in parts]),
            np.concatenate([part.vector for part in parts]),
            np.concatenate([part.twice for part in parts]),
        )


def metric_tensors(lattice_parameters: Floats) -> Floats:
    """Metric tensors (n, 3, 3) in Å² of cells (n, 6); right angles give exact zeros."""
    lengths, cosines = lattice_parameters[:, :3], np.cos(np.radians(lattice_parameters[:, 3:]))
    cosines[np.abs(cosines) < 1e-15] = 0.0
    metrics = lengths[:, :, None] * lengths[:, None, :]
    for row, column, angle in ((0, 1, 2), (0, 2, 1), (1, 2, 0)):
        metrics[:, row, column] *= cosines[:, angle]
        metrics[:, column, row] = metrics[:, row, column]
    return metrics


def by_images_needed(metrics: Floats, cutoff: Floats) -> Iterator[tuple[Images, Ints]]:
    """Sites that need the same images, as rows.

    A vector within the cut-off has |component| <= cut-off / interplanar spacing: below 1/2 rounding finds the only one.
    """
    ratio = cutoff[:, None] * np.sqrt(np.einsum("nii->ni", np.linalg.inv(metrics)))
    reach = np.floor(ratio + 0.5 + 1e-9).astype(int)
    opposite = (ratio < 1).all(axis=1)
    boxes, which = np.unique(np.column_stack([reach, opposite]), axis=0, return_inverse=True)
    for number, (*box, against_sign) in enumerate(boxes):
        steps = np.array(list(product(*(range(0 if against_sign else -k, k + 1) for k in box))), dtype=float)
        zero_first = np.argsort(np.abs(steps).sum(axis=1), kind="stable")
        yield Images(steps[zero_first], bool(against_sign)), np.flatnonzero(which == number)


def lattice_vector_within(metrics: Floats, cutoff: Floats, images: Images) -> Bools:
    """Whether a lattice vector is within the cut-off (n,), so that every point links to its own image."""
    if images.opposite:  # no cell edge is shorter than its spacing; other vectors need components of 1 too
        return np.zeros(len(cutoff), dtype=bool)
    vectors = [np.broadcast_to(component, (len(cutoff), len(component))) for component in images.steps[1:].T]
    return (squared_lengths(vectors, metrics) <= cutoff[:, None] ** 2).any(axis=1)


def squared_lengths(d: Sequence[Floats], metrics: Floats) -> Floats:
    """dᵀ G d (n, ...) of vectors given as three components (n, ...)."""
    weights = metrics.reshape(-1, 3, 3, *(1,) * (d[0].ndim - 1))
    squared = d[0] * d[0]
    squared *= weights[:, 0, 0]
    for i, j in ((1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
        if i == j or weights[:, i, j].any():
            term = d[i] * d[j]
            term *= weights[:, i, j] * (1 if i == j else 2)
            squared += term
    return squared


def nearest_images(
    d: Floats, metrics: Floats, cutoff: Floats, images: Images
) -> tuple[Floats, tuple[Ints, Ints, Floats], Bools]:
    """Squared lengths (n, P) of the nearest images of vectors d (n, 3, P), and which are within the cut-off.

    Returns:
        squared lengths; site, index and vector of each that is within the cut-off; ``Links.twice``.
    """
    d -= np.rint(d)
    limit, twice = cutoff[:, None] ** 2, np.zeros(len(d), dtype=bool)
    rounded = [d[:, axis] for axis in range(3)]
    squared = squared_lengths(rounded, metrics)
    which = np.zeros(squared.shape, dtype=np.int8) if len(images.steps) > 1 else None
    against = -np.copysign(1.0, d) if images.opposite and which is not None else np.ones((1, 3, 1))
    for number, step in enumerate(images.steps[1:], start=1):
        moved = [c + against[:, axis] * step[axis] if step[axis] else c for axis, c in enumerate(rounded)]
        again = squared_lengths(moved, metrics)
        twice |= (np.maximum(again, squared) <= limit).any(axis=1)
        which[again < squared] = number
        np.minimum(squared, again, out=squared)
    site, index = np.nonzero(squared <= np.where(twice[:, None], -1.0, limit))
    vector = d[site, :, index]
    if which is not None:
        vector += images.steps[which[site, index]] * (-np.copysign(1.0, vector) if images.opposite else 1.0)
    return squared, (site, index, vector), twice


def cluster_centres(sites: Floats, labels: Ints, links: Links) -> tuple[Floats, Bools]:
    """Centres (n, 3) of the clusters that hold the first point of each cloud, and which of them percolate (n,).

    The nearest image to the first point would be wrong for wide clusters, so each point is put beside one that it is
    linked to. Where two ways along the links lead to different images of a point, the cluster percolates.

    Args:
        sites: (n, 3) first points, fractional.
        labels: (n, N) clusters.
        links: at least those of the clusters that hold the first points.
    """
    n, N = labels.shape
    own = labels == labels[:, :1]
    needed = np.flatnonzero(own[links.site, links.first])
    site, vector = links.site[needed], links.vector[needed]
    start, end = site * N + links.first[needed], site * N + links.second[needed]
    start, end, both_ways = (
        np.concatenate([start, end]),
        np.concatenate([end, start]),
        np.concatenate([vector, -vector]),
    )
    place, known = np.zeros((n * N, 3)), np.zeros(n * N, dtype=bool)
    known[::N] = True
    while (new := np.flatnonzero(known[start] & ~known[end])).size:
        place[end[new]] = place[start[new]] + both_ways[new]
        known[end[new]] = True
    percolates, half = links.twice.copy(), len(site)
    off = place[start[:half]] + vector - place[end[:half]]
    percolates[site[np.flatnonzero(np.abs(off).ravel() > 1e-6) // 3]] = True
    return sites + place.reshape(n, N, 3).sum(axis=1) / own.sum(axis=1)[:, None], percolates
