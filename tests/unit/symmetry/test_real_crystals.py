"""Every shared crystal: its representative sites, merged at 0.1 Å, give the stated multiplicities and letters.

spglib sees some of each group here, and all of them in `python benchmarks/oracle.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from real_agreement import judge_letters, judge_real

from crystalforge.symmetry import SPACE_GROUPS, expand_orbits, merge_overlapping_sites, space_group, wyckoff_letters

CELL = [f"conv_{name}" for name in ("a", "b", "c", "alpha", "beta", "gamma")]


@pytest.mark.shared
@pytest.mark.parametrize("repeat", [False, True])
def test_multiplicities_and_letters_of_all(shared_data: Path, repeat: bool) -> None:
    table = pq.read_table(shared_data / "mp_ternary_12sg.parquet")
    cells = np.stack([table[name].to_numpy() for name in CELL], axis=1)
    sites = np.array(table["base_frac_coords"].to_pylist()).reshape(-1, 3, 3)
    stated = [np.array(table[f"base_{name}"].to_pylist()) for name in ("wyckoff", "multiplicity", "site_symmetry")]
    numbers, n_atoms = table["space_group_number"].to_numpy(), table["conv_n_atoms"].to_numpy()
    assert len(table) == 12_889 and set(numbers) == set(SPACE_GROUPS)
    for number in SPACE_GROUPS:
        rows = numbers == number
        letters, multiplicities, symbols = (values[rows].ravel() for values in stated)
        merged = merge_overlapping_sites(
            number, sites[rows].reshape(-1, 3), np.repeat(cells[rows], 3, axis=0), 0.1, repeat=repeat
        )
        assert not merged.percolates.any()
        assert (merged.multiplicity == multiplicities).all()
        assert (merged.wyckoff_letter == letters).all()
        names = {position.letter: position.site_symmetry for position in space_group(number).wyckoff_positions}
        assert [names[letter] for letter in merged.wyckoff_letter] == symbols.tolist()
        orbits = expand_orbits(number, merged.frac_coords)
        assert (orbits.multiplicity == multiplicities).all()
        assert (np.bincount(orbits.site_index // 3) == n_atoms[rows]).all()
        assert (wyckoff_letters(number, merged.frac_coords)[0] == letters).all()


@pytest.mark.shared
@pytest.mark.parametrize("number", SPACE_GROUPS)
def test_letters_and_orbits_are_spglibs(shared_data: Path, number: int) -> None:
    found = judge_real(number, 0, 8, limit=12)
    assert found["n"] > 40
    assert found["n"] == found["multiplicities_as_stated"] == found["atoms_as_stated"] == found["letters_as_stated"]
    assert found["n_spglib"] == found["spglib_agrees"] == found["spglib_in_place"] == 12, found["examples"]


def test_spglibs_letters_can_differ() -> None:
    """The judge on rock salt, told the truth and not."""
    cell, group = np.array([5.64] * 3 + [90.0] * 3), space_group(225)
    orbits = expand_orbits(225, [[0, 0, 0], [0.5, 0.5, 0.5]])
    for letters, verdict in ((["a", "b"], "agree"), (["b", "a"], "letters differ"), (["a", "c"], "letters differ")):
        found = judge_letters(group, cell, orbits.frac_coords, orbits.site_index, np.array(letters))
        assert (found.text, found.in_place) == (verdict, True)
    of_another_group = judge_letters(
        space_group(216), cell, orbits.frac_coords, orbits.site_index, np.array(["a", "b"])
    )
    assert of_another_group.text == "not this group"
