"""Generator and critic of method ``forge``."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from crystalforge.gan.forge_recipe import ForgeNetworks

N_PROPERTIES = 23
N_PARAMETERS, N_RATIOS = 9, 2
CONTACT_CENTRES = torch.linspace(0.7, 1.9, 9)
"""Contact ratios at which the critic sees a smooth histogram of the least contacts."""
CONTACT_WIDTH = 0.15
STEP = 0.1
"""Scale of the generator's corrections, so that an untrained one leaves the start as it is."""


def perceptron(n_inputs: int, features: list[int], n_outputs: int, slope: float) -> nn.Sequential:
    """Linear layers with leaky ReLUs between them."""
    sizes = [n_inputs, *features]
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.LeakyReLU(slope))]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], n_outputs))


def condition_size(n_positions: int) -> int:
    """Numbers that say which template and elements a crystal has."""
    return 3 * n_positions + 3 * N_PROPERTIES


class Generator(nn.Module):
    """Corrects a start for the elements: free parameters, volume per atom, ratios of the edges."""

    def __init__(self, n_positions: int, networks: ForgeNetworks) -> None:
        super().__init__()
        self.noise_size = networks.noise_size
        start = 2 * N_PARAMETERS + N_RATIOS + 1
        n_inputs = condition_size(n_positions) + start + networks.noise_size
        self.layers = perceptron(
            n_inputs, networks.generator_features, N_PARAMETERS + 1 + N_RATIOS, networks.leaky_slope
        )
        *_, weight, bias = self.layers.parameters()
        nn.init.zeros_(weight)
        nn.init.zeros_(bias)

    def forward(self, condition: Tensor, start: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Corrections: of the parameters (n, 3, 3), of the log volume (n,), of the log ratios (n, 2)."""
        answer = STEP * self.layers(torch.cat([condition, start, noise], dim=1))
        parameters, volume, ratios = answer.split([N_PARAMETERS, 1, N_RATIOS], dim=1)
        return parameters.unflatten(1, (3, 3)), volume[:, 0], ratios


class Critic(nn.Module):
    """Scores crystals, given their template and elements. No normalisation: the gradient penalty is per crystal."""

    def __init__(self, n_positions: int, networks: ForgeNetworks) -> None:
        super().__init__()
        contacts = 6 * (networks.nearest_contacts + len(CONTACT_CENTRES))
        n_inputs = condition_size(n_positions) + 4 * N_PARAMETERS + 1 + N_RATIOS + contacts
        self.layers = perceptron(n_inputs, networks.critic_features, 1, networks.leaky_slope)

    def forward(self, condition: Tensor, features: Tensor) -> Tensor:
        """Scores (n,)."""
        return self.layers(torch.cat([condition, features], dim=1))[:, 0]

    def slopes(self, condition: Tensor, features: Tensor) -> Tensor:
        """Gradients (n, n_features) of the scores by the features, differentiable by the weights.

        Exact without a second pass of autograd: between its bends a leaky ReLU is linear.
        """
        bends: list[Tensor] = []
        with torch.no_grad():
            values = torch.cat([condition, features], dim=1)
            for layer in self.layers:
                if isinstance(layer, nn.LeakyReLU):
                    bends.append(torch.where(values > 0, 1.0, layer.negative_slope))
                values = layer(values)
        *hidden, last = (layer.weight for layer in self.layers if isinstance(layer, nn.Linear))
        gradient = last
        for bend, weight in zip(reversed(bends), reversed(hidden), strict=True):
            gradient = (gradient * bend) @ weight
        return gradient[:, condition.shape[1] :]
