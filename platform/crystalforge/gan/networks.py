"""Generator and critic of one space group, after the published networks of PGCGM."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d

from crystalforge.gan.geometry import average_lengths, cell_angles
from crystalforge.gan.paper_recipe import Networks
from crystalforge.symmetry import SpaceGroup, space_group

MAX_OPERATIONS = 192
"""Most operations of a conventional cell (225, 227, …): the depth of the stack."""
N_PROPERTIES = 23
CRYSTAL_CHANNELS, CRYSTAL_SIDE = 3, 8


def operation_stack(group: SpaceGroup) -> Tensor:
    """The space group as its affine operations: ``(192, 4, 4)``, zero where the group has fewer."""
    stack = torch.zeros(MAX_OPERATIONS, 4, 4)
    n_operations = len(group.rotations)
    stack[:n_operations, :3, :3] = torch.tensor(group.rotations, dtype=torch.float32)
    stack[:n_operations, :3, 3] = torch.tensor(group.translations, dtype=torch.float32)
    stack[:n_operations, 3, 3] = 1.0
    return stack


def _linear_tower(sizes: list[int], activation: nn.Module) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation]
    return layers


class SpaceGroupBlock(nn.Module):
    """Features of the operation stack: three 2×2 convolutions, 4×4 to 1×1.

    Every crystal of a model has the same space group, so the stack goes through once, not once per crystal. With batch
    norm it goes through as a batch of two equal stacks, whose statistics are those of any batch of equal stacks. They
    are taken of the batch in sampling too: equal inputs have no variance, and dividing by a running one near zero
    would blow the features up by a factor of 300 (a repair: the reference has one model for all groups).
    """

    stack: Tensor

    def __init__(self, group: SpaceGroup, networks: Networks, *, batch_norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        sizes = [MAX_OPERATIONS, *networks.space_group_channels]
        for n_in, n_out in itertools.pairwise(sizes):
            layers.append(nn.Conv2d(n_in, n_out, 2))
            if batch_norm:
                layers.append(nn.BatchNorm2d(n_out, track_running_stats=False))
            layers.append(nn.LeakyReLU(networks.leaky_slope))
        self.layers = nn.Sequential(*layers)
        self.register_buffer("stack", operation_stack(group).expand(2, -1, -1, -1).clone(), persistent=False)

    def forward(self, n: int) -> Tensor:
        """``(n, channels)``, equal rows."""
        return self.layers(self.stack)[:1].flatten(1).expand(n, -1)


class ElementBlock(nn.Module):
    """Features of three elements from their properties: two convolutions of kernel 2, then a linear layer."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        first, second = networks.element_channels
        self.layers = nn.Sequential(
            nn.Conv1d(N_PROPERTIES, first, 2),
            nn.BatchNorm1d(first),
            nn.ReLU(),
            nn.Conv1d(first, second, 2),
            nn.BatchNorm1d(second),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(second, networks.element_features),
            nn.BatchNorm1d(networks.element_features),
            nn.ReLU(),
        )

    def forward(self, properties: Tensor) -> Tensor:
        """``(n, 3 elements, 23) -> (n, features)``."""
        return self.layers(properties.transpose(1, 2))


