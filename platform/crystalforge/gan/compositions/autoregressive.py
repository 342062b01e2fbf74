"""Autoregressive: template → element → element → element, by small networks that see element properties.

    p(e1, e2, e3 | T) = p(e1 | T) · p(e2 | T, e1) · p(e3 | T, e1, e2)

Each factor is a softmax over the elements of (features of the context) · (features of the element). An element's
features are its 23 properties beside a free embedding, so that a rare element borrows from those like it. The number
of epochs is found on a tenth of the crystals, set aside by elements, and then all are used for so many.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from crystalforge.crystals.elements import element_properties
from crystalforge.gan.compositions.space import N_SLOTS, CompositionSpace

HIDDEN = 128
TEMPLATE_FEATURES = 8
FREE_FEATURES = 16
DROPOUT = 0.3
LEAST_BATCH = 64
BATCHES = 10
"""Batches of an epoch, unless they would be smaller than ``LEAST_BATCH``: large groups take large batches."""
LEARNING_RATE = 6e-3
WEIGHT_DECAY = 0.05
MOST_EPOCHS = 40
PATIENCE = 5
"""Epochs without a better held-out likelihood after which no more are tried."""
AVERAGING = 0.97
"""Decay of the exponential moving average of the weights, which is what is kept."""
HELD_OUT = 10
"""One crystal in so many is set aside to find the number of epochs."""


class _Network(nn.Module):
    """The three conditional distributions."""

    def __init__(self, space: CompositionSpace) -> None:
        super().__init__()
        self.properties = torch.tensor(element_properties()[space.elements])
        features = self.properties.shape[1] + FREE_FEATURES
        self.free = nn.Parameter(0.05 * torch.randn(len(space.elements), FREE_FEATURES))
        self.templates = nn.Embedding(len(space.letters), TEMPLATE_FEATURES)
        self.bodies = nn.ModuleList(_body(TEMPLATE_FEATURES + slot * features, features) for slot in range(N_SLOTS))
        self.bias = nn.Parameter(torch.zeros(N_SLOTS, len(space.elements)))

    def element_features(self) -> Tensor:
        """(n_elements, n_features)."""
        return torch.cat([self.properties, self.free], dim=1)

    def log_shares(self, slot: int, context: Tensor) -> Tensor:
        """Log probabilities of a slot's element, (…, n_elements), given the features before it (…, n_context)."""
        logits = self.bodies[slot](context) @ self.element_features().T
        return (logits / N_SLOTS + self.bias[slot]).log_softmax(dim=-1)

    def loss(self, crystals: Tensor) -> Tensor:
        """Mean negative log likelihood of crystals (n, 4)."""
        features, context = self.element_features(), self.templates(crystals[:, 0])
        total = torch.zeros(())
        for slot in range(N_SLOTS):
            element = crystals[:, 1 + slot]
            total = total - self.log_shares(slot, context).gather(1, element[:, None]).mean()
            context = torch.cat([context, features[element]], dim=1)
        return total

    def joint(self, template: int) -> Tensor:
        """(n_elements, n_elements, n_elements) probabilities of a template."""
        features = self.element_features()
        context, log_joint = self.templates.weight[template], torch.zeros(())
        for slot in range(N_SLOTS):
            if slot:
                shape = (*context.shape[:-1], len(features), -1)
                context = torch.cat([context[..., None, :].expand(shape), features.expand(shape)], dim=-1)
            log_joint = log_joint[..., None] + self.log_shares(slot, context)
        return log_joint.exp()


def _body(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_in, HIDDEN),
        nn.SiLU(),
        nn.Linear(HIDDEN, HIDDEN),
        nn.SiLU(),
        nn.Dropout(DROPOUT),
        nn.Linear(HIDDEN, n_out),
    )


class Autoregressive:
    """The density of trained networks."""

    def __init__(self, space: CompositionSpace, state: dict[str, Tensor]) -> None:
        with torch.random.fork_rng(devices=[]):
            self._network = _Network(space)
        self._network.load_state_dict(state)
        self._network.eval()

    @staticmethod
    def fit(space: CompositionSpace, seed: int) -> dict[str, Tensor]:
        """Train; the same seed gives the same weights."""
        crystals = torch.as_tensor(space.crystals)
        held_out = torch.as_tensor(_held_out(space, seed))
        epochs = MOST_EPOCHS // 2
        if held_out.any():
            _, epochs = _train(space, crystals[~held_out], MOST_EPOCHS, seed, crystals[held_out])
        network, _ = _train(space, crystals, epochs, seed)
        return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def template(self, template: int) -> Tensor:
        """All compositions of a template, by three passes."""
        return self._network.joint(template)


def _held_out(space: CompositionSpace, seed: int) -> np.ndarray:
    """(n_crystals,) a tenth; crystals of the same three elements are on the same side."""
    _, group = np.unique(np.sort(space.crystals[:, 1:], axis=1), axis=0, return_inverse=True)
    group = group.reshape(-1)
    drawn = np.random.default_rng(seed).permutation(group.max() + 1)
    return drawn[group] < (group.max() + 1) // HELD_OUT


def _train(
    space: CompositionSpace, crystals: Tensor, epochs: int, seed: int, held_out: Tensor | None = None
) -> tuple[_Network, int]:
    """Train for so many epochs, or until held-out crystals grow less likely; averaged network and best epoch."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _Network(space)
        averaged = copy.deepcopy(network).eval()
        optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
        size = max(LEAST_BATCH, -(-len(crystals) // BATCHES))
        least, best, steps = np.inf, 1, 0
        for epoch in range(1, epochs + 1):
            for batch in torch.randperm(len(crystals)).split(size):
                optimiser.zero_grad()
                network.loss(crystals[batch]).backward()
                optimiser.step()
                steps += 1
                _average(averaged, network, min(AVERAGING, (1 + steps) / (10 + steps)))
            if held_out is None:
                continue
            with torch.no_grad():
                loss = float(averaged.loss(held_out))
            if loss < least:
                least, best = loss, epoch
            elif epoch - best >= PATIENCE:
                break
    return averaged, best


@torch.no_grad()
def _average(averaged: _Network, network: _Network, decay: float) -> None:
    torch._foreach_lerp_(list(averaged.parameters()), list(network.parameters()), 1 - decay)
