"""Which files of a generation a compaction merges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crystalforge.catalog.bundles import SHARDS, is_bundle
from crystalforge.errors import DamagedFileError, UsageError

DEFAULT_ROWS = 1_000_000
"""Of a bundle: 0.1 GB, and some seconds to read and compare."""

Line = Mapping[str, Any]


@dataclass(frozen=True)
class PlannedBundle:
    """Files of one space group whose rows go into one file."""

    space_group_number: int
    lines: tuple[Line, ...]
    """Of the manifest: shards, and bundles of earlier compactions."""

    @property
    def rows(self) -> int:
        """Of all of them."""
        return sum(line["rows"] for line in self.lines)

    @property
    def bytes(self) -> int:
        """Of all of them."""
        return sum(line["bytes"] for line in self.lines)


@dataclass(frozen=True)
class CompactionPlan:
    """What a compaction would do."""

    bundles: tuple[PlannedBundle, ...]
    files: int
    """Committed now."""
    rows: int
    """Of the generation; none of them changes."""

    @property
    def files_after(self) -> int:
        """Committed then."""
        return self.files - sum(len(bundle.lines) - 1 for bundle in self.bundles)

    @property
    def files_merged(self) -> int:
        """Read and replaced."""
        return sum(len(bundle.lines) for bundle in self.bundles)

    @property
    def bytes_merged(self) -> int:
        """Read and written again."""
        return sum(bundle.bytes for bundle in self.bundles)


def plan_compaction(lines: Sequence[Line], rows_of_a_bundle: int = DEFAULT_ROWS) -> CompactionPlan:
    """Which files go together: in the order of their shards, as many as stay within the rows of a bundle.

    A plan of what a compaction left is empty: two neighbours that were not merged have more rows together.

    Args:
        lines: of the manifest.
        rows_of_a_bundle: at most; a file that has more stays alone.

    Raises:
        UsageError: the rows are not positive.
        DamagedFileError: a line does not say which shard it is of.
    """
    if rows_of_a_bundle < 1:
        raise UsageError(f"--rows must be a positive number of rows, got {rows_of_a_bundle}.")
    groups: dict[int, list[Line]] = {}
    for line in lines:
        if not is_bundle(line) and not all(isinstance(line.get(key), int) for key in ("space_group_number", "shard")):
            raise DamagedFileError(f"The line of {line['file']} names no shard. Run `platform verify --repair`.")
        groups.setdefault(line["space_group_number"], []).append(line)
    bundles = [
        PlannedBundle(number, tuple(part))
        for number in sorted(groups)
        for part in _packed(sorted(groups[number], key=_first_shard), rows_of_a_bundle)
        if len(part) > 1
    ]
    return CompactionPlan(tuple(bundles), len(lines), sum(line["rows"] for line in lines))


def _first_shard(line: Line) -> int:
    number: int = line[SHARDS][0][0] if is_bundle(line) else line["shard"]
    return number


def _packed(lines: Sequence[Line], most: int) -> Iterator[list[Line]]:
    part: list[Line] = []
    rows = 0
    for line in lines:
        if part and rows + line["rows"] > most:
            yield part
            part, rows = [], 0
        part.append(line)
        rows += line["rows"]
    yield part
