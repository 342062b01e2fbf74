"""Bundles of a generation: each shard in them against the plan, as if it still stood alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crystalforge.catalog.bundles import BUNDLE, is_bundle, shards_within, split
from crystalforge.catalog.shards import MANIFEST_NAME
from crystalforge.errors import CrystalforgeError, DamagedFileError
from crystalforge.files import path_within
from crystalforge.generation.plan import GenerationPlan, Shard
from crystalforge.integrity.findings import Kind, Report
from crystalforge.integrity.samples import wrong_origins, wrong_states
from crystalforge.schemas import SAMPLES
from crystalforge.table_files import read_row_groups


def verify_bundle(
    report: Report,
    folder: Path,
    plan: GenerationPlan,
    shards: Mapping[str, Shard],
    line: Mapping[str, Any],
    *,
    repair: str,
) -> list[Shard]:
    """Check a bundle's file and each shard in it; a bundle with anything wrong is made again as a whole.

    Args:
        report: takes the findings.
        folder: of the generation.
        plan: of the generation.
        shards: every planned one, by file.
        line: of the bundle.
        repair: what makes it again.

    Returns:
        the shards in it, if all of them are sound.
    """
    path = path_within(folder, line["file"], source=folder)
    unplanned = [shard["file"] for shard in shards_within(line) if shard["file"] not in shards]
    if unplanned:
        found = f"It names {unplanned[0]!r}: expected only planned shards. `platform verify --repair` takes it out."
        report.add(Kind.UNPLANNED, path, found)
        return []
    if not path.is_file():
        report.add(Kind.MISSING, path, f"Expected sha256 {line['sha256'][:12]}…, found no file. {repair}", line["file"])
        return []
    try:
        return _verify_rows(report, path, plan, shards, line, repair)
    except CrystalforgeError as error:
        damaged = isinstance(error, DamagedFileError) and "sha256" in str(error)
        report.add(Kind.DAMAGED if damaged else Kind.SCHEMA, path, str(error), line["file"])
        return []


def _verify_rows(
    report: Report, path: Path, plan: GenerationPlan, shards: Mapping[str, Shard], line: Mapping[str, Any], repair: str
) -> list[Shard]:
    """The shards of a bundle whose bytes are the recorded ones, if none is wrong."""
    wrong: list[tuple[Kind, str]] = []
    sound, rows = [], 0
    for noted, table in split(line, read_row_groups(path, line["sha256"], SAMPLES, repair=repair)):
        shard = shards[noted["file"]]
        rows += table.num_rows
        found = [(Kind.ROWS, text) for text in wrong_origins(table, plan, shard, noted)]
        found += [(Kind.STATE, text) for text in wrong_states(table)]
        wrong += [(kind, f"{shard.file}: {text}") for kind, text in found]
        sound.append(shard)
    if rows != line["rows"] or len(sound) != len(shards_within(line)):
        wrong.append((Kind.ROWS, f"expected {line['rows']} rows of {len(shards_within(line))} shards, found {rows}"))
    for kind in dict.fromkeys(kind for kind, _ in wrong):
        texts = [text for each, text in wrong if each is kind]
        more = f" ({len(texts) - 1} more)" if len(texts) > 1 else ""
        report.add(kind, path, f"{texts[0]}{more}. {repair}", line["file"])
    report.counts.update({"rows": rows, "bytes": path.stat().st_size, "shards": len(sound), "bundles": 1})
    return [] if wrong else sound


def verify_bundled_once(report: Report, folder: Path, lines: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that no shard is named twice, alone and in a bundle or in two: SQL would have its rows twice."""
    bundled = [shard for line in lines.values() if is_bundle(line) for shard in shards_within(line)]
    times = Counter([shard["file"] for shard in bundled])
    for shard in bundled:
        if times[shard["file"]] > 1 or shard["file"] in lines:
            found = (
                f"The manifest names {shard['file']!r} twice, once in {shard[BUNDLE]!r}: its rows are read twice. "
                "`platform verify --repair` takes the bundle out."
            )
            report.add(Kind.UNPLANNED, folder / MANIFEST_NAME, found)
            return
