"""``platform verify --repair``: makes again what is damaged and has a seed, and nothing else.

The manifest is first cleared of lines that cannot be used. Then each damaged shard is drawn again, and committed only
if its bytes are those that the manifest has for it, or those on disk, where the manifest was damaged. Datasets and
models have no seed of their own: their findings name the command that makes them anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystalforge.catalog.shards import ShardManifest
from crystalforge.errors import CrystalforgeError
from crystalforge.files import exclusive, sha256_of_file
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home
from crystalforge.integrity.findings import Kind, Report

if TYPE_CHECKING:
    from crystalforge.jobs.generate import Draw

logger = logging.getLogger(__name__)

MANIFEST_KINDS = (Kind.LINE, Kind.UNPLANNED)


@dataclass(frozen=True)
class RepairSummary:
    """What a repair made again."""

    shards: int
    failed: dict[str, str]
    """Generation and why it could not be repaired."""


def repair_home(
    home: Home, report: Report, say: Callable[[str], object] = logger.info, draw: Draw | None = None
) -> RepairSummary:
    """Make again every shard that a report names as damaged.

    Args:
        home: the home that the report is of.
        report: made by ``verify_home``.
        say: told what is done.
        draw: where the shards are drawn; on Ray by default.
    """
    made, failed = 0, {}
    for generation_id in sorted({name for finding in report.problems if (name := _generation_of(finding.path))}):
        shards = _damaged_shards(report, generation_id)
        manifest_damaged = any(
            finding.kind in MANIFEST_KINDS and _generation_of(finding.path) == generation_id
            for finding in report.problems
        )
        try:
            made += _repair(home, generation_id, shards, manifest_damaged=manifest_damaged, say=say, draw=draw)
        except CrystalforgeError as error:
            failed[generation_id] = str(error)
    return RepairSummary(made, failed)


def _generation_of(path: str) -> str:
    """Generation that a path within the home belongs to; empty where it belongs to none."""
    parts = Path(path).parts
    return parts[1] if len(parts) > 1 and parts[0] == "generations" else ""


def _damaged_shards(report: Report, generation_id: str) -> list[str]:
    return sorted(
        {
            finding.shard
            for finding in report.problems
            if finding.shard and _generation_of(finding.path) == generation_id
        }
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
    from crystalforge.jobs.generate import draw_on_ray, generate, load_plan

    plan = load_plan(home, generation_id)
    if manifest_damaged:
        say(f"Generation {generation_id}: taking out lines of the manifest that cannot be used.")
        _clear_manifest(home.generations / generation_id, plan)
    if not shards:
        return 0
    say(f"Generation {generation_id}: making {len(shards)} shards again from their seeds.")
    folder = home.generations / generation_id
    lines = {line["file"]: line for line in ShardManifest(folder).records()}
    may_have = {name: _known_bytes(folder / name, lines[name]) if name in lines else () for name in shards}
    return generate(home, plan, again=may_have, draw=draw or draw_on_ray).shards_written


def _known_bytes(path: Path, line: Mapping[str, Any]) -> set[str]:
    """What a shard made again may have: either the file was damaged, or the line."""
    return {str(line["sha256"])} | ({sha256_of_file(path)} if path.is_file() else set())


def _clear_manifest(folder: Path, plan: GenerationPlan) -> None:
    planned = {shard.file for shard in plan.shards()}
    with exclusive(folder, f"The generation {plan.generation_id}"):
        manifest = ShardManifest(folder)
        lines, _ = manifest.sound_records()
        manifest.rewrite(line for line in lines if line["file"] in planned)
