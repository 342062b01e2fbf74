"""The names in a folder of shards: nothing that is planned is absent, nothing else is named."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from crystalforge.catalog.shards import MANIFEST_NAME
from crystalforge.files import TEMPORARY_SUFFIX
from crystalforge.integrity.findings import Kind, Report

LARGEST_LIST = 3


@dataclass(frozen=True)
class PlannedFiles:
    """What a folder should hold, and the words for what it does not."""

    rows: Mapping[str, int]
    """Of each shard, by file."""
    undone: str
    """Of rows that are not there, such as ``samples were not drawn yet``."""
    repair: str
    """What to do about a shard that no line names."""
    resume: str
    """Command that makes what is not there."""
    named_besides: frozenset[str] = frozenset()
    """Files that are no shards and that the manifest may name."""
    bundled: frozenset[str] = frozenset()
    """Shards whose rows are in a file of ``named_besides``."""
    unnamed: frozenset[str] = frozenset()
    """Files that belong there and that it must not name."""


def verify_names(
    report: Report, folder: Path, planned: PlannedFiles, named: Collection[str], reasons: Mapping[str, str]
) -> None:
    """Check the files of a folder that no command is working on.

    Args:
        report: takes the findings.
        folder: of the manifest.
        planned: what should be there.
        named: files that the manifest names.
        reasons: why shards could not be made, by file.
    """
    there = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if _is_data(path)}
    for name in (planned.rows.keys() & there.keys()) - set(named):
        found = f"No line of the manifest names it, so nobody reads it. {planned.repair}"
        report.add(Kind.UNCOMMITTED, there[name], found, name)
    absent = [name for name in planned.rows if name not in named and name not in there]
    if absent:
        some = ", ".join(absent[:LARGEST_LIST]) + (", …" if len(absent) > LARGEST_LIST else "")
        rows = sum(planned.rows[name] for name in absent)
        aside = f" {len(reasons)} were set aside, the first: {next(iter(reasons.values()))}" if reasons else ""
        found = (
            f"{rows} of {sum(planned.rows.values())} {planned.undone}, in {len(absent)} shards ({some}). "
            f"Run `{planned.resume}`.{aside}"
        )
        report.add(Kind.UNFINISHED, folder, found)
    for name in there.keys() - planned.rows.keys() - planned.named_besides - planned.unnamed:
        report.add(Kind.UNUSED, there[name], "Nothing names this file, so nobody reads it. It can be removed.")
    for name in sorted(planned.rows.keys() & there.keys() & planned.bundled):
        found = "Its rows are in a bundle. `platform compact` removes it once nobody reads it."
        report.add(Kind.UNUSED, there[name], found)


def verify_named(report: Report, folder: Path, planned: PlannedFiles, named: Collection[str]) -> None:
    """Check that a manifest names nothing but what belongs there."""
    for name in set(named) - planned.rows.keys() - planned.named_besides:
        found = f"The manifest names {name!r}: expected only planned shards. `platform verify --repair` takes it out."
        report.add(Kind.UNPLANNED, folder / MANIFEST_NAME, found)


def _is_data(path: Path) -> bool:
    return path.name.endswith((".parquet", TEMPORARY_SUFFIX)) and (path.is_file() or path.is_symlink())
