"""A generation against its plan: every planned index exactly once, in files that are what the manifest says."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from crystalforge.catalog.shards import MANIFEST_NAME, ShardManifest
from crystalforge.errors import CrystalforgeError
from crystalforge.files import TEMPORARY_SUFFIX, held_by, path_within, read_record
from crystalforge.generation.plan import GenerationPlan, Shard
from crystalforge.home import GENERATION_RECORD, Home
from crystalforge.integrity.files import check_table
from crystalforge.integrity.findings import Kind, Report
from crystalforge.integrity.remaking import Remaker
from crystalforge.integrity.samples import wrong_origins, wrong_states
from crystalforge.schemas import SAMPLES

PLANNED = tuple(field.name for field in fields(GenerationPlan) if field.name != "request")
REPAIR = "`platform verify --repair` makes it again from its seed."
QUARANTINE_RECORD = "quarantine.json"
LARGEST_LIST = 3


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
    _verify_names(report, folder, committed)
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
    """Whether a planned shard is sound; a shard that was never drawn is told of by ``_verify_names``."""
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


def _verify_names(report: Report, folder: Path, committed: Committed) -> None:
    """Files against plan and manifest: nothing planned is absent, nothing else is named."""
    planned = {shard.file: shard for shard in committed.plan.shards()}
    for name in committed.lines.keys() - planned.keys():
        found = f"The manifest names {name!r}: expected only planned shards. `platform verify --repair` takes it out."
        report.add(Kind.UNPLANNED, folder / MANIFEST_NAME, found)
    there = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if _is_data(path)}
    if committed.holder:
        return
    for name in (planned.keys() & there.keys()) - committed.lines.keys():
        found = f"No line of the manifest names it, so nobody reads it. {REPAIR}"
        report.add(Kind.UNCOMMITTED, there[name], found, name)
    absent = [name for name in planned if name not in committed.lines and name not in there]
    if absent:
        some = ", ".join(absent[:LARGEST_LIST]) + (", …" if len(absent) > LARGEST_LIST else "")
        rows = sum(planned[name].n_samples for name in absent)
        reasons = _set_aside(folder)
        aside = f" {len(reasons)} were set aside, the first: {next(iter(reasons.values()))}" if reasons else ""
        found = (
            f"{rows} of {committed.plan.count} samples were not drawn yet, in {len(absent)} shards ({some}). "
            f"Run `platform generate --resume {committed.plan.generation_id}`.{aside}"
        )
        report.add(Kind.UNFINISHED, folder, found)
    for name in there.keys() - planned.keys():
        report.add(Kind.UNUSED, there[name], "Nothing names this file, so nobody reads it. It can be removed.")


def _set_aside(folder: Path) -> dict[str, str]:
    """Shards that could not be made, with the reason."""
    path = folder / QUARANTINE_RECORD
    try:
        reasons = read_record(path, ()) if path.is_file() else {}
    except CrystalforgeError:  # the shards are told of as absent, with or without a reason
        return {}
    return {str(name): str(reason) for name, reason in reasons.items()}


def _is_data(path: Path) -> bool:
    return path.name.endswith((".parquet", TEMPORARY_SUFFIX)) and (path.is_file() or path.is_symlink())
