"""A generation against its plan: every planned index exactly once, in files that are what the manifest says."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystalforge.catalog.shards import MANIFEST_NAME, ShardManifest
from crystalforge.errors import CrystalforgeError
from crystalforge.files import held_by, path_within, read_record
from crystalforge.generation.plan import PLANNED, GenerationPlan, Shard
from crystalforge.generation.quarantine import read_quarantine
from crystalforge.home import EVALUATION_FILE, EVALUATION_RECORD, GENERATION_RECORD, OCCURRENCES_FILE, Home
from crystalforge.integrity.files import check_table
from crystalforge.integrity.findings import Kind, Report
from crystalforge.integrity.names import PlannedFiles, verify_named, verify_names
from crystalforge.integrity.remaking import Remaker
from crystalforge.integrity.samples import wrong_origins, wrong_states
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
    committed = read_committed(report, folder)
    if committed is None:
        return
    report.counts["generations"] += 1
    sound = [shard for shard in committed.plan.shards() if _verify_shard(report, folder, committed, shard)]
    planned = PlannedFiles(
        rows={shard.file: shard.n_samples for shard in committed.plan.shards()},
        undone="samples were not drawn yet",
        repair=REPAIR,
        resume=f"platform generate --resume {committed.plan.generation_id}",
        unnamed=frozenset({EVALUATION_FILE, EVALUATION_RECORD, OCCURRENCES_FILE}),
    )
    verify_named(report, folder, planned, committed.lines)
    if not committed.holder:
        verify_names(report, folder, planned, committed.lines, read_quarantine(folder))
    remaker = Remaker(report, home, committed.plan, committed.record)
    for shard in random.sample(sound, min(remake, len(sound))):
        remaker.compare(shard, committed.lines[shard.file])


def read_committed(report: Report, folder: Path) -> Committed | None:
    """Plan and manifest of a generation; None where the plan cannot be read."""
    path = folder / GENERATION_RECORD
    holder = held_by(folder)
    try:
        record = read_record(path, PLANNED)
        plan = GenerationPlan.from_json(record)
        lines, wrong = ShardManifest(folder).sound_records()
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
