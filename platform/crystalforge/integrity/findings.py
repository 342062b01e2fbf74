"""What a verification found, and whether it is a problem."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Kind(StrEnum):
    """What is wrong, or worth saying."""

    RECORD = "record"
    """A record (plan, manifest, model record) does not read or is of another folder."""
    LINE = "manifest_line"
    """A line of a manifest does not read or names a file outside its folder."""
    MISSING = "missing"
    """A file that a record names is not there."""
    DAMAGED = "damaged"
    """A file's bytes are not those of its record."""
    SCHEMA = "schema"
    """A file is of another schema than its record says, or of one that this version cannot read."""
    ROWS = "rows"
    """Rows are not those that were planned: number, index, identifier or origin."""
    STATE = "state"
    """A row is in a state that the table does not allow."""
    UNPLANNED = "unplanned"
    """A manifest names a file that the plan does not have."""
    UNCOMMITTED = "uncommitted"
    """A planned file is there, but no line of the manifest names it."""
    UNFINISHED = "unfinished"
    """Planned shards were not drawn yet."""
    OTHER_BYTES = "other_bytes"
    """A shard made again from its seed has other bytes."""
    REPAIR_FAILED = "repair_failed"
    """What is damaged could not be made again."""
    IN_PROGRESS = "in_progress"
    """Another command is working on it: only what it has committed was looked at."""
    NOT_REMADE = "not_remade"
    """A shard cannot be made again here: its model is gone, or other versions are installed."""
    UNUSED = "unused"
    """A file that nothing names: left over from a process that was killed, or put in by hand."""


NOTES = frozenset({Kind.IN_PROGRESS, Kind.NOT_REMADE, Kind.UNUSED})
"""Worth saying, and no problem: nothing that a record promises is broken."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found."""

    kind: Kind
    path: str
    """Within the home."""
    message: str
    """What was expected, what came, and the repair."""
    shard: str = ""
    """File of the shard within its generation, where it is one that can be made again from its seed."""

    @property
    def is_problem(self) -> bool:
        """Whether something that was promised does not hold."""
        return self.kind not in NOTES

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"kind": self.kind.value, "problem": self.is_problem, "path": self.path, "message": self.message}


@dataclass
class Report:
    """What a verification looked at and found."""

    home: Path
    counts: Counter[str] = field(default_factory=Counter)
    """Datasets, trainings, models, generations, shards, rows, bytes, and shards made again."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def problems(self) -> list[Finding]:
        """Findings that are problems."""
        return [finding for finding in self.findings if finding.is_problem]

    def add(self, kind: Kind, path: Path, message: str, shard: str = "") -> None:
        """Note a finding."""
        self.findings.append(Finding(kind, str(self._within(path)), message, shard))

    def _within(self, path: Path) -> Path:
        """The path as seen from the home, whose rooms may be links to another disk."""
        if path.is_relative_to(self.home):
            return path.relative_to(self.home)
        if not self.home.is_dir():
            return path
        rooms = {Path(room.name): room.resolve() for room in self.home.iterdir() if room.is_symlink()}
        return next((name / path.relative_to(room) for name, room in rooms.items() if path.is_relative_to(room)), path)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "home": str(self.home),
            "sound": not self.problems,
            "checked": dict(self.counts),
            "findings": [finding.to_dict() for finding in self.findings],
        }
