"""The training of one space group as Ray Train runs it: load, train epoch by epoch, report, finish.

What a group leaves behind in its folder: Ray's checkpoints, ``progress.jsonl`` (a line for each epoch: the spool that
the driver reads), ``distributions.json``, and last ``model.json``, which commits the finished model.
"""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import ray
import ray.train
from pyarrow import parquet
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig

from crystalforge.dataset import split_materials, training_table
from crystalforge.errors import CrystalforgeError
from crystalforge.files import append_line, check_sha256, storage_errors, utc_now, write_json
from crystalforge.home import MODEL_RECORD, group_folder_name
from crystalforge.jobs.versions import refuse_here
from crystalforge.local_copies import local_copy
from crystalforge.object_store import arrow_files, as_path, on_store, store_path

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from crystalforge.gan.training import AnyTrainer

logger = logging.getLogger(__name__)

PROGRESS = "progress.jsonl"
DISTRIBUTIONS = "distributions.json"
SAMPLES_PER_EPOCH = 256
"""Size of the small sample whose validity is reported each epoch, and of its null."""
MAX_FAILURES = 3
EVALUATION_STREAM = 9


@dataclass(frozen=True)
class GroupJob:
    """Everything one trainer needs; plain values, so that it travels to any worker."""

    training_id: str
    training_folder: str
    dataset_id: str
    materials_path: str
    dataset_checksum: str
    space_group_number: int
    seed: int
    recipe: dict[str, Any]
    resources: dict[str, float]
    """Of the worker: ``CPU`` and, with one, ``GPU`` (may be a fraction)."""
    versions: dict[str, str]
    """That the worker must have; none on a Ray of one machine."""

    @property
    def name(self) -> str:
        """Name of the run within the training, and of its folder."""
        return group_folder_name(self.space_group_number)

    @property
    def folder(self) -> Path:
        """Where the group's files are."""
        return as_path(self.training_folder) / self.name


@ray.remote(num_cpus=0, max_retries=2)
def train_group(job: GroupJob) -> dict[str, Any]:
    """Run one ``TorchTrainer``; takes no CPU itself, its worker does. Returns the committed model record.

    The run's name and storage path are those of an interrupted run of the same configuration, so Ray Train continues
    from its last checkpoint.
    """
    from ray.train.torch import TorchTrainer

    from crystalforge.gan.checkpoint import open_checkpoint

    started = time.time()
    trainer = TorchTrainer(
        train_loop,
        train_loop_config=asdict(job),
        scaling_config=ScalingConfig(
            num_workers=1, use_gpu=job.resources.get("GPU", 0) > 0, resources_per_worker=job.resources
        ),
        run_config=RunConfig(
            name=job.name,
            **storage_of(as_path(job.training_folder)),
            failure_config=FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
        ),
    )
    result = trainer.fit()
    outcome: dict[str, Any] = result.return_value
    if "error" in outcome:
        return outcome
    name = PurePosixPath(result.checkpoint.path).name
    checkpoint = open_checkpoint(job.folder / name)
    record = {
        "space_group_number": job.space_group_number,
        "checkpoint": name,
        "model_checksum": checkpoint.model_checksum,
        **outcome,
        "seconds": {
            "start": round(outcome["loop_started_at"] - started, 2),
            "loop": round(outcome["loop_ended_at"] - outcome["loop_started_at"], 2),
            "end": round(time.time() - outcome["loop_ended_at"], 2),
        },
        "finished_at": utc_now(),
    }
    write_json(job.folder / MODEL_RECORD, record)
    return record


def storage_of(folder: Path) -> dict[str, Any]:
    """Where Ray Train keeps its checkpoints: a folder, or a place on a store with the file system that reaches it."""
    if not on_store(folder):
        return {"storage_path": str(folder)}
    return {"storage_path": store_path(folder).key, "storage_filesystem": arrow_files(store_path(folder))}


