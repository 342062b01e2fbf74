"""What a generation asks of its samples beyond the recipe. Without torch, because a plan is made without it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from crystalforge.errors import UsageError
from crystalforge.gan.constraints import Constraints


@dataclass(frozen=True)
class Request:
    """All of it is met inside the sampling; nothing is drawn and thrown away."""

    constraints: Constraints = field(default_factory=Constraints)
    compositions: str | None = None
    """Kind of the composition sampler (``gan.compositions.KINDS``); None: as trained."""
    temperature: float | None = None
    """Of the compositions; None: the recipe's."""
    distinct: bool = False
    """Each composition of a template at most once in the generation."""
    new_templates: bool = False
    """Only Wyckoff templates that no training crystal has."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return self == NOTHING_ASKED

    def check(self) -> None:
        """Refuse what no model could meet.

        Raises:
            UsageError: says which value.
        """
        self.constraints.check()
        if self.temperature is not None and not (self.temperature > 0 and math.isfinite(self.temperature)):
            raise UsageError(f"--temperature must be a positive number, got {self.temperature}: 1 is plain.")

    def to_json(self) -> dict[str, Any]:
        """What differs from an empty request, so that its hash stays the same when a later version can ask for more."""
        asked = {name: value for name, value in vars(self).items() if value != getattr(NOTHING_ASKED, name)}
        if "constraints" in asked:
            plain, values = asdict(Constraints()), asdict(self.constraints)
            differing = {name: value for name, value in values.items() if value != plain[name]}
            asked["constraints"] = {k: list(v) if isinstance(v, tuple) else v for k, v in differing.items()}
        return asked

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Request:
        """The request that ``to_json`` wrote.

        Raises:
            UsageError: a later version asked for something that this one does not know.
        """
        constraints = dict(values.get("constraints", {}))
        unknown = set(values) - {field.name for field in fields(cls)}
        unknown |= set(constraints) - {field.name for field in fields(Constraints)}
        if unknown:
            raise UsageError(
                f"The generation asks for {', '.join(sorted(unknown))}, which this version of crystalforge does not "
                "know: continue it with the version that planned it."
            )
        lists: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in constraints.items()
        }
        return cls(**{**values, "constraints": Constraints(**lists)})

    def describe(self) -> str:
        """In words, for a summary; empty if nothing is asked for."""
        parts = [
            self.constraints.describe(),
            f"compositions by {self.compositions}" if self.compositions else "",
            f"temperature {self.temperature:g}" if self.temperature else "",
            "no composition twice" if self.distinct else "",
            "Wyckoff templates that no training crystal has" if self.new_templates else "",
        ]
        return "; ".join(part for part in parts if part)


NOTHING_ASKED = Request()


@dataclass(frozen=True)
class Capacity:
    """How much of what a model would draw meets a request."""

    share: float
    """Of its distribution at the request's temperature."""
    n_compositions: int
    """Different compositions of templates that can be drawn."""
