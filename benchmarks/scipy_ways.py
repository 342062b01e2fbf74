"""Merging one orbit's overlapping sites by SciPy, tuned as far as it goes: what our merge is compared with.

Every way gives what ``merge_overlapping_sites`` gives (number of clusters, centre, percolation) for a batch of sites
of one space group. All but the first share: operations and pairs tabulated per group, array operations over batches
of clouds, the nearest image by rounding where that is right (more images only where the cut-off is at least half an
interplanar spacing), squared distances, no Python loop but over what SciPy does one at a time, and the centres' step.
Points that coincide stay: to find them costs more than to cluster them.

Array dimensions: ``n`` sites, ``N`` points of a cloud (operations of the conventional cell), ``P`` = N (N - 1) / 2
pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from periodic_links import (
    Bools,
    Floats,
    Images,
    Ints,
    Links,
    by_images_needed,
    cluster_centres,
    lattice_vector_within,
    metric_tensors,
    nearest_images,
)
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from crystalforge.symmetry import cluster_overlapping_sites, space_group

BLOCK = 1 << 16
"""Numbers held at once by the distances, so that they stay in the processor's cache."""

POINTS_AT_ONCE = 1 << 13
"""Points of the clouds that are clustered and centred together."""

POINTS_PER_LINKAGE = 160
"""Points of several sites put into one linkage; more cost more than the calls that they save."""


@dataclass(frozen=True)
class ScipyMerge:
    """Sites after merging: multiplicity (n,), 0 where percolating; frac_coords (n, 3) unwrapped; percolates (n,)."""

    multiplicity: Ints
    frac_coords: Floats
    percolates: Bools


@dataclass(frozen=True)
class Batch:
    """Clouds (n, 3, N) of the sites of one space group, their metrics (n, 3, 3) and cut-offs (n,), and the images."""

    number: int
    clouds: Floats
    metrics: Floats
    cutoff: Floats
    images: Images


@dataclass(frozen=True)
class CloudTables:
    """What a space group needs once: operations by axis (3, 3·N), translations (3·N,), pairs first < second (P,)."""

    order: int
    rotations: Floats
    translations: Floats
    first: Ints
    second: Ints


@cache
def cloud_tables(space_group_number: int) -> CloudTables:
    """Tables of a space group."""
    group = space_group(space_group_number)
    first, second = np.triu_indices(group.order, 1)
    rotations = np.ascontiguousarray(group.rotations.transpose(1, 0, 2).reshape(-1, 3).T.astype(float))
    return CloudTables(group.order, rotations, group.translations.T.ravel(), first, second)


@cache
def product_table(space_group_number: int) -> Ints:
    """(N, N) index of operation g·s modulo the translations of the conventional cell."""
    group = space_group(space_group_number)

    def keys(rotations: Ints, translations: Floats) -> Ints:
        parts = np.concatenate([rotations.reshape(-1, 9) + 1, np.round(translations * 24).astype(int) % 24], axis=1)
        return parts @ np.concatenate([3 ** np.arange(9), 3**9 * 24 ** np.arange(3)])

    R, t = group.rotations, group.translations
    products = np.einsum("gij,sjk->gsik", R, R).reshape(-1, 3, 3)
    own, order = keys(R, t), np.argsort(keys(R, t))
    moved = (np.einsum("gij,sj->gsi", R, t) + t[:, None]).reshape(-1, 3)
    return order[np.searchsorted(own, keys(products, moved), sorter=order)].reshape(len(R), len(R))


@cache
def _one_of_inverses(space_group_number: int) -> Bools:
    """(N,) one of each two operations that are inverse to each other, which make the same links; not the identity."""
    inverse = np.nonzero(product_table(space_group_number) == 0)[1]
    operations = np.arange(len(inverse))
    return (operations <= inverse) & (operations > 0)


Clustering = Callable[[Batch], tuple[Ints, Links]]
"""Labels (n, N), of each site from some least one on without a gap, and the links."""


