"""``platform verify --repair``: makes again what is damaged and has a seed, and frees the way for what has none.

The manifest is first cleared of lines that cannot be used. Then each damaged shard is drawn again, and committed only
if its bytes are those that the manifest has for it, or those on disk, where the manifest was damaged. Of a damaged
bundle every shard is drawn into a file of its own, as only shards have seeds; ``platform compact`` merges them again.
A relaxation takes minutes and notes how many, so its bytes never come again: damaged files of a screening are removed,
and ``platform screen --resume`` relaxes their crystals anew. The tables of the queue are exported again from its
ledger. Datasets and models have no seed of their own: their findings name the command that makes them anew.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystalforge.catalog.bundles import BUNDLE, is_bundle, shard_lines, shards_within
from crystalforge.catalog.shards import ShardManifest
from crystalforge.errors import CrystalforgeError
from crystalforge.files import path_within, sha256_of_file, storage_errors
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import VALIDATIONS_EXPORT, Home
from crystalforge.integrity.findings import Kind, Report
from crystalforge.integrity.screenings import is_judged
from crystalforge.locks import exclusive
from crystalforge.validation.export import TABLES_FOLDER

if TYPE_CHECKING:
    from crystalforge.jobs.generate import Draw

logger = logging.getLogger(__name__)

MANIFEST_KINDS = (Kind.LINE, Kind.UNPLANNED)


@dataclass
class RepairSummary:
    """What a repair did."""

    shards: int = 0
    """Made again."""
    removed: dict[str, int] = field(default_factory=dict)
    """Screening and how many of its files were damaged, or named wrongly: its next run makes them."""
    exported: bool = False
    """Whether the tables of the queue were written anew."""
    failed: dict[str, str] = field(default_factory=dict)
    """Generation or screening, or the queue, and why it could not be repaired."""


def repair_home(
    home: Home, report: Report, say: Callable[[str], object] = logger.info, draw: Draw | None = None
) -> RepairSummary:
    """Repair what a report names as damaged.

    Args:
        home: the home that the report is of.
        report: made by ``verify_home``.
        say: told what is done.
        draw: where shards of generations are drawn; on Ray by default.
    """
    summary = RepairSummary()
    for room, name in sorted({_place_of(finding.path) for finding in report.problems}):
        try:
            if room == home.generations.name:
                damaged = _manifest_damaged(report, room, name)
                shards = _damaged_shards(report, room, name)
                summary.shards += _repair(home, name, shards, manifest_damaged=damaged, say=say, draw=draw)
            elif room == home.screenings.name:
                _free(home, name, report, summary, say)
            elif room == home.validations.name:
                _export_queue(home, report, summary, say)
        except CrystalforgeError as error:
            summary.failed[name] = str(error)
    return summary


def _place_of(path: str) -> tuple[str, str]:
    """Room of the home and name within it that a path belongs to."""
    parts = Path(path).parts
    return (parts[0], parts[1]) if len(parts) > 1 else ("", "")


def _free(home: Home, screening_id: str, report: Report, summary: RepairSummary, say: Callable[[str], object]) -> None:
    """Remove damaged files of a screening and the lines that name them."""
    damaged = _damaged_shards(report, home.screenings.name, screening_id)
    if not (damaged or _manifest_damaged(report, home.screenings.name, screening_id)):
        return
    from crystalforge.jobs.screening_plans import load_screening

    plan = load_screening(home, screening_id)
    folder = home.screenings / screening_id
    with exclusive(folder, f"The screening {screening_id}"):
        manifest = ShardManifest(folder)
        shards = {shard.file for shard in plan.shards()}
        lines, wrong = manifest.sound_records()
        kept = [line for line in lines if line["file"] not in damaged and (line["file"] in shards or is_judged(line))]
        for name in damaged:
            path = path_within(folder, name, source=folder)
            with storage_errors(path):
                path.unlink(missing_ok=True)
        manifest.rewrite(kept)
    summary.removed[screening_id] = len(lines) - len(kept) + len(wrong)
    say(
        f"Screening {screening_id}: {len(damaged)} damaged files removed. "
        f"Run `platform screen --resume {screening_id}` to make them again."
    )


def _export_queue(home: Home, report: Report, summary: RepairSummary, say: Callable[[str], object]) -> None:
    """Write the tables of the queue anew where they are not what its ledger says."""
    exported = (home.validations / VALIDATIONS_EXPORT, home.validations / TABLES_FOLDER)
    places = [home.path / finding.path for finding in report.problems]
    if not any(place.is_relative_to(path) for place in places for path in exported):
        return
    from crystalforge.validation.export import export_ledger
    from crystalforge.validation.ledger import Ledger

    say("The queue: exporting its tables again.")
    for path in (home.path / finding.path for finding in report.problems if finding.kind is Kind.DAMAGED):
        if path.is_relative_to(home.validations / TABLES_FOLDER):  # a table of the same bytes would not be written
            path.unlink(missing_ok=True)
    with Ledger(home.validations) as ledger:
        export_ledger(ledger)
    summary.exported = True


def _manifest_damaged(report: Report, room: str, name: str) -> bool:
    return any(
        finding.kind in MANIFEST_KINDS and _place_of(finding.path) == (room, name) for finding in report.problems
    )


def _damaged_shards(report: Report, room: str, name: str) -> list[str]:
    return sorted(
        {finding.shard for finding in report.problems if finding.shard and _place_of(finding.path) == (room, name)}
    )


def _repair(
    home: Home,
    generation_id: str,
    shards: list[str],
    *,
    manifest_damaged: bool,
    say: Callable[[str], object],
    draw: Draw | None,
) -> int:
    if not (shards or manifest_damaged):
        return 0
    from crystalforge.jobs.generate import draw_on_ray, generate
    from crystalforge.jobs.generation_plans import load_plan

    plan = load_plan(home, generation_id)
    if manifest_damaged:
        say(f"Generation {generation_id}: taking out lines of the manifest that cannot be used.")
        _clear_manifest(home.generations / generation_id, plan)
    if not shards:
        return 0
    may_have = _may_have(home.generations / generation_id, shards)
    say(f"Generation {generation_id}: making {len(may_have)} shards again from their seeds.")
    return generate(home, plan, again=may_have, draw=draw or draw_on_ray).shards_written


def _may_have(folder: Path, damaged: list[str]) -> dict[str, Collection[str]]:
    """Shards to make again, and the SHA-256 that each may have; of a damaged bundle every shard, alone from then on."""
    records = ShardManifest(folder).records()
    lines = {line["file"]: line for line in records if not is_bundle(line)}
    may_have: dict[str, Collection[str]] = {
        name: _known_bytes(folder / name, lines[name]) if name in lines else ()
        for name in damaged
        if not any(line["file"] == name for line in records if is_bundle(line))
    }
    for shard in shard_lines(records).values():
        if shard.get(BUNDLE) in damaged:
            may_have[shard["file"]] = {shard["sha256"]}
    return may_have


def _known_bytes(path: Path, line: Mapping[str, Any]) -> set[str]:
    """What a shard made again may have: either the file was damaged, or the line."""
    return {str(line["sha256"])} | ({sha256_of_file(path)} if path.is_file() else set())


def _clear_manifest(folder: Path, plan: GenerationPlan) -> None:
    planned = {shard.file for shard in plan.shards()}
    with exclusive(folder, f"The generation {plan.generation_id}"):
        manifest = ShardManifest(folder)
        lines, _ = manifest.sound_records()
        named = Counter(shard for line in lines for shard in _shards_of(line))
        manifest.rewrite(
            line
            for line in lines
            if planned.issuperset(_shards_of(line))
            and not (is_bundle(line) and any(named[shard] > 1 for shard in _shards_of(line)))
        )


def _shards_of(line: Mapping[str, Any]) -> list[str]:
    """Files of the shards that a line of the manifest stands for."""
    return [shard["file"] for shard in shards_within(line)] if is_bundle(line) else [line["file"]]
