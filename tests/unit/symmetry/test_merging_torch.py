"""Torch tensors through the merge: the same sites as NumPy arrays give, on the tensors' own device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crystalforge.errors import UsageError
from crystalforge.symmetry import SPACE_GROUPS, CrystalSystem, merge_overlapping_sites, space_group

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def cases(number: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sites, half of them on a grid of 1/48; cells of 3 to 13 Å; cut-offs up to 3.2 Å."""
    rng, system = np.random.default_rng(number), space_group(number).crystal_system
    sites, lengths, angles = rng.random((n, 3)), rng.uniform(3, 13, (n, 3)), np.full((n, 3), 90.0)
    sites[n // 2 :] = rng.integers(0, 48, (n - n // 2, 3)) / 48
    if system in (CrystalSystem.TRICLINIC, CrystalSystem.MONOCLINIC):
        angles[:, 1] = rng.uniform(70, 110, n)
    if system not in (CrystalSystem.TRICLINIC, CrystalSystem.MONOCLINIC, CrystalSystem.ORTHORHOMBIC):
        lengths[:, 1] = lengths[:, 0]
    if system is CrystalSystem.CUBIC:
        lengths[:, 2] = lengths[:, 0]
    if system in (CrystalSystem.TRIGONAL, CrystalSystem.HEXAGONAL):
        angles[:, 2] = 120.0
    return sites, np.concatenate([lengths, angles], axis=1), rng.uniform(0.0, 3.2, n)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize("number", [*SPACE_GROUPS, 2, 14, 148, 230])
def test_tensors_merge_as_arrays_do(number: int, repeat: bool, device: str) -> None:
    arrays = cases(number, 300)
    expected = merge_overlapping_sites(number, *arrays, repeat=repeat)
    tensors = [torch.from_numpy(array).to(device) for array in arrays]
    merged = merge_overlapping_sites(number, *tensors, repeat=repeat)
    assert merged.frac_coords.device.type == device
    np.testing.assert_array_equal(merged.percolates.cpu(), expected.percolates)
    np.testing.assert_array_equal(merged.multiplicity.cpu(), expected.multiplicity)
    np.testing.assert_array_equal(merged.wyckoff_letter, expected.wyckoff_letter)
    difference = merged.frac_coords.cpu().numpy() - expected.frac_coords
    np.testing.assert_allclose(difference - np.round(difference), np.where(np.isnan(difference), np.nan, 0), atol=1e-12)


def test_batches_of_tensors_are_cut_into_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    sites, cells, cutoff = (torch.from_numpy(array) for array in cases(62, 100))
    whole = merge_overlapping_sites(62, sites, cells, cutoff)
    monkeypatch.setattr("crystalforge.symmetry.merging_torch.SITES_AT_ONCE", 7)
    pieces = merge_overlapping_sites(62, sites, cells, cutoff)
    np.testing.assert_allclose(pieces.frac_coords, whole.frac_coords, rtol=0, atol=1e-12)
    assert (pieces.wyckoff_letter == whole.wyckoff_letter).all()
    assert len(merge_overlapping_sites(62, torch.empty(0, 3), torch.empty(0, 6), 1.0).multiplicity) == 0


@pytest.mark.parametrize(
    ("sites", "cells", "cutoff", "message"),
    [
        (torch.zeros(2, 2), torch.ones(2, 6), 1.0, r"frac_coords: expected shape \(2, 3\)"),
        (torch.tensor([[0.1, torch.nan, 0.0]]), torch.ones(1, 6), 1.0, "frac_coords of row 0"),
        (torch.zeros(1, 3), torch.tensor([[4.0, 4, 4, 90, 90, 90]]), torch.tensor([-1.0]), "cutoff: expected"),
        (torch.zeros(1, 3), torch.tensor([[4.0, 5, 4, 90, 90, 90]]), 1.0, "row 0: expected a cubic cell"),
        (torch.zeros(1, 3), torch.tensor([[4.0, 4, 4, 90, 90, 180]]), 1.0, "span a volume"),
    ],
)
def test_bad_tensors_are_named(sites: torch.Tensor, cells: torch.Tensor, cutoff: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        merge_overlapping_sites(225, sites, cells, cutoff)  # type: ignore[arg-type]
