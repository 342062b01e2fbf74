"""``platform compact``: the shards of a generation in few files, the same rows in the same order.

For each space group: the bundles are written beside the shards, read back and compared row by row, and then committed
by a new manifest. What they replace is removed once nobody reads by an older manifest. A kill at any moment leaves the
manifest of before or of after, and files that nobody reads, which the next compaction removes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from crystalforge.catalog.bundles import (
    BUNDLE,
    BUNDLE_PATTERN,
    SHARDS,
    bundle_name,
    digest_of_shards,
    is_bundle,
    shard_lines,
    split,
)
from crystalforge.catalog.compaction_plan import DEFAULT_ROWS, Line, PlannedBundle, plan_compaction
from crystalforge.catalog.shards import ShardManifest, ShardRecord, read_shard, repeating_leaves
from crystalforge.errors import DamagedFileError
from crystalforge.files import path_within, remove_left_over, storage_errors
from crystalforge.local_disk import require_local_disk
from crystalforge.locks import exclusive
from crystalforge.schemas import SAMPLES
from crystalforge.table_files import read_row_groups, same_rows, write_row_groups

ROWS_OF_A_GROUP = 100_000
"""Of a row group: what a process of SQL reads at a time, and what compaction holds in memory."""


@dataclass(frozen=True)
class CompactionSummary:
    """What a compaction came to."""

    generation_id: str
    rows: int
    """Of the generation."""
    files_before: int
    files_after: int
    """Named by the manifest."""
    bytes_before: int
    bytes_after: int
    bundles_written: int
    files_removed: int
    """Of this compaction and of earlier ones."""
    files_still_read: int
    """Replaced, and kept as a reader is at work; the next compaction removes them."""
    digest: str
    """SHA-256 of what was drawn, by shard: the same before and after."""


def require_compactable(folder: Path) -> None:
    """Refuse a generation whose files readers elsewhere would lose under their hands.

    Raises:
        StorageError: it is not on a disk of this machine.
    """
    require_local_disk(
        folder,
        "The generation to compact",
        "Copy its home to one and compact it there; on a store or a network file system it is read as it is",
    )


def compact_generation(
    folder: Path,
    *,
    rows_of_a_bundle: int = DEFAULT_ROWS,
    progress: Callable[[int], object] | None = None,
) -> CompactionSummary:
    """Merge the committed shards of a generation into bundles; interrupted anywhere, the same call continues.

    Args:
        folder: of the generation.
        rows_of_a_bundle: at most.
        progress: called with the rows merged so far.

    Raises:
        BusyError: another command is drawing or compacting it.
        DamagedFileError: a shard is not what the manifest says; nothing of its space group was changed.
        StorageError: a file could not be written, and what is committed stays; or the generation is not on a disk of
            this machine.
    """
    require_compactable(folder)
    manifest = ShardManifest(folder)
    with exclusive(folder, f"The generation {folder.name}"):
        remove_left_over(folder)
        removed, _ = remove_replaced(folder)
        before = manifest.records()
        plan = plan_compaction(before, rows_of_a_bundle)
        merged = 0
        for number in sorted({bundle.space_group_number for bundle in plan.bundles}):
            bundles = [bundle for bundle in plan.bundles if bundle.space_group_number == number]
            written = [_write_bundle(folder, bundle) for bundle in bundles]
            replaced = {line["file"] for bundle in bundles for line in bundle.lines}
            manifest.replace([*(line for line in manifest.records() if line["file"] not in replaced), *written])
            removed += remove_replaced(folder)[0]
            merged += sum(bundle.rows for bundle in bundles)
            if progress:
                progress(merged)
        more, still_read = remove_replaced(folder)
        after = manifest.records()
    return CompactionSummary(
        generation_id=folder.name,
        rows=plan.rows,
        files_before=plan.files,
        files_after=len(after),
        bytes_before=sum(line["bytes"] for line in before),
        bytes_after=sum(line["bytes"] for line in after),
        bundles_written=len(plan.bundles),
        files_removed=removed + more,
        files_still_read=still_read,
        digest=digest_of_shards(after),
    )


def _write_bundle(folder: Path, bundle: PlannedBundle) -> dict[str, Any]:
    """Write a bundle, read it back, compare it with what it is made of, and give its line."""
    number = bundle.space_group_number
    shards = sorted(shard_lines(bundle.lines).values(), key=lambda shard: shard["shard"])
    noted = [[shard[key] for key in ("shard", "rows", "accepted", "sha256")] for shard in shards]
    name = bundle_name(number, noted)
    path = path_within(folder, name, source=folder)
    file = write_row_groups(path, SAMPLES, _row_groups(folder, bundle), use_dictionary=repeating_leaves(SAMPLES))
    line = {
        "file": name,
        **vars(file),
        "space_group_number": number,
        "accepted": sum(shard["accepted"] for shard in shards),
        SHARDS: noted,
    }
    if all("seconds" in each for each in bundle.lines):
        line["seconds"] = round(sum(each["seconds"] for each in bundle.lines), 3)
    read_back = split(line, read_row_groups(path, file.sha256, SAMPLES))
    for (shard, found), (_, expected) in zip(read_back, _shards(folder, bundle), strict=True):
        if not same_rows(found, expected):
            raise DamagedFileError(
                f"{path}: expected the rows of {shard['file']}, found others. Nothing was replaced. Run "
                f"`platform verify`, then the same command again."
            )
    return line


def _row_groups(folder: Path, bundle: PlannedBundle) -> Iterator[pa.Table]:
    """Rows in the order of the shards, in tables of whole shards."""
    waiting: list[pa.Table] = []
    for _, table in _shards(folder, bundle):
        waiting.append(table)
        if sum(each.num_rows for each in waiting) >= ROWS_OF_A_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _shards(folder: Path, bundle: PlannedBundle) -> Iterator[tuple[dict[str, Any], pa.Table]]:
    """Every shard with its rows, by number; files are read one at a time unless their shards lie among each other."""
    repair = f"Run `platform generate --resume {folder.name}` to make it again from its seed."
    open_bundles = {
        line["file"]: split(line, _rows_of_bundle(folder, line, repair)) for line in bundle.lines if is_bundle(line)
    }
    for shard in sorted(shard_lines(bundle.lines).values(), key=lambda shard: shard["shard"]):
        if BUNDLE in shard:
            _, table = next(open_bundles[shard[BUNDLE]])
        else:
            table = read_shard(folder, ShardRecord.from_line(shard), SAMPLES, repair=repair)
        if table.num_rows != shard["rows"]:
            raise DamagedFileError(
                f"{folder / shard['file']}: expected {shard['rows']} rows, found {table.num_rows}. Nothing was "
                "replaced. Run `platform verify --repair`, then the same command again."
            )
        yield shard, table


def _rows_of_bundle(folder: Path, line: Line, repair: str) -> Iterator[pa.Table]:
    path = path_within(folder, line["file"], source=folder)
    yield from read_row_groups(path, line["sha256"], SAMPLES, repair=repair)


def remove_replaced(folder: Path) -> tuple[int, int]:
    """Remove the files that only replaced manifests name, unless somebody still reads by one of these.

    Only who holds the folder calls it.

    Returns:
        how many files were removed, and how many are still read.
    """
    manifest = ShardManifest(folder)
    named = {line["file"] for line in manifest.records()}
    old = [(each, {line["file"] for line in each.records()}) for each in manifest.replaced()]
    free = [each for each in old if each[0].path.samefile(manifest.path) or not each[0].is_read()]
    still_read = {name for each in old if each not in free for name in each[1]} - named
    leftover = {path.relative_to(folder).as_posix() for path in folder.glob(BUNDLE_PATTERN)}
    removed = 0
    for name in sorted({name for _, names in free for name in names} | leftover):
        if name not in named and name not in still_read:
            path = path_within(folder, name, source=folder)
            with storage_errors(path):
                removed += path.exists()
                path.unlink(missing_ok=True)
    for each, _ in free:
        with storage_errors(each.path):
            each.path.unlink(missing_ok=True)
    return removed, sum((folder / name).exists() for name in still_read)
