"""Single linkage of one orbit's whole cloud by SciPy, fast enough for tens of thousands of cases.

The oracle of `oracle.py` and of the tests. It knows nothing of the merge that it judges: of crystalforge it uses the
operations of the space group only. All lattice images of the cloud within the cut-off are found by a KD-tree, the
clusters are those of `scipy.cluster.hierarchy`, and each cluster is unwrapped along a breadth-first tree of its links;
where any link of the graph disagrees with the tree, the cluster percolates.

Array dimensions: ``n`` points of the cloud, one per operation of the conventional cell; ``l`` links; ``k`` clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order
from scipy.spatial import cKDTree
from scipy.spatial.distance import squareform

from crystalforge.symmetry import SpaceGroup

EDGE = 1e-9
"""Å. A distance this close to the cut-off is decided by round-off: such cases are counted apart."""


@dataclass(frozen=True)
class OrbitClusters:
    """Single-linkage clusters of an orbit.

    Attributes:
        labels: (n,) cluster of each point, 0 to k - 1, in the order of the group's operations.
        frac_coords: (k, 3) centres, unwrapped, not brought into the cell; NaN where percolating.
        percolates: True where a cluster runs through the whole crystal.
        on_edge: True where a distance is within EDGE of the cut-off.
    """

    labels: NDArray[np.int64]
    frac_coords: NDArray[np.float64]
    percolates: bool
    on_edge: bool


@dataclass(frozen=True)
class Links:
    """Pairs of points within a distance, every pair in both directions, without the pairs of a point and itself.

    Attributes:
        first, second: (l,) points.
        image: (l, 3) lattice vector of the second.
        length: (l,) Å.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    image: NDArray[np.int64]
    length: NDArray[np.float64]


def cluster_orbit(
    group: SpaceGroup, frac_coords: NDArray[np.float64], lattice_parameters: NDArray[np.float64], cutoff: float
) -> OrbitClusters:
    """Cluster all images of one site (3,) in a cell (6,), Å and degrees, by single linkage at a cut-off in Å."""
    cloud = (group.rotations @ frac_coords + group.translations) % 1.0
    near = links_within(cloud, cell_vectors(lattice_parameters), cutoff + EDGE)
    on_edge = bool((np.abs(near.length - cutoff) <= EDGE).any())
    inside = near.length <= cutoff
    links = Links(near.first[inside], near.second[inside], near.image[inside], near.length[inside])
    labels = _single_linkage(links, len(cloud), cutoff)
    images, percolates = _unwrap(links, labels, len(cloud))
    count = np.bincount(labels)
    unwrapped = cloud + images
    sums = np.stack([np.bincount(labels, weights=unwrapped[:, axis]) for axis in range(3)], axis=-1)
    centres = np.full_like(sums, np.nan) if percolates else sums / count[:, None]
    return OrbitClusters(labels, centres, percolates, on_edge)


def cell_vectors(lattice_parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows a, b, c in Å, from the metric by Cholesky's factorisation."""
    a, b, c = lattice_parameters[:3]
    cos_alpha, cos_beta, cos_gamma = np.cos(np.radians(lattice_parameters[3:]))
    metric = np.array(
        [
            [a * a, a * b * cos_gamma, a * c * cos_beta],
            [a * b * cos_gamma, b * b, b * c * cos_alpha],
            [a * c * cos_beta, b * c * cos_alpha, c * c],
        ]
    )
    return np.asarray(np.linalg.cholesky(metric), dtype=float)


def links_within(cloud: NDArray[np.float64], cell: NDArray[np.float64], distance: float) -> Links:
    """All pairs of points (n, 3) of the cell and images of points that are at most a distance (Å) apart."""
    # Planes of one fractional coordinate are 1 / |row of the reciprocal cell| apart: nothing further out is in reach.
    reach = (distance + 1e-6) * np.linalg.norm(np.linalg.inv(cell), axis=0)
    # A remainder of -1e-17 is 1.0, so points lie in [0, 1] and their images at k - 1 to k + 1.
    axes = [np.arange(-k, k + 1) for k in (np.ceil(reach).astype(int) + 1)]
    shifts = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    images = (cloud + shifts[:, None, :]).reshape(-1, 3)
    kept = np.flatnonzero(((images >= -reach - 1e-9) & (images <= 1.0 + reach + 1e-9)).all(axis=1))
    pairs = cKDTree(cloud @ cell).sparse_distance_matrix(cKDTree(images[kept] @ cell), distance, output_type="ndarray")
    shift, second = np.divmod(kept[pairs["j"]], len(cloud))
    own = (pairs["i"] == second) & ~shifts[shift].any(axis=1)
    return Links(pairs["i"][~own].astype(int), second[~own], shifts[shift[~own]], pairs["v"][~own])


def _single_linkage(links: Links, n: int, cutoff: float) -> NDArray[np.int64]:
    """SciPy's hierarchical clustering on the least periodic distances; what is out of reach is at twice the cut-off."""
    if n == 1:
        return np.zeros(1, dtype=int)
    distances = np.full((n, n), 2.0 * cutoff + 1.0)
    order = np.argsort(-links.length)  # the last to be written is the least
    distances[links.first[order], links.second[order]] = links.length[order]
    distances = np.minimum(distances, distances.T)
    np.fill_diagonal(distances, 0.0)
    tree = linkage(squareform(distances, checks=False), method="single")
    return np.asarray(fcluster(tree, t=cutoff, criterion="distance"), dtype=int) - 1


def _unwrap(links: Links, labels: NDArray[np.int64], n: int) -> tuple[NDArray[np.int64], bool]:
    """Image (n, 3) of each point that connects its cluster, and whether any link disagrees."""
    # One more node, joined to one point of each cluster, makes the graph connected: one tree holds all clusters.
    _, roots = np.unique(labels, return_index=True)
    first = np.concatenate([links.first, np.full(len(roots), n), roots])
    second = np.concatenate([links.second, roots, np.full(len(roots), n)])
    step = np.concatenate([links.image, np.zeros((2 * len(roots), 3), dtype=int)])
    link_of = np.zeros((n + 1, n + 1), dtype=int)
    link_of[first, second] = np.arange(len(first))
    graph = csr_matrix((np.ones(len(first)), (first, second)), shape=(n + 1, n + 1))
    order, parent = breadth_first_order(graph, n, directed=True)
    if len(order) != n + 1:
        raise RuntimeError(f"The graph of links and the clusters of SciPy differ: {n + 1 - len(order)} points apart.")
    images = np.zeros((n + 1, 3), dtype=int)
    child = order[1:]
    images[child] = step[link_of[parent[child], child]]
    ancestor = np.where(np.arange(n + 1) == n, n, parent)
    while (ancestor != n).any():  # each round doubles the length of the way that is summed
        images, ancestor = images + images[ancestor], ancestor[ancestor]
    agrees = images[links.first] + links.image == images[links.second]
    return images[:n], not bool(agrees.all())
