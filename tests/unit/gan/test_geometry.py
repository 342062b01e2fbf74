"""The differentiable geometry gives what the room of crystals gives, and slopes that are right."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crystalforge.crystals import lattice as numpy_lattice
from crystalforge.gan import geometry
from crystalforge.symmetry import SPACE_GROUPS, crystal_system_of

SKEWED = np.array([[4.0, 5.5, 7.1, 88.0, 95.0, 104.0], [3.0, 3.0, 9.0, 90.0, 90.0, 120.0]])


def test_lattice_matrices_and_volumes_are_those_of_crystals() -> None:
    lattices = geometry.lattice_matrices(torch.tensor(SKEWED))
    np.testing.assert_allclose(lattices, numpy_lattice.lattice_matrices(SKEWED), atol=1e-12)
    np.testing.assert_allclose(geometry.cell_volumes(lattices), numpy_lattice.cell_volumes(SKEWED), rtol=1e-12)


@pytest.mark.parametrize("number", SPACE_GROUPS)
def test_cells_obey_the_crystal_system_as_in_crystals(number: int) -> None:
    system = str(crystal_system_of(number))
    lengths = torch.tensor([[3.0, 4.0, 5.5]], dtype=torch.float64)
    parameters = torch.cat([geometry.average_lengths(lengths, system), torch.tensor([geometry.cell_angles(system)])], 1)
    expected = numpy_lattice.apply_crystal_system(np.array([[3.0, 4.0, 5.5, 80.0, 80.0, 80.0]]), number)
    np.testing.assert_allclose(parameters, expected)


def test_a_crystal_system_of_free_angles_is_refused() -> None:
    with pytest.raises(ValueError, match="angles of monoclinic cells are free"):
        geometry.cell_angles("monoclinic")


def test_least_distances_are_those_of_a_wide_scan() -> None:
    random = torch.Generator().manual_seed(3)
    differences = torch.randn(2, 50, 3, generator=random, dtype=torch.float64)
    lattices = geometry.lattice_matrices(torch.tensor(SKEWED))
    steps = torch.arange(-5, 6, dtype=torch.float64)
    images = torch.cartesian_prod(steps, steps, steps)
    wide = ((differences[:, :, None] + images) @ lattices[:, None]).norm(dim=-1).amin(-1)
    torch.testing.assert_close(geometry.least_distances(differences, lattices), wide)


def test_inter_distances_pair_elements_and_intra_distances_pair_sets() -> None:
    lattices = geometry.lattice_matrices(torch.tensor([[10.0, 10.0, 10.0, 90.0, 90.0, 90.0]]))
    sites = torch.zeros(1, 3, 3, 3)
    sites[0, :, 1, 0] = 0.1  # the second element of every set stands 1 Å along x
    sites[0, 2, :, 1] = 0.3  # the third set stands 3 Å along y
    inter = geometry.inter_distances(sites, lattices)
    torch.testing.assert_close(inter[0, 0], torch.tensor([1.0, 1e-4, 1.0]), atol=1e-5, rtol=0)
    intra = geometry.intra_distances(sites, lattices)
    torch.testing.assert_close(intra[0, 1], torch.tensor([1e-4, 3.0, 3.0]), atol=1e-5, rtol=0)


def test_distances_have_finite_slopes_also_for_coinciding_sites() -> None:
    sites = torch.zeros(1, 3, 3, 3, requires_grad=True)
    lattices = geometry.lattice_matrices(torch.tensor([[4.0, 4.0, 4.0, 90.0, 90.0, 90.0]]))
    geometry.inter_distances(sites, lattices).sum().backward()
    assert sites.grad is not None
    assert torch.isfinite(sites.grad).all()
