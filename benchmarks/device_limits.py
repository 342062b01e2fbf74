"""What a device can do at most, measured: operations and bytes per second. And what a piece of work asks of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

MATRIX = {"cpu": 1024, "cuda": 8192}
"""Rows of the square matrices that are multiplied (float32)."""
COPIED_BYTES = {"cpu": 2**27, "cuda": 2**31}
"""Larger than any cache."""
REPEATS = 5


def devices() -> list[str]:
    """The CPU, and a GPU where there is one."""
    return ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def name_of(device: str) -> str:
    """The device in words."""
    return torch.cuda.get_device_name(0) if device == "cuda" else "CPU, one thread"


def seconds(work: Callable[[], object], device: str, repeats: int = REPEATS) -> float:
    """Least wall seconds of a call, its work on the device done; on the CPU the CPU seconds of this process."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    least = float("inf")
    for _ in range(repeats):
        start = clock()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        least = min(least, clock() - start)
    return least


def limits(device: str) -> dict[str, float]:
    """Operations per second of a multiplication of matrices, bytes per second of a copy (read and written)."""
    n = MATRIX[device]
    a, b = (torch.randn(n, n, device=device) for _ in range(2))
    torch.mm(a, b)
    source = torch.zeros(COPIED_BYTES[device] // 4, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    return {
        "flop_per_s": 2 * n**3 / seconds(lambda: torch.mm(a, b), device),
        "bytes_per_s": 2 * source.nbytes / seconds(lambda: target.copy_(source), device),
    }


@dataclass
class Asked:
    """What a piece of work asks of a device."""

    flop: int = 0
    """Of multiplications of matrices."""
    bytes: int = 0
    """Read and written by every operator, each by itself."""
    operators: int = 0


def ask(work: Callable[[], object]) -> Asked:
    """Run a piece of work once and count."""
    traffic = _Traffic()
    with FlopCounterMode(display=False) as flop, traffic:
        work()
    return Asked(flop.get_total_flops(), traffic.bytes, traffic.operators)


class _Traffic(TorchDispatchMode):
    """Counts what operators read and write; one whose result is a view of its input moves nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.operators = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.is_view:
            return result
        tensors = [leaf for leaf in tree_leaves((args, kwargs or {}, result)) if isinstance(leaf, torch.Tensor)]
        self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        self.operators += 1
        return result
