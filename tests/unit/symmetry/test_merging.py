from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystalforge.errors import UnknownSpaceGroupError, UsageError
from crystalforge.symmetry import SPACE_GROUPS, expand_orbits, merge_overlapping_sites, space_group, wyckoff_letters
from crystalforge.symmetry.group_tables import group_tables

CUBIC = [6.098, 6.098, 6.098, 90.0, 90.0, 90.0]
HEXAGONAL = [4.0, 4.0, 9.0, 90.0, 90.0, 120.0]


def cells_of(number: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Cells (n, 6) of about 3 to 13 Å with every freedom that the group allows, none more."""
    edges = rng.uniform(3, 13, (n, 3))[:, :, None] * (np.eye(3) + rng.uniform(-0.15, 0.15, (n, 3, 3)))
    R = space_group(number).point_rotations
    metrics = np.einsum("pki,nkl,plj->nij", R, edges @ edges.transpose(0, 2, 1), R, optimize=True) / len(R)
    lengths = np.sqrt(np.einsum("nii->ni", metrics))
    cosines = [metrics[:, i, j] / lengths[:, i] / lengths[:, j] for i, j in ((1, 2), (0, 2), (0, 1))]
    return np.concatenate([lengths, np.degrees(np.arccos(np.stack(cosines, axis=1)))], axis=1)


def periodic_distance(number: int, cell: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Least distances (Å), by brute force over 125 images; the metric is written out here on its own."""
    a, b, c, alpha, beta, gamma = [*cell[:3], *np.cos(np.radians(cell[3:]))]
    metric = np.array([[a * a, a * b * gamma, a * c * beta], [0, b * b, b * c * alpha], [0, 0, c * c]])
    metric = metric + np.triu(metric, 1).T
    images = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3), axis=-1).reshape(-1, 3)
    difference = first - second
    difference = (difference - np.round(difference))[..., None, :] + images
    return np.sqrt(np.einsum("...i,ij,...j->...", difference, metric, difference))


def test_counter_example_of_the_design() -> None:
    """Averaging the near images and testing again gives multiplicity 32 here."""
    merged = merge_overlapping_sites(225, [[0.887, 0.8914, 0.0434]], [CUBIC], [0.653])
    assert merged.frac_coords.tolist() == [[0.0, 0.0, 0.0]]
    assert merged.multiplicity.tolist() == [4] and merged.wyckoff_letter.tolist() == ["a"]
    assert merged.percolates.tolist() == [False]


@pytest.mark.parametrize(
    ("number", "cell", "near", "exact", "label"),
    [
        (194, HEXAGONAL, [0.34, 0.66, 0.26], [1 / 3, 2 / 3, 1 / 4], "2c"),
        (166, [4.0, 4.0, 20.0, 90, 90, 120], [0.01, 0.0, 0.26], [0.0, 0.0, 0.26], "6c"),
        (227, [8.0, 8, 8, 90, 90, 90], [0.13, 0.12, 0.126], [1 / 8, 1 / 8, 1 / 8], "16c"),
        (225, CUBIC, [0.26, 0.24, 0.25], [1 / 4, 1 / 4, 1 / 4], "8c"),
        (221, [4.0, 4, 4, 90, 90, 90], [0.99, 0.01, 0.49], [0.0, 0.0, 1 / 2], "3d"),
        (139, [4.0, 4, 12, 90, 90, 90], [0.49, 0.01, 0.24], [1 / 2, 0.0, 1 / 4], "4d"),
    ],
)
def test_special_positions_are_exact(number: int, cell: list[float], near: list, exact: list, label: str) -> None:
    merged = merge_overlapping_sites(number, [near], [cell], 0.5)
    np.testing.assert_allclose(merged.frac_coords[0], exact, rtol=0, atol=1e-12)
    assert f"{merged.multiplicity[0]}{merged.wyckoff_letter[0]}" == label


