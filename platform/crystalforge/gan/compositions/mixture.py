"""Mixture: what swap and autoregressive agree on, the sampler that finds most of the crystals set aside.

The geometric mean p ∝ swap^0.7 · autoregressive^0.3. Swap knows what stands beside a training crystal, the networks
which elements do not go together at all; a product keeps the judgement of both, a sum only dilutes them
(docs/model.md has the figures).
"""

from __future__ import annotations

from torch import Tensor

from crystalforge.gan.compositions.autoregressive import Autoregressive
from crystalforge.gan.compositions.space import CompositionSpace
from crystalforge.gan.compositions.swap import Swap

SWAP_POWER = 0.7
AUTOREGRESSIVE_POWER = 0.3


class Mixture:
    """The density of both, multiplied."""

    def __init__(self, space: CompositionSpace, state: dict[str, Tensor]) -> None:
        self._swap = Swap(space, _part(state, "swap."))
        self._autoregressive = Autoregressive(space, _part(state, "autoregressive."))

    @staticmethod
    def fit(space: CompositionSpace, seed: int) -> dict[str, Tensor]:
        """Fit both."""
        parts = {"swap.": Swap.fit(space, seed), "autoregressive.": Autoregressive.fit(space, seed)}
        return {prefix + name: tensor for prefix, part in parts.items() for name, tensor in part.items()}

    def template(self, template: int) -> Tensor:
        """Both weights, each to its power."""
        network = self._autoregressive.template(template)
        return self._swap.template(template).pow_(SWAP_POWER).mul_(network.pow_(AUTOREGRESSIVE_POWER))


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