def _merge(cluster: Clustering, number: int, frac_coords: Floats, cells: Floats, cutoff: Floats) -> ScipyMerge:
    """Expand, cluster and find the centres."""
    tables, metrics = cloud_tables(number), metric_tensors(cells)
    n, N = len(frac_coords), tables.order
    multiplicity, centres, percolates = np.zeros(n, int), np.empty((n, 3)), np.zeros(n, bool)
    size = max(1, POINTS_AT_ONCE // N)
    for images, rows in by_images_needed(metrics, cutoff):
        percolates[rows] = lattice_vector_within(metrics[rows], cutoff[rows], images)
        rows = rows[~percolates[rows]]
        for part in (rows[start : start + size] for start in range(0, len(rows), size)):
            clouds = (frac_coords[part] @ tables.rotations + tables.translations).reshape(-1, 3, N)
            labels, links = cluster(Batch(number, clouds, metrics[part], cutoff[part], images))
            multiplicity[part] = labels.max(axis=1) - labels.min(axis=1) + 1
            centres[part], percolates[part] = cluster_centres(clouds[:, :, 0], labels, links)
    multiplicity[percolates], centres[percolates] = 0, np.nan
    return ScipyMerge(multiplicity, centres, percolates)


def _pair_distances(batch: Batch) -> Iterator[tuple[slice, Floats, Links]]:
    """Block by block: the sites, their condensed squared distances (n, P) and links."""
    tables = cloud_tables(batch.number)
    size = max(1, BLOCK // (3 * len(tables.first)))
    for start in range(0, len(batch.clouds), size):
        part = slice(start, start + size)
        d = batch.clouds[part].take(tables.second, axis=2)
        d -= batch.clouds[part].take(tables.first, axis=2)
        squared, (site, pair, vector), twice = nearest_images(d, batch.metrics[part], batch.cutoff[part], batch.images)
        yield part, squared, Links(site, tables.first[pair], tables.second[pair], vector, twice)


def _one_linkage_per_site(batch: Batch) -> tuple[Ints, Links]:
    labels, found = _apart(batch), []
    for part, squared, links in _pair_distances(batch):
        for row in np.flatnonzero(np.bincount(links.site)):
            # Single linkage is the same for any rising function of the distance: no square roots.
            tree = linkage(squared[row], "single")
            labels[part.start + row] = fcluster(tree, batch.cutoff[part.start + row] ** 2, "distance")
        found.append(links)
    return labels, Links.join(found)


def _many_sites_per_linkage(batch: Batch) -> tuple[Ints, Links]:
    """Clouds of several sites in one linkage, in units of their cut-offs and far apart from each other."""
    labels, found = _apart(batch), []
    N = labels.shape[1]
    together = max(1, POINTS_PER_LINKAGE // N)
    for part, squared, links in _pair_distances(batch):
        squared /= batch.cutoff[part, None] ** 2
        merging = np.flatnonzero(np.bincount(links.site))
        for rows in (merging[start : start + together] for start in range(0, len(merging), together)):
            places, far_apart = _condensed_places(batch.number, len(rows))
            joint = far_apart.copy()
            joint[places] = squared[rows]
            labels[part.start + rows] = fcluster(linkage(joint, "single"), 1.0, "distance").reshape(-1, N)
        found.append(links)
    return labels, Links.join(found)


def _apart(batch: Batch) -> Ints:
    """Labels of clouds in which nothing merges."""
    return np.tile(np.arange(batch.clouds.shape[2]), (len(batch.clouds), 1))


@cache
def _condensed_places(space_group_number: int, sites: int) -> tuple[Ints, Floats]:
    """Where the pairs of each site stand in the joint condensed distances, and those with all far apart."""
    tables = cloud_tables(space_group_number)
    total, offset = tables.order * sites, tables.order * np.arange(sites)[:, None]
    i, j = tables.first + offset, tables.second + offset
    return total * i - i * (i + 1) // 2 + j - i - 1, np.full(total * (total - 1) // 2, 1e6)


def _connected_pairs(batch: Batch) -> tuple[Ints, Links]:
    links = Links.join([links for _, _, links in _pair_distances(batch)])
    return _components(batch, links), links


def _components(batch: Batch, links: Links) -> Ints:
    n, _, N = batch.clouds.shape
    start, end = links.site * N + links.first, links.site * N + links.second
    graph = coo_array((np.ones(len(start), dtype=np.int8), (start, end)), shape=(n * N, n * N))
    return connected_components(graph, directed=False)[1].reshape(n, N)


def _connected_operations(batch: Batch) -> tuple[Ints, Links]:
    N, group = batch.clouds.shape[2], space_group(batch.number)
    d = batch.clouds - batch.clouds[:, :, :1]
    _, (site, operation, vector), twice = nearest_images(d, batch.metrics, batch.cutoff, batch.images)
    other = _one_of_inverses(batch.number)[operation]
    site, operation, vector = site[other], operation[other], vector[other]
    # Operations are isometries: if s moves the site x to within the cut-off, g·s·x is as near to g·x.
    first, second = np.tile(np.arange(N), len(site)), product_table(batch.number)[:, operation].T.ravel()
    moved = (vector @ group.rotations.transpose(2, 0, 1).reshape(3, -1)).reshape(-1, 3)
    links = Links(np.repeat(site, N), first, second, moved, twice)
    return _components(batch, links), links


def distance_matrix_27_images(number: int, frac_coords: Floats, cells: Floats, cutoff: Floats) -> ScipyMerge:
    """The package's own comparison: one site per call, a distance matrix over 27 or more images, single linkage."""
    multiplicity, centres = np.zeros(len(cutoff), int), np.full((len(cutoff), 3), np.nan)
    percolates = np.zeros(len(cutoff), bool)
    for row, (site, cell, distance) in enumerate(zip(frac_coords, cells, cutoff, strict=True)):
        found = cluster_overlapping_sites(number, site, cell, distance)
        percolates[row] = found.percolates
        if not found.percolates:
            multiplicity[row], centres[row] = len(found.frac_coords), found.frac_coords[found.labels[0]]
    return ScipyMerge(multiplicity, centres, percolates)


def hierarchical_tuned(number: int, frac_coords: Floats, cells: Floats, cutoff: Floats) -> ScipyMerge:
    """Hierarchical single linkage, one call for each site that has a near pair; all else in batches."""
    return _merge(_one_linkage_per_site, number, frac_coords, cells, cutoff)


def hierarchical_shared(number: int, frac_coords: Floats, cells: Floats, cutoff: Floats) -> ScipyMerge:
    """Hierarchical single linkage, the small clouds of several sites in one call: saves SciPy's cost per call."""
    return _merge(_many_sites_per_linkage, number, frac_coords, cells, cutoff)


def connected_pairs(number: int, frac_coords: Floats, cells: Floats, cutoff: Floats) -> ScipyMerge:
    """No hierarchical clustering: the near pairs of all sites as one graph, and its connected components."""
    return _merge(_connected_pairs, number, frac_coords, cells, cutoff)


def connected_operations(number: int, frac_coords: Floats, cells: Floats, cutoff: Floats) -> ScipyMerge:
    """Connected components again, with half of our theorem: one row of distances, multiplied out by the group."""
    return _merge(_connected_operations, number, frac_coords, cells, cutoff)
