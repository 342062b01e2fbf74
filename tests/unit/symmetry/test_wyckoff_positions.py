from __future__ import annotations

import numpy as np
import pytest
import spglib

from crystalforge.errors import DamagedFileError, UsageError
from crystalforge.symmetry import expand_orbits, space_group, wyckoff_letters
from crystalforge.symmetry.group_tables import group_tables
from crystalforge.symmetry.wyckoff_positions import affine_form


def test_there_are_1731() -> None:
    assert sum(len(space_group(number).wyckoff_positions) for number in range(1, 231)) == 1731


def test_positions_of_225() -> None:
    positions = space_group(225).wyckoff_positions
    assert [f"{p.multiplicity}{p.letter}" for p in positions[:4]] == ["4a", "4b", "8c", "24d"]
    assert positions[0].site_symmetry == "m-3m" and positions[0].coordinates == "0,0,0"
    assert [p.degrees_of_freedom for p in positions] == [0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 3]


def test_affine_form() -> None:
    linear, constant = affine_form("-x+1/2,2x,z")
    assert linear.tolist() == [[-1, 0, 0], [2, 0, 0], [0, 0, 1]] and constant.tolist() == [0.5, 0, 0]
    for text in ("x,y", "x,y,w", "x,y,z/2", "x,,y z,+"):
        with pytest.raises(DamagedFileError):
            affine_form(text)


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
@pytest.mark.parametrize("number", range(1, 231))
def test_letters_and_site_symmetry_equal_spglibs(number: int) -> None:
    """A crystal with every Wyckoff position occupied: spglib may shift the origin, so letters are asked there."""
    group, rng = space_group(number), np.random.default_rng(number)
    sites = [position.linear @ rng.random(3) + position.constant for position in group.wyckoff_positions]
    orbits = expand_orbits(number, [*sites, *rng.random((3, 3))])
    stated = [position.multiplicity for position in group.wyckoff_positions]
    assert orbits.multiplicity.tolist() == [*stated, group.order, group.order, group.order]
    edges = np.diag([9.0, 11.3, 13.9]) + rng.uniform(-1.5, 1.5, (3, 3))
    R = group.point_rotations
    cell = np.linalg.cholesky(np.einsum("pki,kl,plj->ij", R, edges @ edges.T, R) / len(R))
    found = spglib.get_symmetry_dataset(
        (cell, orbits.frac_coords, orbits.site_index + 1), symprec=1e-4, hall_number=group.hall_number
    )
    assert found.number == number
    standard = orbits.frac_coords @ found.transformation_matrix.T + found.origin_shift
    letters, multiplicity = wyckoff_letters(number, standard, tolerance=1e-6)
    assert letters.tolist() == found.wyckoffs
    assert (multiplicity == orbits.multiplicity[orbits.site_index]).all()
    symbols = {position.letter: position.site_symmetry for position in group.wyckoff_positions}
    assert [symbols[letter] for letter in letters] == found.site_symmetry_symbols


def test_letters_with_a_tolerance() -> None:
    letters, multiplicity = wyckoff_letters(225, [[0.0004, 0, 0], [0.2502, 0.25, 0.2499]], tolerance=1e-3)
    assert letters.tolist() == ["a", "c"] and multiplicity.tolist() == [4, 8]
    assert wyckoff_letters(225, [[0.0004, 0, 0]])[0].tolist() == ["e"]
    with pytest.raises(UsageError, match="tolerance"):
        wyckoff_letters(225, [[0, 0, 0]], tolerance=0.5)


def test_a_subgroup_that_is_no_whole_site_symmetry() -> None:
    """A twofold axis alone is no site symmetry in 225: the sites that it fixes have 4m.m."""
    tables = group_tables(225)
    twofold = np.flatnonzero((space_group(225).point_rotations == np.diag([1, -1, -1])).all(axis=(1, 2)))[0]
    H = tables.subgroups.join[0, twofold]
    assert tables.subgroups.order[H] == 2 and tables.letters.n_spaces[H] == 0
    assert wyckoff_letters(225, [[0.1, 0.0, 0.0]])[0].tolist() == ["e"]


def test_expand_orbits() -> None:
    orbits = expand_orbits(225, [[0.25, 0.25, 0.25], [0.5, 0.5, 0.5], [0.11, 0.22, 0.31]])
    assert orbits.multiplicity.tolist() == [8, 4, 192] and len(orbits.frac_coords) == 204
    assert (np.bincount(orbits.site_index) == orbits.multiplicity).all() and (np.diff(orbits.site_index) >= 0).all()
    assert orbits.frac_coords[[0, 8, 12]].tolist() == [[0.25, 0.25, 0.25], [0.5, 0.5, 0.5], [0.11, 0.22, 0.31]]
    assert ((orbits.frac_coords >= 0) & (orbits.frac_coords < 1)).all()
    assert len(np.unique(np.round(orbits.frac_coords[12:], 6), axis=0)) == 192


def test_expand_puts_sites_on_their_position() -> None:
    orbits = expand_orbits(194, [[0.333333, 0.666667, 0.25]])
    assert orbits.multiplicity.tolist() == [2]
    np.testing.assert_allclose(orbits.frac_coords, [[1 / 3, 2 / 3, 1 / 4], [2 / 3, 1 / 3, 3 / 4]], rtol=0, atol=1e-12)


def test_expand_nothing() -> None:
    orbits = expand_orbits(225, np.empty((0, 3)))
    assert orbits.frac_coords.shape == (0, 3) and orbits.multiplicity.shape == (0,)
