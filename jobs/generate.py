"""``platform generate``: shards over a pool of workers that hold the models, each shard committed by a manifest line.

Ray Data carries shard descriptors to the workers and manifest lines back; the rows themselves go from the worker to its
own file. (Ray Data's own Parquet writer doubles the rows of a second run and leaves truncated files under final names.)
"""

from __future__ import annotations

import logging
import math
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any

import ray
import ray.data

from crystalforge.catalog.shards import ShardManifest, write_shard
from crystalforge.errors import CrystalforgeError, DamagedFileError, GenerationError, ModelNotFoundError, UsageError
from crystalforge.files import (
    TEMPORARY_SUFFIX,
    exclusive,
    path_within,
    read_record,
    sha256_of_file,
    storage_errors,
    utc_now,
    write_json,
)
from crystalforge.gan.request import Capacity, Request
from crystalforge.generation.plan import Balance, GenerationPlan, Shard, check_count, share_out
from crystalforge.home import GENERATION_RECORD, Home
from crystalforge.jobs.cluster import connected
from crystalforge.jobs.requests import capacities, refuse_too_many
from crystalforge.jobs.resources import gpu_share
from crystalforge.jobs.trained_models import TrainedModels, find_models

logger = logging.getLogger(__name__)

NOTHING_ASKED = Request()
UNLIMITED = Capacity(share=1.0, n_compositions=sys.maxsize)
"""Of a model of which nothing is asked."""
PLANNED = tuple(field.name for field in fields(GenerationPlan) if field.name != "request")
"""What every plan's record has; a plan without request asks for nothing."""

MAX_ATTEMPTS = 3
WORKER_CPUS = 0.5
"""Of each worker: a pool that takes every CPU starves Ray Data's own readers and hangs."""


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


def generate(
    home: Home,
    plan: GenerationPlan,
    *,
    progress: Callable[[int, int, int], None] | None = None,
    again: Mapping[str, Collection[str]] | None = None,
) -> GenerationSummary:
    """Draw what is missing of a plan; interrupted anywhere, the same call continues and ends with the same bytes.

    Args:
        home: where the models are and the generation is kept.
        plan: everything that decides the bytes.
        progress: called with samples done, samples in all, and accepted so far.
        again: files of shards to draw again, and no others, with the SHA-256 that each may have; none for any.

    Raises:
        BusyError: another command is drawing the same generation.
        GenerationError: a shard could not be made, or was made again with other bytes.
    """
    started = time.time()
    folder = home.generations / plan.generation_id
    with exclusive(folder, f"The generation {plan.generation_id}"):
        if not (folder / GENERATION_RECORD).is_file():
            write_json(folder / GENERATION_RECORD, plan.to_json() | {"created_at": utc_now(), "versions": _versions()})
        for left_over in folder.rglob(f"*{TEMPORARY_SUFFIX}"):  # of a process that was killed
            left_over.unlink(missing_ok=True)
        manifest = ShardManifest(folder)
        shards = {shard.file: shard for shard in plan.shards()}
        committed = {line["file"]: line for line in manifest.records() if line["file"] in shards}
        keep = (lambda name: name not in again) if again else (lambda name: _is_whole(folder, committed[name]))
        lines = {name: line for name, line in committed.items() if keep(name)}
        kept = len(lines)
        missing = [shard for name, shard in shards.items() if name not in lines and (not again or name in again)]
        if missing:
            shutil.rmtree(folder / ".attempts", ignore_errors=True)
            models = _models_of(home, plan)
            rows, accepted = _total(lines, "rows"), _total(lines, "accepted")
            other: list[str] = []
            for line in _draw_all(folder, plan, models, missing):
                if again and again[line["file"]] and line["sha256"] not in again[line["file"]]:
                    other.append(line["file"])
                    continue
                manifest.append(line)
                lines[line["file"]] = line
                rows, accepted = rows + line["rows"], accepted + line["accepted"]
                if progress:
                    progress(rows, plan.count, accepted)
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


def _refuse_other_bytes(plan: GenerationPlan, files: list[str]) -> None:
    if files:
        raise GenerationError(
            f"{len(files)} shards of generation {plan.generation_id} were made again with other bytes than those of "
            f"the manifest, the first {files[0]}: by other versions, or on another device. They stay refused. "
            f"`platform generate --resume {plan.generation_id}` takes the new bytes."
        )


