"""Real prototypes whose sites are moved a little are found again, exactly, with the cut-off that the recipes hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from crystalforge.crystals.elements import atomic_number, atomic_radii
from crystalforge.gan.recipe import load_recipe
from crystalforge.symmetry import MergedSites, merge_overlapping_sites

NOISE = 0.01
DRAWS = 20


@dataclass(frozen=True)
class Prototype:
    """Three sites: element, fractional coordinates, Wyckoff letter, multiplicity."""

    space_group_number: int
    lattice_parameters: tuple[float, float, float, float, float, float]
    elements: tuple[str, str, str]
    frac_coords: tuple[tuple[float, float, float], ...]
    letters: str
    multiplicity: tuple[int, int, int]


PROTOTYPES = {
    "half-Heusler ZrNiSn": Prototype(
        216,
        (6.11, 6.11, 6.11, 90.0, 90.0, 90.0),
        ("Zr", "Ni", "Sn"),
        ((0.0, 0.0, 0.0), (0.25, 0.25, 0.25), (0.5, 0.5, 0.5)),
        "acb",
        (4, 4, 4),
    ),
    "perovskite SrTiO3": Prototype(
        221,
        (3.905, 3.905, 3.905, 90.0, 90.0, 90.0),
        ("Sr", "Ti", "O"),
        ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, 0.5, 0.0)),
        "abc",
        (1, 1, 3),
    ),
    "CaAl2Si2": Prototype(
        164,
        (4.13, 4.13, 7.15, 90.0, 90.0, 120.0),
        ("Ca", "Al", "Si"),
        ((0.0, 0.0, 0.0), (1 / 3, 2 / 3, 0.63), (1 / 3, 2 / 3, 0.27)),
        "add",
        (1, 2, 2),
    ),
    "MAX phase Ti2SnC": Prototype(
        194,
        (3.16, 3.16, 13.68, 90.0, 90.0, 120.0),
        ("C", "Sn", "Ti"),
        ((0.0, 0.0, 0.0), (1 / 3, 2 / 3, 0.75), (1 / 3, 2 / 3, 0.083)),
        "adf",
        (2, 2, 4),
    ),
}


def default_cutoff(elements: tuple[str, str, str]) -> np.ndarray:
    """(3,) Å."""
    radii = atomic_radii()[atomic_number(elements)]
    return load_recipe("quick").sampling.merge_cutoff(radii)


def merge_moved(prototype: Prototype, noise: float) -> tuple[np.ndarray, MergedSites]:
    """The moved sites (draws, 3, 3), and what the merge makes of them."""
    moves = np.random.default_rng(3).uniform(-noise, noise, (DRAWS, 3, 3))
    moved = np.array(prototype.frac_coords) + moves
    cells = np.tile(prototype.lattice_parameters, (DRAWS * 3, 1))
    cutoff = np.tile(default_cutoff(prototype.elements), DRAWS)
    number = prototype.space_group_number
    return moved, merge_overlapping_sites(number, moved.reshape(-1, 3), cells, cutoff, repeat=True)


def offsets(merged: MergedSites, prototype: Prototype) -> np.ndarray:
    """(draws, 3, 3) from the prototype's sites to the merged ones, nearest images."""
    difference = merged.frac_coords.reshape(DRAWS, 3, 3) - np.array(prototype.frac_coords)
    return difference - np.rint(difference)


@pytest.mark.parametrize("name", PROTOTYPES)
def test_every_draw_finds_the_prototype_again(name: str) -> None:
    prototype = PROTOTYPES[name]
    _, merged = merge_moved(prototype, NOISE)
    assert not merged.percolates.any()
    assert (merged.multiplicity.reshape(DRAWS, 3) == prototype.multiplicity).all()
    assert (merged.wyckoff_letter.reshape(DRAWS, 3) == list(prototype.letters)).all()
    assert np.abs(offsets(merged, prototype)).max() <= NOISE + 1e-12


@pytest.mark.parametrize("name", ["half-Heusler ZrNiSn", "perovskite SrTiO3"])
def test_sites_without_a_free_coordinate_come_back_exactly(name: str) -> None:
    _, merged = merge_moved(PROTOTYPES[name], NOISE)
    assert np.abs(offsets(merged, PROTOTYPES[name])).max() < 1e-9


@pytest.mark.parametrize("name", ["CaAl2Si2", "MAX phase Ti2SnC"])
def test_one_third_is_one_third_and_the_free_height_stays_as_drawn(name: str) -> None:
    moved, merged = merge_moved(PROTOTYPES[name], NOISE)
    place = merged.frac_coords.reshape(DRAWS, 3, 3)[:, 2]
    assert np.abs(place[:, :2] - (1 / 3, 2 / 3)).max() < 1e-9
    assert np.abs(place[:, 2] - moved[:, 2, 2]).max() < 1e-9


def test_the_free_height_really_differs_between_draws() -> None:
    """Else the test above could not tell a merge from a snap to the prototype."""
    moved, _ = merge_moved(PROTOTYPES["CaAl2Si2"], NOISE)
    assert np.ptp(moved[:, 2, 2]) > NOISE / 2


def test_noise_as_wide_as_the_cell_is_not_recovered() -> None:
    """The criterion can fail: sites from anywhere do not give the perovskite."""
    prototype = PROTOTYPES["perovskite SrTiO3"]
    _, merged = merge_moved(prototype, 0.5)
    found = (merged.multiplicity.reshape(DRAWS, 3) == prototype.multiplicity).all(axis=1)
    assert found.mean() < 0.5