class Generator(nn.Module):
    """Draws three sets of base sites and a cell from noise, elements and space group.

    As published, coordinates see noise and elements but not the space group, lengths see noise and space group but not
    the elements: a known fault (docs/model.md) that the paper recipe keeps.
    """

    maximum: Tensor

    def __init__(self, space_group_number: int, networks: Networks) -> None:
        super().__init__()
        group = space_group(space_group_number)
        self.crystal_system = str(group.crystal_system)
        self.noise_size = networks.noise_size
        self.minimum = networks.length_minimum_angstrom
        self.angles = cell_angles(self.crystal_system)
        self.register_buffer("maximum", torch.tensor(networks.length_maximum_angstrom), persistent=False)
        self.noise_block = nn.Sequential(nn.Linear(networks.noise_size, networks.noise_features), nn.ReLU())
        self.element_block = ElementBlock(networks)
        self.space_group_block = SpaceGroupBlock(group, networks, batch_norm=True)
        self.coordinate_tower = self._coordinate_tower(networks)
        sizes = [networks.noise_features + networks.space_group_channels[-1], *networks.length_features]
        self.length_tower = nn.Sequential(*_linear_tower(sizes, nn.ReLU()), nn.Linear(sizes[-1], 3), nn.Tanh())

    @staticmethod
    def _coordinate_tower(networks: Networks) -> nn.Sequential:
        sizes = [networks.noise_features + networks.element_features, *networks.coordinate_channels]
        layers: list[nn.Module] = []
        for depth, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
            layers.append(nn.ConvTranspose2d(n_in, n_out, 2) if depth < 2 else nn.Conv2d(n_in, n_out, 1))
            layers += [nn.BatchNorm2d(n_out), nn.ReLU()]
        return nn.Sequential(*layers, nn.Conv2d(sizes[-1], 3, 1), nn.Tanh())

    def forward(self, noise: Tensor, properties: Tensor) -> tuple[Tensor, Tensor]:
        """Draw crystals.

        Args:
            noise: (n, noise_size), standard normal.
            properties: (n, 3 elements, 23), scaled to [-1, 1].

        Returns:
            Base sites (n, 3 sets, 3 elements, 3 axes) in [0, 1] and lattice parameters (n, 6) in Å and degrees.
        """
        return self._crystals(noise, properties, self.coordinate_tower)

    def draw_first_set(self, noise: Tensor, properties: Tensor) -> tuple[Tensor, Tensor]:
        """The first set of ``forward``, which is the crystal, and the cell, at a third of the price.

        Sets are the rows of the tower's map. The first row of a transposed convolution comes from the first row of its
        input and of its kernel, so no other row is computed. (The reference counts all three sets as crystals.)

        Returns:
            Base sites (n, 3 elements, 3 axes) in [0, 1] and lattice parameters (n, 6) in Å and degrees.
        """
        base_sites, lattice_parameters = self._crystals(noise, properties, self._first_row)
        return base_sites[:, 0], lattice_parameters

    def _crystals(
        self, noise: Tensor, properties: Tensor, coordinate_tower: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        noise_features = self.noise_block(noise)
        tower = coordinate_tower(torch.cat([noise_features, self.element_block(properties)], 1)[:, :, None, None])
        base_sites = (tower.permute(0, 2, 3, 1) + 1) / 2
        scaled = self.length_tower(torch.cat([noise_features, self.space_group_block(len(noise))], 1))
        return base_sites, torch.cat([self._lengths(scaled), noise.new_tensor(self.angles).expand(len(noise), 3)], 1)

    def _first_row(self, row: Tensor) -> Tensor:
        for layer in self.coordinate_tower:
            if isinstance(layer, nn.ConvTranspose2d):
                row = conv_transpose2d(row, layer.weight[:, :, :1], layer.bias)
            else:
                row = layer(row)
        return row

    def _lengths(self, scaled: Tensor) -> Tensor:
        """From [-1, 1] to Å on a logarithmic scale, equal where the crystal system says so."""
        lengths = self.minimum * (self.maximum / self.minimum) ** ((scaled + 1) / 2)
        return average_lengths(lengths, self.crystal_system)


class Critic(nn.Module):
    """Scores a crystal tensor: seven 2×2 convolutions, 8×8 to 1×1, joined with the space group. No normalisation."""

    def __init__(self, space_group_number: int, networks: Networks) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        sizes = [CRYSTAL_CHANNELS, *networks.critic_channels]
        for n_in, n_out in itertools.pairwise(sizes):
            layers += [nn.Conv2d(n_in, n_out, 2), nn.LeakyReLU(networks.leaky_slope)]
        self.crystal_block = nn.Sequential(*layers, nn.Flatten())
        self.space_group_block = SpaceGroupBlock(space_group(space_group_number), networks, batch_norm=False)
        self.head = nn.Sequential(
            nn.Linear(sizes[-1] + networks.space_group_channels[-1], networks.critic_features),
            nn.LeakyReLU(networks.leaky_slope),
            nn.Linear(networks.critic_features, 1),
        )

    def forward(self, crystals: Tensor) -> Tensor:
        """``(n, 3, 8, 8) -> (n,)`` scores."""
        features = [self.crystal_block(crystals), self.space_group_block(len(crystals))]
        return self.head(torch.cat(features, 1)).squeeze(1)
