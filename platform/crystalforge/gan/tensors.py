"""Networks and optimisers as flat tables of named tensors, the form in which checkpoints hold them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, each name with ``prefix.`` before it."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix.``, without it."""
    return {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}


def load_weights(network: nn.Module, prefix: str, tensors: dict[str, Tensor]) -> None:
    """Give a network its weights from a table.

    Raises:
        RuntimeError: they are those of another network.
    """
    network.load_state_dict(without_prefix(prefix, tensors))


def optimiser_tensors(name: str, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimiser."""
    states = optimiser.state_dict()["state"]
    return {f"optimiser.{name}.{i}.{key}": value for i, state in states.items() for key, value in state.items()}


def restore_optimiser(name: str, optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Give an optimiser the state that ``optimiser_tensors`` gave."""
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in without_prefix(f"optimiser.{name}", tensors).items():
        number, _, part = key.partition(".")
        states.setdefault(int(number), {})[part] = value
    optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})