def test_percolating_rows() -> None:
    merged = merge_overlapping_sites(221, [[0.1, 0.2, 0.3]] * 2, [[3.0, 3, 3, 90, 90, 90]] * 2, [3.0, 0.1])
    assert merged.percolates.tolist() == [True, False]
    assert np.isnan(merged.frac_coords[0]).all() and merged.frac_coords[1].tolist() == [0.1, 0.2, 0.3]
    assert merged.multiplicity.tolist() == [0, 48] and merged.wyckoff_letter.tolist() == ["", "n"]


def test_the_cutoff_itself_merges() -> None:
    """Two sites at 2 · 0.125 · 8 Å = 2 Å across a mirror plane: all numbers are exact in binary."""
    cell = [[8.0, 16.0, 16.0, 90, 90, 90]]
    site = [[0.125, 0.25, 0.25]]
    assert merge_overlapping_sites(47, site, cell, 2.0).multiplicity.tolist() == [4]
    assert merge_overlapping_sites(47, site, cell, 1.9999999).multiplicity.tolist() == [8]


def test_cutoff_zero_keeps_sites_and_knows_their_position() -> None:
    for number, site, label in ((194, [1 / 3, 2 / 3, 1 / 4], "2c"), (194, [0.1, 0.25, 0.3], "24l")):
        merged = merge_overlapping_sites(number, [site], [HEXAGONAL], 0.0)
        np.testing.assert_allclose(merged.frac_coords[0], site, rtol=0, atol=1e-15)
        assert f"{merged.multiplicity[0]}{merged.wyckoff_letter[0]}" == label


def test_nothing_in_nothing_out() -> None:
    merged = merge_overlapping_sites(225, np.empty((0, 3)), np.empty((0, 6)), np.empty(0))
    assert merged.frac_coords.shape == (0, 3) and merged.wyckoff_letter.shape == (0,)


