"""Make ``wyckoff_positions.json`` again: ``python -m crystalforge.symmetry.make_wyckoff_positions``.

moyopy holds spglib's table of Wyckoff positions but shows it only for the positions that a crystal occupies. So for
each space group a probe crystal is made with every kind of special site, each of its own element, and moyopy is asked
which positions they are. The kinds of sites come from merging random sites, which needs no table.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.symmetry.cells import unit_cell
from crystalforge.symmetry.group_tables import GroupTables, group_tables
from crystalforge.symmetry.hall_numbers import N_SPACE_GROUPS
from crystalforge.symmetry.letter_tables import fixed_part, no_letters
from crystalforge.symmetry.merging_kernel import merge_sites
from crystalforge.symmetry.wyckoff_positions import TABLE

N_POSITIONS = 1731
"""Wyckoff positions of the 230 space groups, International Tables A."""

_LETTERS = "abcdefghijklmnopqrstuvwxyzA"
_LOGGER = logging.getLogger(__name__)


def main() -> None:
    """Write the table beside this file."""
    table = {str(group_tables(number).space_group.hall_number): positions(number) for number in _numbers()}
    total = sum(len(rows) for rows in table.values())
    if total != N_POSITIONS:
        raise RuntimeError(f"Expected {N_POSITIONS} Wyckoff positions of the 230 space groups, found {total}.")
    lines = [f'"{hall}": {json.dumps(rows)}' for hall, rows in table.items()]
    Path(__file__).with_name(TABLE).write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _numbers() -> range:
    return range(1, N_SPACE_GROUPS + 1)


def positions(space_group_number: int) -> list[list[Any]]:
    """Rows ``[letter, multiplicity, site symmetry, coordinates]`` of a space group, from "a" on."""
    import moyopy

    tables = group_tables(space_group_number)
    basis, sites, kinds = probe_crystal(space_group_number)
    dataset = moyopy.MoyoDataset(
        moyopy.Cell(basis.tolist(), sites.tolist(), kinds.tolist()),
        symprec=1e-4,
        setting=moyopy.Setting.hall_number(tables.space_group.hall_number),
    )
    found = {
        position.letter: [position.letter, position.multiplicity, position.site_symmetry, position.coordinates]
        for position in dataset.normalizer_wyckoff_positions().wyckoffs
    }
    letters = sorted(found, key=_LETTERS.index)
    _LOGGER.info("space_group_number=%d positions=%d atoms=%d", space_group_number, len(letters), len(sites))
    if dataset.hall_number != tables.space_group.hall_number or letters != list(_LETTERS[: len(letters)]):
        raise RuntimeError(f"Space group {space_group_number}: found {dataset.hall_number} with {letters}.")
    return [found[letter] for letter in letters]


def probe_crystal(
    space_group_number: int, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """A crystal with one orbit, of its own kind of atom, on every Wyckoff position, and three general ones more.

    Returns:
        Cell vectors (3, 3) as rows in Å, fractional coordinates (n_atoms, 3), kinds (n_atoms,) from 1.
    """
    tables, random = group_tables(space_group_number), np.random.default_rng(seed)
    metric = _random_metric(tables, random)
    # More general sites than one, as a single orbit can have more symmetry than the group.
    representatives = [*_one_site_per_position(tables, metric, random), *random.random((3, 3))]
    group = tables.space_group
    orbits = [_distinct(group.rotations @ site + group.translations) for site in representatives]
    kinds = np.concatenate([np.full(len(orbit), kind) for kind, orbit in enumerate(orbits, start=1)])
    return np.asarray(np.linalg.cholesky(metric), dtype=float), np.concatenate(orbits), kinds


def _random_metric(tables: GroupTables, random: np.random.Generator) -> NDArray[np.float64]:
    edges = np.diag([9.0, 11.3, 13.9]) + random.uniform(-1.5, 1.5, (3, 3))
    R = tables.space_group.point_rotations
    mean: NDArray[np.float64] = np.einsum("pki,kl,plj->ij", R, edges @ edges.T, R) / len(R)
    return mean


def _distinct(sites: NDArray[np.float64]) -> NDArray[np.float64]:
    rounded = np.round(sites % 1.0, 6) % 1.0
    _, first = np.unique(rounded, axis=0, return_index=True)
    return sites[first] % 1.0


def _one_site_per_position(
    tables: GroupTables, metric: NDArray[np.float64], random: np.random.Generator, n: int = 60_000
) -> list[NDArray[np.float64]]:
    """One site of every Wyckoff position: random sites merged with random cut-offs fall on all of them."""
    sites, cutoff, cells = random.random((n, 3)), 9.0 * random.random(n) ** 2, np.tile(_cell(metric), (n, 1))
    y, subgroup = _merge(tables, sites, cells, cutoff)
    whole = subgroup >= 0
    keys: dict[tuple[int, ...], NDArray[np.float64]] = {}
    for key, site in zip(_keys(tables, subgroup[whole], y[whole]), y[whole], strict=True):
        keys.setdefault(key, site)
    return list(keys.values())


def _merge(
    tables: GroupTables, sites: NDArray[np.float64], cells: NDArray[np.float64], cutoff: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Centres (n, 3) and the subgroups (n,) that fix them, -1 where percolating."""
    y, subgroup, no_position = np.empty((len(sites), 3)), np.empty(len(sites), int), np.empty(len(sites), int)
    letters = no_letters(len(tables.subgroups.order))
    merge_sites(sites, cells, cutoff, False, tables.operations, letters, y, subgroup, no_position)
    return y, subgroup


def _cell(metric: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lattice parameters (6,) in Å and degrees of a metric."""
    lengths = np.sqrt(np.diag(metric))
    cosines = (metric / np.outer(lengths, lengths))[[1, 0, 0], [2, 2, 1]]
    return np.concatenate([lengths, np.degrees(np.arccos(cosines))])


def _keys(tables: GroupTables, subgroup: NDArray[np.int64], sites: NDArray[np.float64]) -> list[tuple[int, ...]]:
    """A name of the Wyckoff position of each site: the least (subgroup, fixed part) over its images."""
    group = tables.space_group
    matrices: dict[int, NDArray[np.float64]] = {}
    names: dict[tuple[int, ...], tuple[int, ...]] = {}
    answer = []
    for H, site in zip(subgroup.tolist(), sites, strict=True):
        own = _name(tables, matrices, H, site)
        if own not in names:
            images = np.einsum("pij,j->pi", group.point_rotations, site) + group.point_translations
            cells = np.tile(unit_cell(group), (len(images), 1))
            _, fixing = _merge(tables, images, cells, np.full(len(images), 1e-6))
            names[own] = min(_name(tables, matrices, *pair) for pair in zip(fixing.tolist(), images, strict=True))
        answer.append(names[own])
    return answer


def _name(
    tables: GroupTables, matrices: dict[int, NDArray[np.float64]], H: int, site: NDArray[np.float64]
) -> tuple[int, ...]:
    if H not in matrices:
        matrices[H] = fixed_part(tables.space_group, tables.subgroups, H)
    # Fixed parts are multiples of 1/48 or coarser in the basis: 1/5040 tells them apart and forgets round-off.
    return (H, *(int(value) for value in np.round(matrices[H] @ site * 5040) % 5040))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
