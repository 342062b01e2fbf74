"""A generation against its plan: every planned index exactly once, in files that are what the manifest says."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystalforge.catalog.bundles import is_bundle, shard_lines
from crystalforge.catalog.shards import MANIFEST_NAME, ShardManifest
from crystalforge.errors import CrystalforgeError
from crystalforge.files import path_within, read_record
from crystalforge.generation.plan import PLANNED, GenerationPlan, Shard
from crystalforge.generation.quarantine import read_quarantine
from crystalforge.home import EVALUATION_FILE, EVALUATION_RECORD, GENERATION_RECORD, OCCURRENCES_FILE, Home
from crystalforge.integrity.bundles import verify_bundle, verify_bundled_once
from crystalforge.integrity.files import check_table
from crystalforge.integrity.findings import Kind, Report
from crystalforge.integrity.names import PlannedFiles, verify_named, verify_names
from crystalforge.integrity.remaking import Remaker
from crystalforge.integrity.samples import wrong_origins, wrong_states
from crystalforge.locks import held_by
from crystalforge.schemas import SAMPLES

REPAIR = "`platform verify --repair` makes it again from its seed."


@dataclass(frozen=True)
class Committed:
    """What a generation's folder names, before any shard is opened."""

    plan: GenerationPlan
    record: Mapping[str, Any]
    """The plan as it stands in its file, with the versions it was begun with."""
    lines: dict[str, dict[str, Any]]
    """Sound lines of the manifest, by file."""
    holder: str | None
    """Process that is drawing it."""


def verify_generation(report: Report, home: Home, folder: Path, *, remake: int) -> None:
    """Check a generation, and draw some of its sound shards again.

    Args:
        report: takes the findings.
        home: the home.
        folder: of the generation.
        remake: shards to draw again.
    """
    with ExitStack() as reading:
        committed = read_committed(report, folder, reading)
        if committed is not None:
            report.counts["generations"] += 1
            _verify(report, home, folder, committed, remake)


def _verify(report: Report, home: Home, folder: Path, committed: Committed, remake: int) -> None:
    shards = {shard.file: shard for shard in committed.plan.shards()}
    bundles = [line for line in committed.lines.values() if is_bundle(line)]
    sound = [shard for shard in shards.values() if _verify_shard(report, folder, committed, shard)]
    for line in bundles:
        sound += verify_bundle(report, folder, committed.plan, shards, line, repair=REPAIR)
    verify_bundled_once(report, folder, committed.lines)
    planned = PlannedFiles(
        rows={name: shard.n_samples for name, shard in shards.items()},
        undone="samples were not drawn yet",
        repair=REPAIR,
        resume=f"platform generate --resume {committed.plan.generation_id}",
        named_besides=frozenset(line["file"] for line in bundles),
        bundled=frozenset(shard_lines(bundles)),
        unnamed=frozenset({EVALUATION_FILE, EVALUATION_RECORD, OCCURRENCES_FILE}),
    )
    verify_named(report, folder, planned, committed.lines)
    lines = shard_lines(committed.lines.values())
    if not committed.holder:
        verify_names(report, folder, planned, committed.lines.keys() | lines.keys(), read_quarantine(folder))
    remaker = Remaker(report, home, committed.plan, committed.record)
    for shard in random.sample(sound, min(remake, len(sound))):
        remaker.compare(shard, lines[shard.file], committed.lines)


def read_committed(report: Report, folder: Path, reading: ExitStack) -> Committed | None:
    """Plan and manifest of a generation; None where the plan cannot be read. Until ``reading`` ends its files stay."""
    path = folder / GENERATION_RECORD
    holder = held_by(folder)
    try:
        record = read_record(path, PLANNED)
        plan = GenerationPlan.from_json(record)
        manifest = ShardManifest(folder)
        lines, wrong = reading.enter_context(manifest.held(manifest.sound_records))
    except CrystalforgeError as error:
        report.add(Kind.RECORD, path, f"{error} Restore it: it alone says what the rows were drawn by.")
        return None
    except (TypeError, ValueError, AttributeError) as error:  # a value of another kind than a plan has
        report.add(Kind.RECORD, path, f"Expected a plan, found one that does not read ({error}). Restore it.")
        return None
    if plan.generation_id != folder.name:
        found = f"Expected the plan of {folder.name!r}, found that of {plan.generation_id!r}. Restore it."
        report.add(Kind.RECORD, path, found)
        return None
    for message in wrong:
        report.add(Kind.LINE, folder / MANIFEST_NAME, message)
    if holder:
        report.add(Kind.IN_PROGRESS, folder, f"Process {holder} is drawing it: only committed shards were looked at.")
    return Committed(plan, record, {line["file"]: line for line in lines}, holder)


def _verify_shard(report: Report, folder: Path, committed: Committed, shard: Shard) -> bool:
    """Whether a planned shard is sound; a shard that was never drawn is told of by ``verify_names``."""
    line = committed.lines.get(shard.file)
    if line is None:
        return False
    path = path_within(folder, shard.file, source=folder)
    table = check_table(report, path, line, SAMPLES, repair=REPAIR, shard=shard.file)
    if table is None:
        return False
    report.counts["shards"] += 1
    origins = wrong_origins(table, committed.plan, shard, line)
    states = wrong_states(table)
    for kind, wrong in ((Kind.ROWS, origins), (Kind.STATE, states)):
        if wrong:
            report.add(kind, path, f"{'; '.join(wrong)}. {REPAIR}", shard.file)
    return not (origins or states)
