from __future__ import annotations

import numpy as np
import pytest

from crystalforge.errors import UnknownSpaceGroupError, UsageError
from crystalforge.symmetry import (
    HALL_NUMBERS,
    SPACE_GROUPS,
    CrystalSystem,
    crystal_system_of,
    hall_number_of,
    space_group,
)
from crystalforge.symmetry.subgroups import close, masks_of, multiplication_table, subgroups_of


def test_the_twelve_settings() -> None:
    assert len(SPACE_GROUPS) == 12 and set(SPACE_GROUPS) == set(HALL_NUMBERS)
    assert {number: hall_number_of(number) for number in SPACE_GROUPS} == dict(HALL_NUMBERS)
    assert [space_group(number).international_symbol for number in (62, 141, 166, 225, 227)] == [
        "Pnma",
        "I4_1/amd",
        "R-3m",
        "Fm-3m",
        "Fd-3m",
    ]


def test_other_groups_have_the_standard_choice() -> None:
    assert [hall_number_of(number) for number in (1, 2, 14, 15, 48, 146, 230)] == [1, 2, 81, 90, 228, 433, 530]


@pytest.mark.parametrize("number", [0, 231, -1, 225.0, "225", None])
def test_unknown_space_group(number: object) -> None:
    with pytest.raises(UnknownSpaceGroupError, match="from 1 to 230, got"):
        space_group(number)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        hall_number_of(number)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "last", "system"),
    [
        (1, 2, "triclinic"),
        (3, 15, "monoclinic"),
        (16, 74, "orthorhombic"),
        (75, 142, "tetragonal"),
        (143, 167, "trigonal"),
        (168, 194, "hexagonal"),
        (195, 230, "cubic"),
    ],
)
def test_crystal_systems(first: int, last: int, system: str) -> None:
    assert crystal_system_of(first) == crystal_system_of(last) == CrystalSystem(system)


@pytest.mark.parametrize("number", range(1, 231))
def test_operations_are_a_group(number: int) -> None:
    group = space_group(number)
    n_point, n_centrings = len(group.point_rotations), len(group.centrings)
    assert group.order == n_point * n_centrings == group.wyckoff_positions[-1].multiplicity
    assert (group.point_rotations[0] == np.eye(3)).all() and not group.centrings[0].any()
    table = multiplication_table(group.point_rotations)
    # Products of the operations with one rotation each are operations again, modulo centrings and whole cells.
    R, t = group.point_rotations, group.point_translations
    product = np.einsum("iab,jb->ija", R, t) + t[:, None] - t[table]
    difference = product[:, :, None] - group.centrings
    assert (np.abs(difference - np.round(difference)).max(axis=-1).min(axis=-1) < 1e-12).all()


def test_arrays_are_read_only_and_cached() -> None:
    assert space_group(225) is space_group(225)
    with pytest.raises(ValueError, match="read-only"):
        space_group(225).rotations[0, 0, 0] = 2


@pytest.mark.parametrize(
    ("number", "n_subgroups"), [(1, 1), (16, 5), (99, 10), (207, 30), (221, 98), (191, 54), (227, 98)]
)
def test_all_subgroups_of_a_point_group(number: int, n_subgroups: int) -> None:
    """Their counts are those of group theory: 222 has 5, 4mm (the dihedral group of 8) 10, O 30, O x C2 98."""
    subgroups = subgroups_of(space_group(number).point_rotations)
    n_point = len(space_group(number).point_rotations)
    assert len(np.unique(masks_of(subgroups.members))) == len(subgroups.order) == n_subgroups
    assert subgroups.order[0] == 1 and (n_point % subgroups.order == 0).all()
    for inside in map(np.flatnonzero, subgroups.members):
        products = subgroups.multiplication[np.ix_(inside, inside)]
        assert set(products.ravel()) == set(inside), "closed"
    seeds = subgroups.members[:, None] | np.eye(n_point, dtype=bool)
    joined = close(seeds.reshape(-1, n_point), subgroups.multiplication).reshape(seeds.shape)
    assert (subgroups.members[subgroups.join] == joined).all()
    assert (subgroups.index_of(masks_of(subgroups.members)) == np.arange(n_subgroups)).all()


def test_closure_is_the_least_group_with_the_members() -> None:
    table = multiplication_table(space_group(221).point_rotations)
    members = np.random.default_rng(0).random((200, 48)) < 0.03
    closed = close(members, table)
    for row, before in zip(closed, members, strict=True):
        inside = np.flatnonzero(row)
        assert row[before].all() and row[0] and 48 % len(inside) == 0
        assert row[table[np.ix_(inside, inside)]].all()
