"""The paper's merging: hierarchical clustering of the expanded cloud of one orbit, by SciPy.

Kept for comparison and as the oracle of the tests of ``merge_overlapping_sites``, which gives the same clusters some
thousand times faster. Nothing here is shared with it but the operations of the space group.

Array dimensions: ``n`` points of the cloud, one per operation of the conventional cell; ``k`` clusters.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalforge.symmetry.space_groups import space_group


@dataclass(frozen=True)
class ClusteredSites:
    """Clusters of the cloud of one orbit.

    Attributes:
        labels: (n,) cluster of each point of the cloud, 0 to k - 1.
        frac_coords: (k, 3) centres in [0, 1), NaN where percolating.
        percolates: True where a cluster runs through the whole crystal.
    """

    labels: NDArray[np.int64]
    frac_coords: NDArray[np.float64]
    percolates: bool


def cluster_overlapping_sites(
    space_group_number: int, frac_coords: ArrayLike, lattice_parameters: ArrayLike, cutoff: float
) -> ClusteredSites:
    """Cluster the images of one site by single linkage on the periodic distance matrix.

    The centre of a cluster is the mean of its points, unwrapped along its links: the nearest image to the first
    point would be wrong for wide clusters. Where two ways along the links lead to different images of one point,
    the cluster percolates.

    Args:
        space_group_number: 1 to 230.
        frac_coords: (3,) the site.
        lattice_parameters: (6,) Å and degrees.
        cutoff: Å; distances up to it link.

    Raises:
        UnknownSpaceGroupError: the number is outside 1 to 230.
    """
    group = space_group(space_group_number)
    cloud = group.rotations @ np.asarray(frac_coords, dtype=float) + group.translations
    cell = _cell_vectors(np.asarray(lattice_parameters, dtype=float))
    distances, links = _distances_and_links(cloud % 1.0, cell, cutoff)
    labels = _single_linkage(distances, cutoff)
    images, percolates = _unwrap(links, len(cloud))
    centres = np.full((labels.max() + 1, 3), np.nan)
    if not percolates:
        unwrapped = cloud % 1.0 + images
        centres = np.stack([unwrapped[labels == label].mean(axis=0) for label in range(len(centres))]) % 1.0
    return ClusteredSites(labels, centres, percolates)


def _cell_vectors(lattice_parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows a, b, c in Å; a along x, b in the xy plane."""
    a, b, c = lattice_parameters[:3]
    cos_alpha, cos_beta, cos_gamma = np.cos(np.radians(lattice_parameters[3:]))
    sin_gamma = np.sqrt(1 - cos_gamma**2)
    along_y = (cos_alpha - cos_beta * cos_gamma) / sin_gamma
    return np.array(
        [
            [a, 0, 0],
            [b * cos_gamma, b * sin_gamma, 0],
            [c * cos_beta, c * along_y, c * np.sqrt(1 - cos_beta**2 - along_y**2)],
        ]
    )


def _distances_and_links(
    cloud: NDArray[np.float64], cell: NDArray[np.float64], cutoff: float
) -> tuple[NDArray[np.float64], list[tuple[int, int, NDArray[np.int64]]]]:
    """Least periodic distances (n, n), and every link: point, point, image of the second."""
    spacings = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    # Points of [0, 1) differ by less than 1 along an axis, so this box holds every image within the cut-off.
    box = [range(-k, k + 1) for k in np.ceil(cutoff / spacings + 1).astype(int)]
    distances, links = np.full((len(cloud), len(cloud)), np.inf), []
    cartesian = cloud @ cell
    for image in product(*box):
        shift = np.array(image)
        difference = cartesian[None, :, :] + shift @ cell - cartesian[:, None, :]
        length = np.sqrt(np.einsum("ijk,ijk->ij", difference, difference))
        distances = np.minimum(distances, length)
        links += [(int(i), int(j), shift) for i, j in np.argwhere(length <= cutoff)]
    return distances, links


def _single_linkage(distances: NDArray[np.float64], cutoff: float) -> NDArray[np.int64]:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(distances) == 1:
        return np.zeros(1, dtype=int)
    off_diagonal = (distances + distances.T) / 2
    np.fill_diagonal(off_diagonal, 0.0)
    tree: Any = linkage(squareform(off_diagonal, checks=False), method="single")
    return fcluster(tree, t=cutoff, criterion="distance").astype(int) - 1


def _unwrap(links: list[tuple[int, int, NDArray[np.int64]]], n: int) -> tuple[NDArray[np.int64], bool]:
    """Image (n, 3) of each point that connects its cluster, and whether two ways disagree."""
    neighbours: list[list[tuple[int, NDArray[np.int64]]]] = [[] for _ in range(n)]
    for first, second, shift in links:
        neighbours[first].append((second, shift))
    images, seen = np.zeros((n, 3), dtype=int), np.zeros(n, dtype=bool)
    for root in range(n):
        queue = deque([] if seen[root] else [root])
        seen[root] = True
        while queue:
            first = queue.popleft()
            for second, shift in neighbours[first]:
                image = images[first] + shift
                if not seen[second]:
                    images[second], seen[second] = image, True
                    queue.append(second)
                elif (image != images[second]).any():
                    return images, True
    return images, False
