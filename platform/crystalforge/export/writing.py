"""An export: crystals chosen by SQL become a folder or a file that is whole or absent, with a manifest."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystalforge.catalog.query import DEFAULT_MEMORY_LIMIT, open_catalog
from crystalforge.catalog.tables import TABLES, columns
from crystalforge.errors import UsageError
from crystalforge.export.choices import CellKind, FormatName
from crystalforge.export.choosing import CrystalQuery, read_crystals, rows_left_out
from crystalforge.export.content import Content, Tell
from crystalforge.export.entries import COMMENTS, entries_of
from crystalforge.export.formats import FORMATS
from crystalforge.export.manifest import manifest, sources_of, times_of
from crystalforge.export.targets import Target
from crystalforge.files import utc_now
from crystalforge.home import Home

DEFAULT_TIME_LIMIT_S = 300.0
ADDED_FROM = ("crystals", "relaxations", "stabilities")
"""Tables that know the columns that are joined to rows of others."""
TOLD_EVERY = 100
"""Crystals between two words on the progress."""


@dataclass(frozen=True)
class ExportedCrystals:
    """What an export wrote."""

    path: Path
    """The folder or the file."""
    manifest: Path
    format: str
    crystals: int
    left_out: dict[str, int]
    """Reason → rows that fit the condition and have no such crystal."""
    files: int
    """Besides the manifest."""
    bytes: int
    """Of these."""
    seconds: float


@dataclass(frozen=True)
class PlannedExport:
    """What an export would write."""

    target: Target
    crystals: int
    left_out: dict[str, int]
    """Reason → rows that fit the condition and have no such crystal."""

    @property
    def files(self) -> int:
        """Besides the manifest."""
        return self.crystals if self.target.is_folder else 1


def plan_export(
    home: Home,
    query: CrystalQuery,
    file_format: FormatName,
    out: Path | None = None,
    *,
    cell: CellKind = CellKind.CONVENTIONAL,
    overwrite: bool = False,
    memory_limit: str = DEFAULT_MEMORY_LIMIT,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
) -> PlannedExport:
    """What ``export_crystals`` would write; it refuses the same, and writes nothing."""
    target = _target(home, query, file_format, out, cell, overwrite=overwrite)
    with open_catalog(home, memory_limit=memory_limit) as catalog:
        count = catalog.query(query.count_sql(), query.parameters(), time_limit_s)["n"][0].as_py()
        left_out = rows_left_out(catalog, query, time_limit_s)
    if not count:
        raise UsageError(_nothing(query, left_out))
    return PlannedExport(target, count, left_out)


def export_crystals(
    home: Home,
    query: CrystalQuery,
    file_format: FormatName,
    out: Path | None = None,
    *,
    cell: CellKind = CellKind.CONVENTIONAL,
    overwrite: bool = False,
    memory_limit: str = DEFAULT_MEMORY_LIMIT,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    progress: Callable[[int, int], None] | None = None,
) -> ExportedCrystals:
    """Write the crystals that a query gives.

    Args:
        home: where the catalog is.
        query: which crystals.
        file_format: how they are written.
        out: folder or file; None for ``crystals-FORMAT``, or ``crystals.SUFFIX`` where the format is one file. Formats
            of one text per crystal make a folder; if ``out`` ends in ``.cif``, all blocks go into that one file.
        cell: which cell the atoms are written in.
        overwrite: replace an earlier export; anything else of that name is never replaced.
        memory_limit: for DuckDB and its result.
        time_limit_s: of each statement.
        progress: told how many crystals are written, of how many.

    Raises:
        UsageError: no crystal fits, something is in the way, or what does not go together was asked for.
        QueryError: the condition or the order is refused, wrong, or takes too long.
        DamagedFileError: a file of the home is damaged.
        StorageError: it could not be written; nothing of it is left.
    """
    began = time.monotonic()
    target = _target(home, query, file_format, out, cell, overwrite=overwrite)
    with open_catalog(home, memory_limit=memory_limit) as catalog:
        chosen = read_crystals(catalog, query, home=home, time_limit_s=time_limit_s)
    if not len(chosen):
        raise UsageError(_nothing(query, chosen.left_out))
    created_at, sources = utc_now(), sources_of(home, chosen.rows)
    content = Content(
        table=query.table,
        rows=chosen.rows,
        entries=list(entries_of(chosen)),
        cell=cell,
        changed_at=times_of(chosen.rows, sources, created_at),
        comments=_comments(query.table),
    )

    def record(files: list[dict[str, Any]]) -> dict[str, Any]:
        return manifest(chosen, file_format=file_format, cell=cell, sources=sources, files=files, created_at=created_at)

    files = target.write(content, record, _spaced(progress, len(chosen)), overwrite=overwrite)
    return ExportedCrystals(
        path=target.path,
        manifest=target.manifest,
        format=file_format.value,
        crystals=len(chosen),
        left_out=chosen.left_out,
        files=len(files),
        bytes=sum(file["bytes"] for file in files),
        seconds=time.monotonic() - began,
    )


def _target(
    home: Home, query: CrystalQuery, file_format: FormatName, out: Path | None, cell: CellKind, *, overwrite: bool
) -> Target:
    """Where it goes, after everything that can be refused before the catalog is opened."""
    chosen_format = FORMATS[file_format]
    query.check()
    if cell is CellKind.PRIMITIVE and chosen_format.conventional_only:
        raise UsageError(f"--cell primitive: {file_format} has the conventional cell only. Take poscar or extxyz.")
    target = Target.of(out, file_format.value, chosen_format)
    target.check(home, overwrite=overwrite)
    return target


def _comments(table: str) -> dict[str, str]:
    """Meaning of each column: the table's own, and of those that a screening adds."""
    known = (*ADDED_FROM, table)
    return {column.name: column.comment for name in known for column in columns(TABLES[name])} | COMMENTS


def _spaced(progress: Callable[[int, int], None] | None, total: int) -> Tell:
    """Told at every crystal, it tells now and then, and at the last."""

    def tell(done: int) -> None:
        if progress is not None and (done % TOLD_EVERY == 0 or done == total):
            progress(done, total)

    return tell


def _nothing(query: CrystalQuery, left_out: dict[str, int]) -> str:
    asked = f" WHERE {query.where}" if query.where else ""
    fitting = "".join(f" {count:,} fit, but are left out ({reason})." for reason, count in left_out.items())
    return f"No crystal in {query.table}{asked}: expected some to export.{fitting} Look with `platform sql`."
