"""Generator and critic: the published sizes, cells of the right shape, samples that do not see each other."""

from __future__ import annotations

import pytest
import torch

from crystalforge.gan.networks import Critic, Generator, operation_stack
from crystalforge.gan.paper_recipe import Networks
from crystalforge.gan.recipe import load_recipe
from crystalforge.gan.representation import crystal_tensor
from crystalforge.symmetry import SPACE_GROUPS, space_group

PAPER, QUICK = load_recipe("paper").networks, load_recipe("quick").networks


def _n_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _draw(generator: Generator, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(5)
    noise = torch.randn(n, generator.noise_size, generator=random)
    return generator(noise, torch.rand(n, 3, 23, generator=random) * 2 - 1)


def test_the_paper_networks_have_the_published_size() -> None:
    assert round(_n_parameters(Generator(225, PAPER)) / 1e6, 2) == 4.75
    assert round(_n_parameters(Critic(225, PAPER)) / 1e6, 2) == 0.72


@pytest.mark.parametrize("number", SPACE_GROUPS)
def test_drawn_cells_obey_the_space_group(number: int) -> None:
    generator = Generator(number, QUICK)
    sites, lattice = _draw(generator, 6)
    assert sites.shape == (6, 3, 3, 3)
    assert ((sites >= 0) & (sites <= 1)).all()
    a, b, c, alpha, beta, gamma = lattice.detach().unbind(1)
    assert ((a >= 1) & (c <= 45)).all()
    if number > 194:
        torch.testing.assert_close(a, c)
    if number > 74:
        torch.testing.assert_close(a, b)
    assert set(gamma.tolist()) == ({120.0} if 143 <= number <= 194 else {90.0})
    assert set(alpha.tolist()) == set(beta.tolist()) == {90.0}


def test_a_sample_does_not_depend_on_the_others_of_its_batch() -> None:
    generator = Generator(62, QUICK)
    _draw(generator, 32)  # gives batch norm its statistics
    generator.eval()
    random = torch.Generator().manual_seed(1)
    noise, properties = torch.randn(9, QUICK.noise_size, generator=random), torch.rand(9, 3, 23, generator=random)
    together = generator(noise, properties)
    for i in range(9):
        alone = generator(noise[i : i + 1], properties[i : i + 1])
        torch.testing.assert_close(alone[0][0], together[0][i], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(alone[1][0], together[1][i], atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("networks", [PAPER, QUICK])
def test_the_first_set_alone_is_that_of_all_three(networks: Networks) -> None:
    generator = Generator(62, networks)
    _draw(generator, 32)
    generator.eval()
    random = torch.Generator().manual_seed(1)
    noise, properties = torch.randn(9, networks.noise_size, generator=random), torch.rand(9, 3, 23, generator=random)
    all_sets, cells = generator(noise, properties)
    first_set, same_cells = generator.draw_first_set(noise, properties)
    torch.testing.assert_close(first_set, all_sets[:, 0], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(same_cells, cells)


def test_sampling_draws_the_cells_that_training_saw() -> None:
    """Batch norm over equal stacks has no variance: running statistics would blow the features up in sampling."""
    generator = Generator(225, QUICK)
    optimiser = torch.optim.Adam(generator.parameters(), lr=1e-3)
    for _ in range(20):
        _, lattice = _draw(generator, 16)
        optimiser.zero_grad()
        (lattice[:, :3] - 6).square().mean().backward()
        optimiser.step()
    trained = _draw(generator, 16)[1]
    sampled = _draw(generator.eval(), 16)[1]
    torch.testing.assert_close(sampled, trained)


def test_the_operation_stack_holds_the_group() -> None:
    stack = operation_stack(space_group(62))
    assert stack.shape == (192, 4, 4)
    assert (stack[:8].flatten(1).abs().sum(1) > 0).all()
    assert (stack[8:] == 0).all()
    point = torch.tensor([0.1, 0.2, 0.3, 1.0])
    group = space_group(62)
    expected = torch.tensor(group.rotations @ point[:3].double().numpy() + group.translations)
    torch.testing.assert_close((stack[:8] @ point)[:, :3], expected.float())


def test_known_fault_of_the_published_generator_lengths_do_not_see_the_elements() -> None:
    generator = Generator(62, QUICK).eval()
    noise = torch.randn(4, QUICK.noise_size, generator=torch.Generator().manual_seed(2))
    first, second = (generator(noise, torch.full((4, 3, 23), value)) for value in (-1.0, 1.0))
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], second[0])


def test_the_critic_scores_every_crystal() -> None:
    generator, critic = Generator(194, QUICK), Critic(194, QUICK)
    sites, lattice = _draw(generator, 5)
    crystals = crystal_tensor(sites, lattice, torch.zeros(5, 3, 23))
    assert crystals.shape == (5, 3, 8, 8)
    scores = critic(crystals)
    assert scores.shape == (5,)
    scores.sum().backward()
    assert all(p.grad is not None for name, p in generator.named_parameters() if "space_group_block" not in name)
