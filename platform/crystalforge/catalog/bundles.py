"""Bundles: files that hold the rows of many shards of one space group, as ``platform compact`` makes them.

A bundle's line in the manifest names the shards in it, in the order of their rows, each with its number, its rows, how
many were accepted, and the SHA-256 that its own file had. So what was drawn from which seed is still known, and a shard
drawn again can be compared, although its file is gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from crystalforge.home import group_folder_name, shard_file_name

SHARDS = "shards"
"""Key of a manifest line that only a bundle has."""
BUNDLE = "bundle"
"""Key of the line of a shard in a bundle: the file that holds it."""
KINDS = (int, int, int, str)
"""Of what is noted of each shard: number, rows, accepted, SHA-256."""
BUNDLE_PATTERN = "space_group_number=*/bundle-*.parquet"


def is_bundle(line: Mapping[str, Any]) -> bool:
    """Whether a manifest line names a bundle."""
    return SHARDS in line


def is_sound_bundle(line: Mapping[str, Any]) -> bool:
    """Whether what a bundle's line says of its shards can be so."""
    shards, number = line.get(SHARDS), line.get("space_group_number")
    if not isinstance(shards, list) or not shards or not isinstance(number, int):
        return False
    if not all(isinstance(shard, list) and _has_kinds(shard) for shard in shards):
        return False
    numbers = [shard[0] for shard in shards]
    return numbers == sorted(set(numbers)) and sum(shard[1] for shard in shards) == line["rows"]


def _has_kinds(shard: Sequence[Any]) -> bool:
    return len(shard) == len(KINDS) and all(type(value) is kind for value, kind in zip(shard, KINDS, strict=True))


def shards_within(line: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line for each shard of a bundle, as its own file had it, with the bundle's name besides."""
    group = line["space_group_number"]
    return [
        {
            "file": shard_file_name(group, number),
            "space_group_number": group,
            "shard": number,
            "rows": rows,
            "accepted": accepted,
            "sha256": sha256,
            BUNDLE: line["file"],
        }
        for number, rows, accepted, sha256 in line[SHARDS]
    ]


def shard_lines(lines: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is committed of each shard, by its file, whether that still stands alone or went into a bundle."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        for shard in shards_within(line) if is_bundle(line) else [dict(line)]:
            found[shard["file"]] = shard
    return found


def split(line: Mapping[str, Any], groups: Iterable[pa.Table]) -> Iterator[tuple[dict[str, Any], pa.Table]]:
    """The shards of a bundle, each with its rows.

    Args:
        line: of the bundle.
        groups: its row groups in order; each holds whole shards.
    """
    shards = iter(shards_within(line))
    for group in groups:
        first = 0
        while first < group.num_rows and (shard := next(shards, None)) is not None:
            yield shard, group.slice(first, shard["rows"])
            first += shard["rows"]


def bundle_name(space_group_number: int, shards: Sequence[Sequence[Any]]) -> str:
    """Name of a bundle's file: the first and the last shard, and a hash of all, as other shards are another file."""
    content = hashlib.sha256("\n".join(str(shard[3]) for shard in shards).encode()).hexdigest()[:8]
    folder = group_folder_name(space_group_number)
    return f"{folder}/bundle-{shards[0][0]:05d}-{shards[-1][0]:05d}-{content}.parquet"


def digest_of_shards(lines: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 of what was drawn: every shard's name and checksum, by name; compaction does not change it."""
    shards = sorted((name, line["sha256"]) for name, line in shard_lines(lines).items())
    return hashlib.sha256("".join(f"{name} {sha256}\n" for name, sha256 in shards).encode()).hexdigest()
