"""What a generation will draw: how many samples of each space group, in which shards, from which seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np

from crystalforge.errors import UsageError
from crystalforge.files import fingerprint
from crystalforge.gan.request import Request
from crystalforge.gan.stretch import Stretch
from crystalforge.home import shard_file_name

GENERATION_STREAM = 1
"""Keeps the draws apart from those of a training with the same seed."""
DEFAULT_SHARD_SIZE = 1000
DEFAULT_MIN_CONTACT_RATIO = 0.75
"""PGCGM's floor of structural validity: least distance over the sum of the two atomic radii."""


class Balance(StrEnum):
    """How the samples are shared among the space groups."""

    TRAINING = "training"
    """As the crystals of the dataset."""
    EQUAL = "equal"
    """As many of each."""


@dataclass(frozen=True)
class Shard:
    """A piece of a generation: the unit of work and of resumption."""

    space_group_number: int
    number: int
    """From 0 within the space group."""
    first_index: int
    """Index of its first sample within the space group."""
    n_samples: int

    @property
    def file(self) -> str:
        """Name of its file within the generation's folder."""
        return shard_file_name(self.space_group_number, self.number)


@dataclass(frozen=True)
class GenerationPlan:
    """Everything that decides the bytes of a generation. Its hash is the generation's identifier."""

    training_id: str
    dataset_id: str
    seed: int
    count: int
    counts: dict[int, int]
    """Samples of each space group."""
    models: dict[int, str]
    """SHA-256 of each space group's model."""
    shard_size: int = DEFAULT_SHARD_SIZE
    min_contact_ratio: float = DEFAULT_MIN_CONTACT_RATIO
    request: Request = field(default_factory=Request)
    """What is asked of the samples; plans of earlier versions ask for nothing."""

    @cached_property
    def generation_id(self) -> str:
        """The recipe for the bytes, as a short hash."""
        return fingerprint(self._values())

    def shards(self) -> list[Shard]:
        """All shards, the space group with most samples first."""
        return [
            Shard(number, i, first, min(self.shard_size, n - first))
            for number, n in sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
            for i, first in enumerate(range(0, n, self.shard_size))
        ]

    def shard_seed(self, shard: Shard) -> np.random.SeedSequence:
        """Seed of one shard: never the worker, never the clock."""
        entropy = [self.seed, shard.space_group_number, shard.number]
        return np.random.SeedSequence(entropy, spawn_key=(GENERATION_STREAM,))

    def stretch(self, shard: Shard) -> Stretch:
        """Where the shard lies among the samples of its space group."""
        entropy = np.random.SeedSequence([self.seed, shard.space_group_number], spawn_key=(GENERATION_STREAM,))
        offset = float(np.random.default_rng(entropy).random())
        return Stretch(shard.first_index, offset, self.counts[shard.space_group_number])

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON."""
        return {"generation_id": self.generation_id, **self._values()}

    def _values(self) -> dict[str, Any]:
        """All fields; without an empty request, so that a plan has the identifier that earlier versions gave it."""
        values = asdict(self) | {"counts": _keyed(self.counts), "models": _keyed(self.models)}
        del values["request"]
        return values if self.request.is_empty else values | {"request": self.request.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> GenerationPlan:
        """The plan that ``to_json`` wrote; further keys are left aside."""
        return cls(
            training_id=values["training_id"],
            dataset_id=values["dataset_id"],
            seed=values["seed"],
            count=values["count"],
            counts={int(k): v for k, v in values["counts"].items()},
            models={int(k): v for k, v in values["models"].items()},
            shard_size=values["shard_size"],
            min_contact_ratio=values["min_contact_ratio"],
            request=Request.from_json(values.get("request", {})),
        )


def _keyed(values: Mapping[int, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in sorted(values.items())}


def check_count(count: int) -> None:
    """Refuse a count that is not positive.

    Raises:
        UsageError: it is not.
    """
    if count <= 0:
        raise UsageError(f"--count must be a positive number of samples, got {count}.")


def share_out(count: int, weights: Mapping[int, float]) -> dict[int, int]:
    """Share a count among space groups by weight, largest remainder first; the shares add up to the count.

    Raises:
        UsageError: the count is not positive.
    """
    check_count(count)
    total = sum(weights.values())
    exact = {number: count * weight / total for number, weight in weights.items()}
    counts = {number: int(share) for number, share in exact.items()}
    by_remainder = sorted(exact, key=lambda number: (counts[number] - exact[number], number))
    for number in by_remainder[: count - sum(counts.values())]:
        counts[number] += 1
    return {number: n for number, n in counts.items() if n}


PLANNED = tuple(field.name for field in fields(GenerationPlan) if field.name != "request")
"""What the record of every plan has; one without a request asks for nothing."""
