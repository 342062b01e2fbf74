"""What a screening relaxes: which crystals, by which potential, within which limits, in which shards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cached_property
from typing import Any

from crystalforge.files import fingerprint
from crystalforge.home import SCREENING_RECORD as SCREENING_RECORD
from crystalforge.screening.relaxation import RelaxationLimits

INPUTS_FILE = "inputs.parquet"
"""The crystals of a screening as they were chosen: later rows of the catalog do not change it."""
DEFAULT_SHARD_SIZE = 20
"""A relaxation takes about a second: little is lost when a worker is killed."""


@dataclass(frozen=True)
class ScreeningShard:
    """A piece of a screening: the unit of work and of resumption."""

    number: int
    first_index: int
    n_crystals: int

    @property
    def file(self) -> str:
        """Name of its file within the screening's folder."""
        return f"shard-{self.number:05d}.parquet"


@dataclass(frozen=True)
class ScreeningPlan:
    """Everything that decides the rows of a screening, but for the times they take. Its hash is the identifier."""

    source: str
    """Where the crystals are from: candidates, samples, materials, or the name of a null."""
    count: int
    inputs_sha256: str
    """Of the file of crystals."""
    potential: str
    potential_version: str
    model: str | None
    """The user's file of weights; its checksum is in the version."""
    limits: RelaxationLimits
    shard_size: int = DEFAULT_SHARD_SIZE
    generation_id: str | None = None
    """Whose samples these are, or whose null; of candidates and materials None."""

    @cached_property
    def screening_id(self) -> str:
        """The plan as a short hash; not where the weights lie. A generation counts only where there is one."""
        values = {name: value for name, value in asdict(self).items() if name != "model"}
        if self.generation_id is None:
            del values["generation_id"]
        return fingerprint(values)

    def shards(self) -> list[ScreeningShard]:
        """All shards, in order."""
        return [
            ScreeningShard(number, first, min(self.shard_size, self.count - first))
            for number, first in enumerate(range(0, self.count, self.shard_size))
        ]

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON."""
        return {"screening_id": self.screening_id, **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ScreeningPlan:
        """The plan that ``to_json`` wrote; further keys are left aside."""
        given = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        return cls(**given | {"limits": RelaxationLimits(**values["limits"])})


PLANNED = tuple(field.name for field in fields(ScreeningPlan) if field.default is MISSING)
"""What the record of every screening has."""
