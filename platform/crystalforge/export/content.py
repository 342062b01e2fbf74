"""What a writer of one file gets, and the contract of a format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from crystalforge.export.choices import CellKind
from crystalforge.export.entries import Entry


@dataclass(frozen=True)
class Content:
    """Everything that goes into an export.

    Attributes:
        table: name of the table of the rows.
        rows: n rows, as the catalog has them.
        entries: n.
        cell: which cell the atoms are written in.
        changed_at: when each crystal was made (ISO 8601): n.
        comments: column → meaning and unit, where they are known.
    """

    table: str
    rows: pa.Table
    entries: Sequence[Entry]
    cell: CellKind
    changed_at: Sequence[str]
    comments: Mapping[str, str]


Tell = Callable[[int], None]
"""Told how many crystals are written."""


FileWriter = Callable[[Path, Content, Tell], None]
"""Writes all crystals into one file, which may have any name."""
TextOf = Callable[[Entry, CellKind], str]
"""Gives the whole content of the file of one crystal."""


@dataclass(frozen=True)
class ExportFormat:
    """One format: either a text of each crystal or one file of all.

    Attributes:
        description: what it is for and who reads it, in a few words.
        suffix: of its file or files, with the dot.
        text_of: of one crystal; each becomes a file of its own in a folder.
        write_file: writes one file.
        joins: whether texts may stand one after the other in one file.
        conventional_only: whether it has no other cell than the conventional one.
    """

    description: str
    suffix: str
    text_of: TextOf | None = None
    write_file: FileWriter | None = None
    joins: bool = False
    conventional_only: bool = False

    def texts(self, entries: Iterable[Entry], cell: CellKind) -> Iterator[tuple[str, str]]:
        """File name and text of each crystal, of a format that has texts."""
        if self.text_of is not None:
            for entry in entries:
                yield f"{entry.name}{self.suffix}", self.text_of(entry, cell)