def _versions() -> dict[str, str]:
    """What the bytes depend on besides the plan."""
    return {name: metadata.version(name) for name in ("crystalforge", "torch", "numpy", "pyarrow", "moyopy")}


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


def _draw_all(
    folder: Path, plan: GenerationPlan, models: dict[int, str], missing: list[Shard]
) -> Iterator[dict[str, Any]]:
    """Yield a manifest line for each shard as it is written."""
    with connected():
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        cluster = ray.cluster_resources()
        n_workers = max(1, min(int(cluster.get("CPU", 1)), len(missing)))
        shards = ray.data.from_items([asdict(shard) for shard in missing], override_num_blocks=len(missing))
        lines = shards.map(
            ShardWorker,
            fn_constructor_args=(str(folder), plan.to_json(), models),
            compute=ray.data.ActorPoolStrategy(size=n_workers),
            num_cpus=WORKER_CPUS,
            num_gpus=gpu_share(cluster.get("GPU", 0), n_workers) or None,
        )
        failed = []
        try:
            for line in lines.iter_rows():
                if line["error"]:
                    failed.append(line)
                else:
                    yield {key: value for key, value in line.items() if key != "error"}
        except ray.exceptions.RayError as error:
            raise GenerationError(
                f"Ray gave up on generation {plan.generation_id}: {str(error).strip().splitlines()[-1]} "
                "What is done is kept; the same command draws the rest."
            ) from error
    if failed:
        raise GenerationError(
            f"{len(failed)} shards of generation {plan.generation_id} failed, the first of them {failed[0]['file']}: "
            f"{failed[0]['error']} All others are kept; the same command tries these again."
        )


class ShardWorker:
    """Draws shards in a worker process; keeps the models it has loaded."""

    def __init__(self, folder: str, plan: dict[str, Any], models: dict[int, str]) -> None:
        import torch

        torch.set_num_threads(1)
        self.folder = Path(folder)
        self.plan = GenerationPlan.from_json(plan)
        self.checkpoints = models
        self.models: dict[int, Any] = {}
        self.device = "cuda" if torch.cuda.is_available() else "cpu"

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Draw and write one shard; an error of ours comes back in the line, so that Ray does not try again."""
        shard = Shard(**row)
        try:
            self._note_attempt(shard)
            return {**self._write(shard), "error": ""}
        except CrystalforgeError as error:
            nothing = {"rows": 0, "accepted": 0, "sha256": "", "bytes": 0, "schema": ""}
            return {**_line(shard), **nothing, "error": str(error)}

    def _note_attempt(self, shard: Shard) -> None:
        """Count how often a shard was begun: Ray restarts a worker that its shard kills without end."""
        attempts = attempts_file(self.folder, shard)
        with storage_errors(attempts):
            attempts.parent.mkdir(parents=True, exist_ok=True)
            with attempts.open("ab") as stream:
                stream.write(b".")
                n_attempts = stream.tell()
        if n_attempts > MAX_ATTEMPTS:
            raise GenerationError(f"its worker died {MAX_ATTEMPTS} times while drawing it.")

    def _write(self, shard: Shard) -> dict[str, Any]:
        from crystalforge.generation.sampling import sample_shard

        table = sample_shard(self._model(shard.space_group_number), self.plan, shard)
        record = write_shard(self.folder, shard.file, table)
        attempts_file(self.folder, shard).unlink(missing_ok=True)
        accepted = table["reject_reason"].null_count
        return {**_line(shard), **vars(record), "accepted": accepted}

    def _model(self, space_group_number: int) -> Any:
        from crystalforge.gan.checkpoint import load_model

        if space_group_number not in self.models:
            self.models[space_group_number] = load_model(Path(self.checkpoints[space_group_number]), self.device)
        return self.models[space_group_number]


def attempts_file(folder: Path, shard: Shard) -> Path:
    """One byte for each time that a shard was begun; gone when it is written."""
    return path_within(folder, f".attempts/{shard.space_group_number}-{shard.number}", source=folder)


def _line(shard: Shard) -> dict[str, Any]:
    return {"space_group_number": shard.space_group_number, "shard": shard.number, "file": shard.file}
