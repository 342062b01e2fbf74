"""What each trainer gets of the cluster: a CPU, and a GPU or a fraction of one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from crystalforge.errors import ClusterError, UsageError

SMALLEST_SHARE = 1e-4
"""Ray counts resources in ten-thousandths."""
KINDS = ("CPU", "GPU")


@dataclass(frozen=True)
class TrainerResources:
    """What one trainer's worker asks for; ``GPU`` may be a fraction."""

    cpu: float = 1.0
    gpu: float = 0.0

    @classmethod
    def parse(cls, text: str) -> TrainerResources:
        """Read ``CPU=1,GPU=0.25``.

        Raises:
            UsageError: the text has another form, or a number that is no amount.
        """
        amounts = {}
        for part in text.split(","):
            kind, _, amount = part.partition("=")
            kind = kind.strip().upper()
            try:
                amounts[kind] = float(amount)
            except ValueError:
                kind = ""
            if kind not in KINDS or not math.isfinite(amounts[kind]) or amounts[kind] < 0:
                raise UsageError(f"--resources expects amounts as CPU=1,GPU=0.25, got '{text}'.")
        resources = cls(amounts.get("CPU", 1.0), amounts.get("GPU", 0.0))
        if resources.gpu > 1 and resources.gpu != int(resources.gpu):
            raise UsageError(f"--resources GPU={resources.gpu:g}: expected a fraction of one GPU, or whole ones.")
        if resources.cpu == 0:
            raise UsageError("--resources needs some CPU for each trainer, for example CPU=1.")
        return resources


@dataclass(frozen=True)
class Share:
    """What each trainer takes of the cluster."""

    worker: dict[str, float]
    concurrency: int
    """Most trainers at once: each that waits would hold processes."""


def plan_resources(cluster: Mapping[str, float], n_groups: int, asked: TrainerResources | None) -> Share:
    """Share the cluster among the trainers.

    With GPUs, every trainer gets one, or a fraction when the groups outnumber the GPUs. Without, each gets one CPU.

    Args:
        cluster: what Ray says that the cluster has.
        n_groups: how many groups are to be trained.
        asked: what the user wants for each, if anything.

    Raises:
        ClusterError: the cluster has too little for one trainer.
    """
    wanted = asked or TrainerResources(gpu=gpu_share(cluster.get("GPU", 0), n_groups))
    amounts = {kind: amount for kind, amount in (("CPU", wanted.cpu), ("GPU", wanted.gpu)) if amount > 0}
    concurrency = fitting(cluster, amounts)
    if concurrency < 1:
        have = ", ".join(f"{cluster.get(kind, 0):g} {kind}" for kind in amounts)
        need = ", ".join(f"{amount:g} {kind}" for kind, amount in amounts.items())
        raise ClusterError(f"Each trainer needs {need}, but the cluster has {have}. Ask for less by --resources.")
    return Share(amounts, min(concurrency, n_groups))


def fitting(cluster: Mapping[str, float], worker: Mapping[str, float]) -> int:
    """How many workers of these amounts the cluster has room for at once."""
    return min(_fitting(kind, cluster.get(kind, 0), amount) for kind, amount in worker.items())


def _fitting(kind: str, there: float, amount: float) -> int:
    """A fraction of a GPU lies on one GPU: three hold six shares of 0.4, not seven."""
    if kind == "GPU" and amount < 1:
        return int(there) * int(1 / amount + SMALLEST_SHARE)
    return int(there / amount + SMALLEST_SHARE)


def gpu_share(n_gpus: float, n_workers: int) -> float:
    """Share of a GPU for each of n workers: a whole one, or a fraction when the workers outnumber the GPUs."""
    if n_gpus < 1:
        return 0.0
    per_gpu = math.ceil(n_workers / n_gpus)
    return math.floor(1e4 / per_gpu) / 1e4