def train_loop(config: dict[str, Any]) -> dict[str, Any]:
    """What the Ray Train worker runs. An error of ours is returned: trying again would not change it."""
    started = time.time()
    job = GroupJob(**config)
    try:
        refuse_here(job.versions)
        outcome = _train(job)
    except CrystalforgeError as error:
        return {"error": str(error), "error_type": type(error).__name__}
    return {**outcome, "loop_started_at": started, "loop_ended_at": time.time()}


def _train(job: GroupJob) -> dict[str, Any]:
    import torch
    from ray.train.torch import get_device

    from crystalforge.gan.methods import method_of
    from crystalforge.gan.model import training_statistics
    from crystalforge.gan.recipe import recipe_from_values
    from crystalforge.generation.distributions import compare_distributions
    from crystalforge.generation.sampling import accepted_shares

    torch.set_num_threads(1)
    device = get_device()
    recipe = recipe_from_values(job.recipe, job.training_id)
    method = method_of(recipe).trainer
    materials = _materials(job)
    seen, aside = split_materials(materials, recipe.validation_share)
    table = training_table(seen, job.space_group_number)
    data = method.to_device(method.prepare(table, recipe, job.seed), device)
    statistics = training_statistics(table.atomic_numbers, seen["volume_per_atom"].to_numpy())
    trainer = _continued(device) or method.create(job.space_group_number, recipe, job.seed, device)
    while not trainer.finished:
        epoch_started, steps_before = time.time(), trainer.generator_steps
        terms = trainer.train_epoch(data)
        terms["crystals_per_second"] = (
            trainer.crystals_per_step * (trainer.generator_steps - steps_before) / (time.time() - epoch_started)
        )
        terms |= accepted_shares(trainer.model(statistics), SAMPLES_PER_EPOCH, evaluation_seed(job, trainer.epoch))
        _report(job, trainer, statistics, terms)
    distributions = compare_distributions(
        trainer.model(statistics), seen, SAMPLES_PER_EPOCH, evaluation_seed(job, trainer.epoch)
    )
    write_json(job.folder / DISTRIBUTIONS, distributions)
    return {"generator_steps": trainer.generator_steps, "n_materials": len(table), "n_validation": aside.num_rows}


def evaluation_seed(job: GroupJob, epoch: int) -> np.random.SeedSequence:
    """Seed of the small sample of one epoch."""
    return np.random.SeedSequence([job.seed, job.space_group_number, EVALUATION_STREAM, epoch])


def _materials(job: GroupJob) -> pa.Table:
    repair = "Run the same `platform dataset build` again to make it anew."
    path = local_copy(as_path(job.materials_path), job.dataset_checksum, repair)
    check_sha256(path, job.dataset_checksum, repair)
    return parquet.read_table(path, filters=[("space_group_number", "=", job.space_group_number)])


def _continued(device: torch.device) -> AnyTrainer | None:
    """The training as Ray Train's last checkpoint holds it, after an interruption or a failure."""
    from crystalforge.gan.checkpoint import load_trainer, open_checkpoint

    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return None
    with checkpoint.as_directory() as folder:
        return load_trainer(open_checkpoint(Path(folder)), device)


def _report(job: GroupJob, trainer: AnyTrainer, statistics: dict[str, Tensor], terms: dict[str, float]) -> None:
    """Note the epoch in the spool, then hand the checkpoint to Ray Train.

    A crash in between notes an epoch twice, which the reader of the spool sees; the other order would lose one.
    """
    from crystalforge.gan.checkpoint import save_checkpoint

    facts = {"training_id": job.training_id, "dataset_id": job.dataset_id, "dataset_checksum": job.dataset_checksum}
    line = {"epoch": trainer.epoch, "generator_steps": trainer.generator_steps, "time": time.time(), "terms": terms}
    append_line(job.folder / PROGRESS, line)
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder), trainer, statistics, facts)
        with storage_errors(job.folder):  # a full disk is an error of its own: to try again would not change it
            ray.train.report(terms, checkpoint=Checkpoint.from_directory(folder))
