"""Batches keep their crystals together."""

from __future__ import annotations

import numpy as np
import pytest
from crystal_prototypes import PROTOTYPES, batch_of

from crystalforge.crystals.batch import CrystalBatch


def test_select_by_mask_index_and_slice() -> None:
    batch = batch_of()
    groups = batch.space_group_number
    assert len(batch) == len(PROTOTYPES)
    assert np.array_equal(batch.select(groups == 225).space_group_number, [225, 225])
    assert np.array_equal(batch.select([3, 0]).space_group_number, groups[[3, 0]])
    assert np.array_equal(batch.select(slice(1, 4)).frac_coords, batch.frac_coords[1:4])
    assert len(batch.select([])) == 0 and len(batch.select(groups == 1)) == 0


def test_concatenate_undoes_a_split_by_space_group() -> None:
    batch = batch_of()
    parts = list(batch.by_space_group())
    assert [number for number, _ in parts] == sorted(set(batch.space_group_number.tolist()))
    joined = CrystalBatch.concatenate([batch.select(members) for _, members in parts])
    order = np.argsort(np.concatenate([members for _, members in parts]))
    assert np.array_equal(joined.select(order).atomic_numbers, batch.atomic_numbers)
    assert len(CrystalBatch.concatenate([])) == 0


def test_is_placed() -> None:
    batch = batch_of().select([0, 1, 2])
    batch.frac_coords[1, 2, 0] = np.nan
    batch.multiplicity[2, 1] = 0
    assert batch.is_placed.tolist() == [True, False, False]


def test_a_wrong_shape_is_named() -> None:
    batch = batch_of()
    with pytest.raises(ValueError, match=r"lattice_parameters: expected shape \(13, 6\), got \(13, 3\)"):
        CrystalBatch(
            batch.space_group_number,
            batch.lattice_parameters[:, :3],
            batch.atomic_numbers,
            batch.frac_coords,
            batch.multiplicity,
            batch.wyckoff_letter,
        )