@pytest.mark.parametrize(
    ("sites", "cells", "cutoff", "message"),
    [
        ([0.1, 0.2, 0.3], [CUBIC], 1.0, r"frac_coords: expected shape \(n, 3\), got \(3,\)"),
        ([[0.1, 0.2, 0.3]], [CUBIC, CUBIC], 1.0, r"lattice_parameters: expected shape \(1, 6\), got \(2, 6\)"),
        ([[np.nan, 0.2, 0.3]], [CUBIC], 1.0, "frac_coords of row 0: expected finite numbers"),
        ([[0.1, 0.2, 0.3]], [CUBIC], -1.0, "cutoff: expected finite distances of 0 Å or more, got -1"),
        ([[0.1, 0.2, 0.3]], [CUBIC], [1.0, 2.0], r"cutoff: expected one number or shape \(1,\)"),
        ([[0.1, 0.2, 0.3]], [[6.0, 6, 7, 90, 90, 90]], 1.0, "row 0: expected a cubic cell for space group 225"),
        ([[0.1, 0.2, 0.3]], [[6.0, 6, 0, 90, 90, 90]], 1.0, "row 0: expected positive lengths"),
        ([[0.1, 0.2, 0.3]], [[6.0, 6, 6, 60, 60, 150]], 1.0, "row 0: expected positive lengths"),
    ],
)
def test_bad_input(sites: list, cells: list, cutoff: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        merge_overlapping_sites(225, sites, cells, cutoff)  # type: ignore[arg-type]


def test_unknown_space_group() -> None:
    with pytest.raises(UnknownSpaceGroupError):
        merge_overlapping_sites(231, [[0.1, 0.2, 0.3]], [CUBIC], 1.0)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(number=st.integers(1, 230), seed=st.integers(0, 2**32 - 1))
def test_properties_in_every_group(number: int, seed: int) -> None:
    """Multiplicity divides the order, the centre's site symmetry is H, the orbit's member does not matter."""
    rng, n, group = np.random.default_rng(seed), 40, space_group(number)
    sites, cells, cutoff = rng.random((n, 3)), cells_of(number, n, rng), rng.uniform(0.0, 3.2, n)
    sites[n // 2 :] = rng.integers(0, 48, (n - n // 2, 3)) / 48
    merged = merge_overlapping_sites(number, sites, cells, cutoff)
    whole = ~merged.percolates
    assert np.isfinite(merged.frac_coords[whole]).all() and np.isnan(merged.frac_coords[~whole]).all()
    assert (group.order % merged.multiplicity[whole] == 0).all()
    centres = merged.frac_coords[whole]
    assert ((centres >= 0) & (centres < 1)).all()
    # The stabilizer of the centre, counted operation by operation, has the order |G| / multiplicity.
    moved = np.einsum("pij,nj->npi", group.rotations, centres) + group.translations - centres[:, None]
    fixing = (np.abs(moved - np.round(moved)).max(axis=-1) < 1e-9).sum(axis=1)
    assert (fixing * merged.multiplicity[whole] == group.order).all()
    letters, multiplicity = wyckoff_letters(number, centres, tolerance=1e-7)
    assert (letters == merged.wyckoff_letter[whole]).all() and (multiplicity == merged.multiplicity[whole]).all()
    operation = rng.integers(group.order, size=n)
    images = np.einsum("nij,nj->ni", group.rotations[operation], sites) + group.translations[operation]
    other = merge_overlapping_sites(number, images, cells, cutoff)
    assert (other.percolates == merged.percolates).all() and (other.multiplicity == merged.multiplicity).all()
    assert (other.wyckoff_letter == merged.wyckoff_letter).all()
    # The cluster of g·x is g of the cluster of x.
    expected = np.einsum("nij,nj->ni", group.rotations[operation], merged.frac_coords) + group.translations[operation]
    difference = (other.frac_coords - expected)[whole]
    assert (np.abs(difference - np.round(difference)) < 1e-9).all()


@pytest.mark.parametrize("number", [*SPACE_GROUPS, 148, 176, 220])
def test_repeated_merging_keeps_centres_apart(number: int) -> None:
    rng, n = np.random.default_rng(number), 400
    sites, cells, cutoff = rng.random((n, 3)), cells_of(number, n, rng), rng.uniform(0.4, 2.0, n)
    once = merge_overlapping_sites(number, sites, cells, cutoff)
    merged = merge_overlapping_sites(number, sites, cells, cutoff, repeat=True)
    assert (merged.percolates | (merged.multiplicity <= once.multiplicity)).all()
    again = merge_overlapping_sites(number, np.nan_to_num(merged.frac_coords), cells, cutoff)
    whole = ~merged.percolates
    assert (again.multiplicity[whole] == merged.multiplicity[whole]).all()
    rows = np.flatnonzero(whole)[:25]
    orbits = expand_orbits(number, merged.frac_coords[rows])
    for row, cell in enumerate(cells[rows]):
        orbit = orbits.frac_coords[orbits.site_index == row]
        distance = periodic_distance(number, cell, orbit[0], orbit)
        assert np.sort(distance.ravel())[1] > cutoff[rows[row]]


def test_repeating_changes_what_one_pass_leaves_too_close() -> None:
    """227, where about one in 700 one-pass results still has centres within the cut-off."""
    rng, n = np.random.default_rng(0), 20_000
    sites, cells, cutoff = rng.random((n, 3)), cells_of(227, n, rng), np.full(n, 0.8)
    once = merge_overlapping_sites(227, sites, cells, cutoff)
    twice = merge_overlapping_sites(227, sites, cells, cutoff, repeat=True)
    changed = (once.multiplicity != twice.multiplicity) | (once.percolates != twice.percolates)
    assert 0 < changed.mean() < 0.01


def test_blocks_do_not_matter() -> None:
    """Results of a batch equal those of its parts, to the last bit."""
    rng, n = np.random.default_rng(1), 20_000
    sites, cells, cutoff = rng.random((n, 3)), cells_of(225, n, rng), rng.uniform(0.4, 3.2, n)
    whole = merge_overlapping_sites(225, sites, cells, cutoff)
    group_tables.__globals__["_group_tables"].cache_clear()
    for part in (slice(0, 1), slice(1234, 1300), slice(16_000, 17_000)):
        piece = merge_overlapping_sites(225, sites[part], cells[part], cutoff[part])
        np.testing.assert_array_equal(piece.frac_coords, whole.frac_coords[part])
        assert (piece.wyckoff_letter == whole.wyckoff_letter[part]).all()
