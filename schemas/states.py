"""The states that a row may be in, and which columns each state fills: a table for each table that has states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from crystalforge.schemas.relaxations import RelaxationStatus
from crystalforge.schemas.samples import RejectReason, SampleStatus

State = tuple[str | None, ...]


@dataclass(frozen=True)
class AllowedStates:
    """Every state that a table knows."""

    columns: tuple[str, ...]
    """Columns that make the state."""
    content: tuple[str, ...]
    """Columns that a state has all of, or none of."""
    filled: Mapping[State, bool]
    """Whether a state has them; a state that is not named is not allowed."""

    def violations(self, table: pa.Table) -> list[str]:
        """What is not allowed, each kind once with the number of its rows."""
        states = [table[name].cast(pa.string()) for name in self.columns]
        is_null = [pc.is_null(table[name]) for name in self.content]
        grouped = pa.table([*states, *is_null], names=[*self.columns, *self.content]).group_by(
            [*self.columns, *self.content]
        )
        found = grouped.aggregate([([], "count_all")]).to_pylist()
        return [text for row in found if (text := self._violation(row))]

    def _violation(self, row: dict[str, object]) -> str:
        state = tuple(row[name] for name in self.columns)
        named = ", ".join(f"{name} {value!r}" for name, value in zip(self.columns, state, strict=True))
        if state not in self.filled:
            return f"{row['count_all']} rows with {named}: no such state"
        filled = self.filled[state]  # type: ignore[index]
        wrong = [name for name in self.content if row[name] is filled]
        expected = "a value" if filled else "null"
        return f"{row['count_all']} rows with {named}: expected {expected} in {', '.join(wrong)}" if wrong else ""


REJECTED = SampleStatus.REJECTED.value
SAMPLE_STATES = AllowedStates(
    columns=("status", "reject_reason"),
    content=("crystal_id", "base_frac_coords", "wyckoff_letters", "multiplicities", "formula"),
    filled={
        (SampleStatus.ACCEPTED.value, None): True,
        (REJECTED, RejectReason.NOT_FINITE.value): False,
        (REJECTED, RejectReason.PERCOLATES.value): False,
        (REJECTED, RejectReason.ATOMS_TOO_CLOSE.value): True,
        (REJECTED, RejectReason.VOLUME_OUT_OF_RANGE.value): True,
        (REJECTED, RejectReason.FAILED.value): False,
    },
)
"""A sample is drawn, then merged (or not), then accepted or rejected for good: it never changes."""

CONVERGED = RelaxationStatus.CONVERGED
RELAXATION_STATES = AllowedStates(
    columns=("status",),
    content=("energy_per_atom",),
    filled={(status.value,): status is CONVERGED for status in RelaxationStatus},
)
"""Only a relaxation that converged has an energy."""
RELAXATION_REASONS = AllowedStates(
    columns=("status",),
    content=("reason",),
    filled={(status.value,): status is not CONVERGED for status in RelaxationStatus},
)
"""Every other one has a reason."""
