"""Cases on which simpler ways of merging go wrong (docs/model.md, Merging), each with the plain oracle as judge."""

from __future__ import annotations

import numpy as np
import pytest

from crystalforge.symmetry import cluster_overlapping_sites, merge_overlapping_sites, space_group
from crystalforge.symmetry.single_linkage import _cell_vectors

Case = tuple[int, list[float], list[float], float]
"""Space group number, site, a, b, c in Å (γ 120° in hexagonal groups), cut-off in Å."""

PERCOLATING: list[Case] = [
    (62, [0.041, 0.056, 0.084], [7.56, 4.3, 5.59], 2.28),
    (62, [0.077, 0.399, 0.616], [4.93, 4.65, 3.16], 2.25),
    (194, [0.652, 0.235, 0.435], [3.45, 3.45, 12.99], 2.45),
    (194, [0.149, 0.699, 0.449], [6.25, 6.25, 6.16], 2.08),
    (221, [0.679, 0.87, 0.227], [5.71, 5.71, 5.71], 2.28),
    (221, [0.713, 0.613, 0.941], [6.9, 6.9, 6.9], 2.48),
]
WIDE: list[tuple[Case, list[float], str]] = [
    ((221, [0.116, 0.667, 0.772], [5.59, 5.59, 5.59], 1.37), [0, 0, 0], "1a"),
    ((221, [0.158, 0.199, 0.397], [4.42, 4.42, 4.42], 1.24), [1 / 2, 1 / 2, 1 / 2], "1b"),
    ((166, [0.001, 0.418, 0.301], [4.08, 4.08, 5.4], 1.4), [2 / 3, 1 / 3, 1 / 3], "3a"),
    ((166, [0.22, 0.279, 0.521], [8.71, 8.71, 7.16], 1.94), [0, 0, 1 / 2], "3b"),
    ((194, [0.203, 0.281, 0.932], [8.38, 8.38, 8.19], 1.95), [0, 0, 0], "2a"),
]


def cell_of(number: int, lengths: list[float]) -> list[float]:
    return [*lengths, 90.0, 90.0, 120.0 if number in (166, 194) else 90.0]


def nearest_displacements(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """The nearest image of each operation, fractional, and all lengths (n_ops, 343) of the images around it."""
    number, site, lengths, _ = case
    group = space_group(number)
    displacement = group.rotations @ np.array(site) + group.translations - site
    displacement -= np.round(displacement)
    box = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    images = (displacement[:, None] + box) @ _cell_vectors(np.array(cell_of(number, lengths)))
    return displacement, np.linalg.norm(images, axis=-1)


@pytest.mark.parametrize("case", PERCOLATING, ids=str)
def test_percolation_that_a_closure_modulo_the_cell_misses(case: Case) -> None:
    """No operation has two images in reach, so modulo the cell the near ones generate an ordinary finite group.

    Only the lattice vectors that belong to them show that they also generate a translation.
    """
    number, site, lengths, cutoff = case
    _, every_length = nearest_displacements(case)
    assert (every_length <= cutoff).sum(axis=1).max() == 1 and (every_length <= cutoff).sum() > 1
    cell = cell_of(number, lengths)
    assert cluster_overlapping_sites(number, site, cell, cutoff).percolates
    for repeat in (False, True):
        assert merge_overlapping_sites(number, [site], [cell], cutoff, repeat=repeat).percolates.tolist() == [True]


@pytest.mark.parametrize(("case", "centre", "position"), WIDE, ids=str)
def test_clusters_wider_than_half_the_cell(case: Case, centre: list[float], position: str) -> None:
    """The mean of the nearest images of a cluster's points to its first point is not the centre here."""
    number, site, lengths, cutoff = case
    cell = cell_of(number, lengths)
    oracle = cluster_overlapping_sites(number, site, cell, cutoff)
    merged = merge_overlapping_sites(number, [site], [cell], cutoff)
    assert not oracle.percolates and merged.percolates.tolist() == [False]
    assert f"{merged.multiplicity[0]}{merged.wyckoff_letter[0]}" == position
    np.testing.assert_allclose(merged.frac_coords[0], centre, rtol=0, atol=1e-12)
    own = oracle.frac_coords[oracle.labels[0]] - centre
    assert (np.abs(own - np.round(own)) < 1e-9).all()
    displacement, _ = nearest_displacements(case)
    mean = site + displacement[oracle.labels == oracle.labels[0]].mean(axis=0) - centre
    assert np.abs(mean - np.round(mean)).max() > 0.05


def test_averaging_the_near_images_is_not_enough() -> None:
    """225, of the design: the mean of the near images keeps 8 of the 48 operations that the cluster has."""
    case: Case = (225, [0.887, 0.8914, 0.0434], [6.098] * 3, 0.653)
    cell = cell_of(case[0], case[2])
    displacement, _ = nearest_displacements(case)
    near = np.linalg.norm(displacement @ _cell_vectors(np.array(cell)), axis=1) <= case[3]
    mean = case[1] + displacement[near].mean(axis=0)
    assert np.abs(mean - np.round(mean)).max() > 0.05
    assert len(cluster_overlapping_sites(225, mean, cell, 1e-6).frac_coords) > 4
    oracle = cluster_overlapping_sites(225, case[1], cell, case[3])
    merged = merge_overlapping_sites(225, [case[1]], [cell], case[3])
    assert len(oracle.frac_coords) == merged.multiplicity[0] == 4
    assert merged.frac_coords.tolist() == [[0.0, 0.0, 0.0]] and merged.wyckoff_letter.tolist() == ["a"]


REPEATING: list[tuple[Case, str, str]] = [
    ((227, [0.114, 0.388, 0.493], [12.74] * 3, 2.1), "32e", "16c"),
    ((141, [0.001, 0.963, 0.948], [6.61, 6.61, 4.17], 0.54), "8e", "4a"),
    ((166, [0.271, 0.72, 0.753], [11.51, 11.51, 10.22], 2.02), "6c", "3a"),
    ((194, [0.077, 0.148, 0.908], [3.58, 3.58, 12.53], 2.32), "4e", "2a"),
    ((141, [0.629, 0.187, 0.36], [7.74, 7.74, 4.21], 1.81), "16g", "percolates"),
    ((194, [0.876, 0.137, 0.757], [4.23, 4.23, 4.67], 2.41), "2b", "percolates"),
]
"""Centres of one pass that are again within the cut-off: what one pass gives, and what repeating gives."""


@pytest.mark.parametrize(("case", "once", "repeated"), REPEATING, ids=str)
def test_centres_that_are_again_too_close(case: Case, once: str, repeated: str) -> None:
    number, site, lengths, cutoff = case
    cell = cell_of(number, lengths)
    found = []
    for repeat in (False, True):
        merged = merge_overlapping_sites(number, [site], [cell], cutoff, repeat=repeat)
        found.append("percolates" if merged.percolates[0] else f"{merged.multiplicity[0]}{merged.wyckoff_letter[0]}")
    assert found == [once, repeated]
    # The plain oracle agrees when its own centre is given back to it.
    first = cluster_overlapping_sites(number, site, cell, cutoff)
    assert f"{len(first.frac_coords)}" == once[:-1]
    second = cluster_overlapping_sites(number, first.frac_coords[first.labels[0]], cell, cutoff)
    assert second.percolates == (repeated == "percolates")
    assert second.percolates or f"{len(second.frac_coords)}" == repeated[:-1]
