"""Free coordinates and sites are inverse to each other, in all space groups."""

from __future__ import annotations

import numpy as np
import pytest

from crystalforge.errors import UnknownSpaceGroupError, UsageError
from crystalforge.symmetry import free_coordinates, sites_of, space_group, wyckoff_letters


def test_inverse_to_each_other_on_every_wyckoff_position() -> None:
    rng = np.random.default_rng(0)
    for number in range(1, 231):
        positions = space_group(number).wyckoff_positions
        letters = np.repeat([position.letter for position in positions], 5)
        occurs = np.repeat([[axis in position.coordinates for axis in "xyz"] for position in positions], 5, axis=0)
        given = rng.random((len(letters), 3))
        sites = sites_of(number, letters, given)
        assert ((sites >= 0) & (sites < 1)).all()
        assert (wyckoff_letters(number, sites)[0] == letters).all()
        parameters, n_free = free_coordinates(number, letters, sites)
        assert np.abs(parameters - np.where(occurs, given, 0.0)).max() < 1e-12
        assert (n_free == occurs.sum(axis=1)).all()
        assert np.abs(sites_of(number, letters, parameters) - sites).max() < 1e-12


def test_written_as_in_the_international_tables() -> None:
    # 141 in origin choice 1: 8e (0, 0, z); 16h (0, x, z). 194: 12k (x, 2x, z).
    parameters, n_free = free_coordinates(194, ["k", "f", "a"], [[0.7, 0.4, 0.1], [1 / 3, 2 / 3, 0.084], [0, 0, 0]])
    assert np.allclose(parameters, [[0.7, 0, 0.1], [0, 0, 0.084], [0, 0, 0]], atol=1e-15)
    assert n_free.tolist() == [2, 1, 0]
    for position in space_group(141).wyckoff_positions:
        site = sites_of(141, [position.letter], [[0.1, 0.2, 0.3]])[0]
        values = {"x": 0.1, "y": 0.2, "z": 0.3}
        by_hand = [eval(text, {}, values) % 1 for text in position.coordinates.split(",")]
        assert np.allclose(site, by_hand, atol=1e-12)


def test_a_small_error_is_projected_and_a_site_of_another_cell_is_the_same() -> None:
    parameters, _ = free_coordinates(225, ["e", "e"], [[0.24, 1e-7, -2e-7], [-1.76, 3, 5]])
    assert np.allclose(parameters, [[0.24, 0, 0], [0.24, 0, 0]], atol=1e-12)
    assert parameters[0, 1:].tolist() == [0, 0]


def test_nothing_gives_nothing() -> None:
    assert sites_of(225, np.empty(0, dtype="<U1"), np.empty((0, 3))).shape == (0, 3)
    assert free_coordinates(225, np.empty(0, dtype="<U1"), np.empty((0, 3)))[1].shape == (0,)


def test_what_is_not_on_a_first_triplet_is_refused() -> None:
    with pytest.raises(UsageError, match=r"row 1: expected one on \(x,0,0\).*24e.*canonical_setting"):
        free_coordinates(225, ["e", "e"], [[0.24, 0, 0], [0, 0.24, 0]])
    with pytest.raises(UsageError, match=r"one of a, b, .* in space group 225, got 'z'"):
        sites_of(225, ["z"], [[0, 0, 0]])
    with pytest.raises(UsageError, match=r"\(2, 3\)"):
        sites_of(225, ["a", "b"], [[0, 0, 0]])
    with pytest.raises(UnknownSpaceGroupError):
        sites_of(0, ["a"], [[0, 0, 0]])
