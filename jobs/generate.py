"""``platform generate``: shards over a pool of workers that hold the models; a manifest line commits each."""

from __future__ import annotations

import logging
import math
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from crystalforge.catalog.shards import ShardManifest
from crystalforge.errors import DamagedFileError, GenerationError, ModelNotFoundError, StorageError, UsageError
from crystalforge.files import (
    TEMPORARY_SUFFIX,
    exclusive,
    read_record,
    sha256_of_file,
    storage_errors,
    utc_now,
    write_json,
)
from crystalforge.gan.request import NOTHING_ASKED, Capacity, Request
from crystalforge.generation.plan import Balance, GenerationPlan, Shard, check_count, share_out
from crystalforge.home import GENERATION_RECORD, Home
from crystalforge.integrity.remaking import installed_versions
from crystalforge.jobs.requests import capacities, refuse_too_many
from crystalforge.jobs.shard_pool import PoolLostError, work_off
from crystalforge.jobs.shard_worker import ATTEMPTS_FOLDER, SHARD_TIMEOUT_S, ShardWorker
from crystalforge.jobs.trained_models import TrainedModels, find_models

logger = logging.getLogger(__name__)

UNLIMITED = Capacity(share=1.0, n_compositions=sys.maxsize)
"""Of a model of which nothing is asked."""
PLANNED = tuple(field.name for field in fields(GenerationPlan) if field.name != "request")
"""What every plan's record has; a plan without request asks for nothing."""

QUARANTINE = "quarantine.json"
"""Shards that the last command could not make, by file, with the reason; gone when all are made."""


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
    seconds: float


def plan_generation(
    models: TrainedModels,
    count: int,
    *,
    seed: int,
    balance: Balance = Balance.TRAINING,
    space_groups: Sequence[int] | None = None,
    shard_size: int,
    min_contact_ratio: float,
    request: Request = NOTHING_ASKED,
    say: Callable[[str], None] = logger.info,
) -> GenerationPlan:
    """Share the count among the space groups and fix everything that decides the bytes.

    With a request, a group's weight is multiplied by the share of its distribution that meets it: the samples are
    those that a generation without the request would leave after filtering, only that none is drawn in vain.

    Raises:
        UsageError: the count is not positive, or no group, or none that was named, can give what is requested.
        ModelNotFoundError: a space group has no model.
    """
    check_count(count)
    if not (math.isfinite(min_contact_ratio) and min_contact_ratio >= 0):
        raise UsageError(f"--min-contact-ratio must be a number from 0, got {min_contact_ratio}.")
    wanted = models.choose(space_groups)
    weights: dict[int, float] = {
        number: models.counts[number] if balance is Balance.TRAINING else 1 for number in wanted
    }
    if not request.is_empty:
        found = capacities(models, wanted, request, by_name=space_groups is not None, say=say)
        by_share = balance is Balance.TRAINING
        weights = {number: weights[number] * (found[number].share if by_share else 1) for number in found}
    counts = share_out(count, weights)
    if request.distinct:
        refuse_too_many(counts, found)
    return GenerationPlan(
        training_id=models.training_id,
        dataset_id=models.dataset_id,
        seed=seed,
        count=count,
        counts=counts,
        models={number: models.checksum(number) for number in counts},
        shard_size=shard_size,
        min_contact_ratio=min_contact_ratio,
        request=request,
    )


def load_plan(home: Home, generation_id: str) -> GenerationPlan:
    """The plan of an earlier generation, to continue it.

    Raises:
        GenerationError: there is none of that name.
    """
    known = {record.parent.name: record for record in sorted(home.generations.glob(f"*/{GENERATION_RECORD}"))}
    if generation_id not in known:
        raise GenerationError(
            f"No generation '{generation_id}' in {home.generations}: it has {', '.join(known) or 'none'}."
        )
    path = known[generation_id]
    plan = GenerationPlan.from_json(read_record(path, PLANNED))
    if plan.generation_id != generation_id:
        raise DamagedFileError(
            f"{path} is damaged: expected the plan of generation {generation_id}, got that of {plan.generation_id}. "
            "Restore it, or plan the generation anew."
        )
    return plan


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
    worker = ShardWorker(str(folder), plan.to_json(), models, timeout_s)
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
        yield from work_off(ShardWorker, (str(folder), plan.to_json(), models, timeout_s), missing)
    except PoolLostError as error:
        raise GenerationError(
            f"Ray gave up on generation {plan.generation_id}: {error} "
            "What is done is kept; the same command draws the rest."
        ) from error


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
    started = time.time()
    folder = home.generations / plan.generation_id
    with exclusive(folder, f"The generation {plan.generation_id}"):
        if not (folder / GENERATION_RECORD).is_file():
            write_json(
                folder / GENERATION_RECORD, plan.to_json() | {"created_at": utc_now(), "versions": installed_versions()}
            )
        _sweep(folder)
        manifest = ShardManifest(folder)
        shards = {shard.file: shard for shard in plan.shards()}
        committed = {line["file"]: line for line in manifest.records() if line["file"] in shards}
        keep = (lambda name: name not in again) if again else (lambda name: _is_whole(folder, committed[name]))
        lines = {name: line for name, line in committed.items() if keep(name)}
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
        _set_aside(folder, plan, failed)
        _refuse_other_bytes(plan, other)
    return GenerationSummary(
        generation_id=plan.generation_id,
        folder=folder,
        rows=_total(lines, "rows"),
        accepted=_total(lines, "accepted"),
        shards_written=len(lines) - kept,
        shards_kept=kept,
        seconds=time.time() - started,
    )


def _sweep(folder: Path) -> None:
    """Remove what killed processes left: before, and after, as their last workers may outlive a killed driver."""
    with storage_errors(folder):
        for left_over in folder.rglob(f"*{TEMPORARY_SUFFIX}"):
            left_over.unlink(missing_ok=True)
    shutil.rmtree(folder / ATTEMPTS_FOLDER, ignore_errors=True)


def _set_aside(folder: Path, plan: GenerationPlan, failed: dict[str, str]) -> None:
    """Note which shards could not be made, and why.

    Raises:
        GenerationError: there are some.
    """
    path = folder / QUARANTINE
    if not failed:
        with storage_errors(path):
            path.unlink(missing_ok=True)
        return
    try:
        write_json(path, failed)
    except StorageError as error:  # the disk may be why they failed: the reasons below matter more
        logger.warning("event=quarantine_not_written error=%r", str(error))
    name, reason = next(iter(failed.items()))
    raise GenerationError(
        f"{len(failed)} shards of generation {plan.generation_id} failed, the first of them {name}: {reason} "
        f"All reasons are in {path}. All others are kept; the same command tries these again."
    )


def _refuse_other_bytes(plan: GenerationPlan, files: list[str]) -> None:
    if files:
        raise GenerationError(
            f"{len(files)} shards of generation {plan.generation_id} were made again with other bytes than those of "
            f"the manifest, the first {files[0]}: by other versions, or on another device. They stay refused. "
            f"`platform generate --resume {plan.generation_id}` takes the new bytes."
        )


def _is_whole(folder: Path, line: dict[str, Any]) -> bool:
    """Whether a shard's file is what its manifest line says; a damaged or missing one is drawn again."""
    path = folder / line["file"]
    if path.is_file() and sha256_of_file(path) == line["sha256"]:
        return True
    logger.warning("event=shard_damaged file=%s: it is drawn again from its seed", path)
    return False


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
