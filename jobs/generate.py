"""``platform generate``: shards over a pool of workers that hold the models; a manifest line commits each."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from crystalforge.catalog.bundles import BUNDLE, is_bundle, shard_lines
from crystalforge.catalog.shards import ShardManifest
from crystalforge.errors import GenerationError, ModelNotFoundError
from crystalforge.files import path_within, remove_left_over, storage_errors, utc_now, write_json
from crystalforge.generation.plan import GenerationPlan, Shard
from crystalforge.generation.quarantine import QUARANTINE_RECORD, read_quarantine, write_quarantine
from crystalforge.home import GENERATION_RECORD, Home
from crystalforge.integrity.remaking import installed_versions
from crystalforge.jobs.node_watch import NodeEvent, node_events
from crystalforge.jobs.shard_pool import PoolLostError, work_off
from crystalforge.jobs.shard_worker import ATTEMPTS_FOLDER, SHARD_TIMEOUT_S, ShardWorker, counting_folder
from crystalforge.jobs.trained_models import find_models
from crystalforge.locks import exclusive
from crystalforge.object_store import on_store

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GenerationSummary:
    """What a ``generate`` came to."""

    generation_id: str
    folder: Path
    rows: int
    accepted: int
    shards_written: int
    """By this command."""
    shards_kept: int
    """By earlier ones."""
    nodes: list[NodeEvent]
    """Of the cluster, that joined or were lost meanwhile."""
    seconds: float


class Draw(Protocol):
    """A way to draw shards: yields a line for each as it ends, made or failed."""

    def __call__(
        self, folder: Path, plan: GenerationPlan, models: dict[int, str], missing: list[Shard], timeout_s: float
    ) -> Iterator[dict[str, Any]]:
        """Draw the missing shards with the checkpoint folders of the models."""


def draw_here(
    folder: Path, plan: GenerationPlan, models: dict[int, str], missing: list[Shard], timeout_s: float
) -> Iterator[dict[str, Any]]:
    """Draw in this process, without Ray: for a few shards. One that hangs or crashes takes the process with it."""
    worker = ShardWorker(*_arguments(folder, plan, models, timeout_s))
    for shard in missing:
        yield worker(asdict(shard))


def draw_on_ray(
    folder: Path, plan: GenerationPlan, models: dict[int, str], missing: list[Shard], timeout_s: float
) -> Iterator[dict[str, Any]]:
    """Draw on a pool of Ray's workers.

    Raises:
        GenerationError: Ray itself gave up.
    """
    try:
        yield from work_off(folder, ShardWorker, _arguments(folder, plan, models, timeout_s), missing)
    except PoolLostError as error:
        raise GenerationError(
            f"Ray gave up on generation {plan.generation_id}: {error} "
            "What is done is kept; the same command draws the rest."
        ) from error


def _arguments(folder: Path, plan: GenerationPlan, models: dict[int, str], timeout_s: float) -> tuple[Any, ...]:
    return str(folder), plan.to_json(), models, timeout_s, str(counting_folder(folder))


def generate(
    home: Home,
    plan: GenerationPlan,
    *,
    shard_timeout_s: float = SHARD_TIMEOUT_S,
    draw: Draw = draw_on_ray,
    progress: Callable[[int, int, int], None] | None = None,
    again: Mapping[str, Collection[str]] | None = None,
) -> GenerationSummary:
    """Draw what is missing of a plan; interrupted anywhere, the same call continues and ends with the same bytes.

    Args:
        home: where the models are and the generation is kept.
        plan: everything that decides the bytes.
        shard_timeout_s: a worker whose shard takes longer is ended; after three times the shard is set aside.
        draw: where the shards are drawn.
        progress: called with samples done, samples in all, and accepted so far.
        again: files of shards to draw again, and no others, with the SHA-256 that each may have; none for any.

    Raises:
        BusyError: another command is drawing the same generation.
        GenerationError: a shard could not be made, or was made again with other bytes; all others are made.
    """
    started, began_at = time.time(), utc_now()
    folder = path_within(home.generations, plan.generation_id, source=home.generations)
    with exclusive(folder, f"The generation {plan.generation_id}"):
        if not (folder / GENERATION_RECORD).is_file():
            write_json(
                folder / GENERATION_RECORD, plan.to_json() | {"created_at": utc_now(), "versions": installed_versions()}
            )
        _sweep(folder)
        manifest = ShardManifest(folder)
        shards = {shard.file: shard for shard in plan.shards()}
        lines = _kept(manifest, shards, again)
        kept = len(lines)
        missing = [shard for name, shard in shards.items() if name not in lines and (not again or name in again)]
        failed: dict[str, str] = {}
        other: list[str] = []
        if missing:
            rows, accepted = _total(lines, "rows"), _total(lines, "accepted")
            for line in draw(folder, plan, _models_of(home, plan), missing, shard_timeout_s):
                if error := line.pop("error"):
                    failed[line["file"]] = error
                    continue
                if again and again[line["file"]] and line["sha256"] not in again[line["file"]]:
                    other.append(line["file"])
                    continue
                manifest.append(line)
                lines[line["file"]] = line
                rows, accepted = rows + line["rows"], accepted + line["accepted"]
                if progress:
                    progress(rows, plan.count, accepted)
            _sweep(folder)
        manifest.sum_up()
        _set_aside(folder, plan, shards.keys() - lines.keys(), failed)
        _refuse_other_bytes(plan, other)
    return GenerationSummary(
        generation_id=plan.generation_id,
        folder=folder,
        rows=_total(lines, "rows"),
        accepted=_total(lines, "accepted"),
        shards_written=len(lines) - kept,
        shards_kept=kept,
        nodes=node_events(folder, began_at),
        seconds=time.time() - started,
    )


def _kept(
    manifest: ShardManifest, shards: Collection[str], again: Mapping[str, Collection[str]] | None
) -> dict[str, dict[str, Any]]:
    """Lines of the committed shards that need not be drawn, by file.

    A bundle of which one shard has to be drawn is given up as a whole: its shards are drawn into files of their own.
    """
    records = [line for line in manifest.records() if is_bundle(line) or line["file"] in shards]
    if again:
        spoilt = {line[BUNDLE] for name, line in shard_lines(records).items() if name in again and BUNDLE in line}
        spoilt |= {line["file"] for line in records if line["file"] in again}
    else:
        otherwise = "its samples are drawn again from their seeds"
        spoilt = {line["file"] for line in records if not manifest.has_whole(line, otherwise=otherwise)}
    bundles = [line["file"] for line in records if is_bundle(line) and line["file"] in spoilt]
    if bundles:
        manifest.rewrite(line for line in records if line["file"] not in bundles)
        for name in bundles:
            path = path_within(manifest.folder, name, source=manifest.path)
            with storage_errors(path):
                path.unlink(missing_ok=True)
    kept = shard_lines(line for line in records if line["file"] not in spoilt)
    return {name: line for name, line in kept.items() if name in shards}


def _sweep(folder: Path) -> None:
    """Remove what killed processes left: before, and after, as their last workers may outlive a killed driver."""
    remove_left_over(folder)
    if not on_store(folder):
        shutil.rmtree(folder / ATTEMPTS_FOLDER, ignore_errors=True)


def _set_aside(folder: Path, plan: GenerationPlan, missing: Collection[str], failed: dict[str, str]) -> None:
    """Note which shards could not be made, and why; an earlier note stays as long as its shard is missing.

    Raises:
        GenerationError: this command failed to make some.
    """
    earlier = {name: reason for name, reason in read_quarantine(folder).items() if name in missing}
    write_quarantine(folder, earlier | failed)
    if not failed:
        return
    name, reason = next(iter(failed.items()))
    raise GenerationError(
        f"{len(failed)} shards of generation {plan.generation_id} failed, the first of them {name}: {reason} "
        f"All reasons are in {folder / QUARANTINE_RECORD}. All others are kept; the same command tries these again."
    )


def _refuse_other_bytes(plan: GenerationPlan, files: list[str]) -> None:
    if files:
        raise GenerationError(
            f"{len(files)} shards of generation {plan.generation_id} were made again with other bytes than those of "
            f"the manifest, the first {files[0]}: by other versions, or on another device. They stay refused. "
            f"`platform generate --resume {plan.generation_id}` takes the new bytes."
        )


def _total(lines: dict[str, dict[str, Any]], key: str) -> int:
    return sum(line[key] for line in lines.values())


def _models_of(home: Home, plan: GenerationPlan) -> dict[int, str]:
    """Checkpoint folders of the plan's models, which must still be those that the plan was made for."""
    models = find_models(home, plan.training_id)
    models.choose(list(plan.counts))
    changed = [number for number, checksum in plan.models.items() if models.checksum(number) != checksum]
    if changed:
        raise ModelNotFoundError(
            f"The models of space groups {changed} in training {plan.training_id} are not those that generation "
            f"{plan.generation_id} was planned with. Start a new generation."
        )
    return {number: str(models.checkpoint_folder(number)) for number in plan.counts}
