"""``platform train-all``: one trainer for each space group, in parallel, tracked, continued by the same command."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import ray

from crystalforge.dataset import Dataset
from crystalforge.errors import TrainingError, UsageError
from crystalforge.files import fingerprint, read_record, utc_now, write_json
from crystalforge.gan.recipe import Recipe
from crystalforge.home import MATERIALS_FILE, MODEL_RECORD, TRAINING_RECORD, Home, group_folder_name
from crystalforge.jobs.cluster import Cluster, connected
from crystalforge.jobs.node_watch import NodeEvent, node_events
from crystalforge.jobs.resources import TrainerResources, fitting, plan_resources
from crystalforge.jobs.train_group import GroupJob, train_group
from crystalforge.jobs.training_log import TrainingLog
from crystalforge.locks import exclusive
from crystalforge.object_store import on_store
from crystalforge.symmetry import CrystalSystem, crystal_system_of
from crystalforge.tracking import tracking_uri

logger = logging.getLogger(__name__)

FREE_ANGLES = (CrystalSystem.TRICLINIC, CrystalSystem.MONOCLINIC)
POLL_SECONDS = 0.5
STORE_POLL_SECONDS = 10.0
"""Between two looks at the spools where each costs requests."""
MINIMUM_MATERIALS = 2
"""A space group of a single crystal teaches nothing but that crystal."""


class Progress(Protocol):
    """What a caller may show of a running training."""

    def __call__(self, space_group_number: int, generator_steps: int, terms: dict[str, float]) -> None:
        """An epoch of a space group ended."""


@dataclass(frozen=True)
class TrainingSummary:
    """What a ``train-all`` came to."""

    training_id: str
    folder: Path
    trained: list[dict[str, Any]]
    """Model records of this command."""
    already_trained: list[int]
    failed: dict[int, str]
    """Space group and error."""
    not_tracked: list[int]
    """Space groups that the store of the runs has not taken whole; the same command offers them again."""
    tracking_uri: str
    """Of the store of the runs, without a password."""
    seconds: float
    nodes: list[NodeEvent] = field(default_factory=list)
    """Of the cluster, that joined or were lost meanwhile."""

    def raise_if_failed(self) -> None:
        """Make an error of the space groups that failed.

        Raises:
            TrainingError: names them with their reasons.
        """
        if self.failed:
            reasons = "\n".join(f"  {number}: {reason}" for number, reason in sorted(self.failed.items()))
            raise TrainingError(
                f"{len(self.failed)} space groups failed; run the same command to repeat only them:\n{reasons}"
            )


def training_id_of(recipe: Recipe, dataset: Dataset, seed: int) -> str:
    """Name of a training: a hash of its configuration, so that a new configuration never continues an old run."""
    configuration = {"recipe": recipe.model_dump(), "dataset": dataset.checksum, "seed": seed}
    return f"{recipe.name}-{fingerprint(configuration)}"


@dataclass(frozen=True)
class TrainingPlan:
    """What a ``train-all`` is about: nothing of it is written yet."""

    training_id: str
    folder: Path
    wanted: list[int]
    """Space groups, the one with most crystals first."""

    def trained(self) -> list[int]:
        """Those that have a finished model now."""
        return [number for number in self.wanted if (self.folder / group_folder_name(number) / MODEL_RECORD).is_file()]


def plan_training(
    home: Home, dataset: Dataset, recipe: Recipe, *, seed: int = 0, space_groups: Sequence[int] | None = None
) -> TrainingPlan:
    """Which training a configuration is, and of which space groups; arguments as of ``train_all``.

    Raises:
        UsageError: a group has too few crystals in the dataset.
    """
    wanted = _wanted_groups(dataset, space_groups)
    training_id = training_id_of(recipe, dataset, seed)
    return TrainingPlan(training_id, home.trainings / training_id, wanted)


def train_all(
    home: Home,
    dataset: Dataset,
    recipe: Recipe,
    *,
    seed: int = 0,
    space_groups: Sequence[int] | None = None,
    resources: TrainerResources | None = None,
    progress: Progress | None = None,
    on_start: Callable[[str, list[int], list[int]], None] | None = None,
) -> TrainingSummary:
    """Train a model for each space group; what is trained already stays.

    Args:
        home: where the training is kept.
        dataset: the real crystals.
        recipe: every choice of model and training.
        seed: decides first weights, augmentation and draws.
        space_groups: which groups; all that the dataset holds by default.
        resources: of each trainer's worker; by default what the cluster has, shared.
        progress: called after each epoch of each group.
        on_start: called once with the training's id, the groups to train and those already trained.

    Raises:
        UsageError: a group has too few crystals in the dataset.
        BusyError: another command is training the same configuration.
    """
    started, began_at = time.time(), utc_now()
    tracking_uri(home)  # a home that cannot have a store of its own is refused before any work
    plan = plan_training(home, dataset, recipe, seed=seed, space_groups=space_groups)
    training_id, folder = plan.training_id, plan.folder
    with exclusive(folder, f"The training {training_id}"):
        if not (folder / TRAINING_RECORD).is_file():
            write_json(folder / TRAINING_RECORD, training_record(training_id, recipe, dataset, seed))
        done = plan.trained()
        missing = [number for number in plan.wanted if number not in done]
        if on_start:
            on_start(training_id, missing, done)
        log = TrainingLog(home, folder, training_id, progress)
        trained: list[dict[str, Any]] = []
        failed: dict[int, str] = {}
        unsettled = log.unsettled(done)
        if missing or unsettled or not log.is_closed:
            with log.opened(recipe, dataset, seed, missing + unsettled):
                for number in unsettled:
                    log.settle(number)
                if missing:
                    trained, failed = _train_missing(
                        folder, training_id, dataset, recipe, seed, missing, resources, log
                    )
    return TrainingSummary(
        training_id,
        folder,
        trained,
        done,
        failed,
        sorted(log.ended),
        log.tracker.shown_uri,
        time.time() - started,
        node_events(folder, began_at),
    )


def _wanted_groups(dataset: Dataset, space_groups: Sequence[int] | None) -> list[int]:
    counts = dataset.manifest.counts
    wanted = list(dict.fromkeys(space_groups)) if space_groups else sorted(counts)
    free_angles = [number for number in wanted if crystal_system_of(number) in FREE_ANGLES]
    if free_angles:
        raise UsageError(
            f"Space groups {free_angles} are triclinic or monoclinic: expected groups whose cell angles are fixed, as "
            "the model draws lengths only. Choose others with --space-groups."
        )
    poor = {number: counts.get(number, 0) for number in wanted if counts.get(number, 0) < MINIMUM_MATERIALS}
    if poor and (space_groups or len(poor) == len(wanted)):
        have = ", ".join(f"{number} ({n})" for number, n in sorted(counts.items()))
        lacking = ", ".join(f"{number} has {n}" for number, n in poor.items())
        raise UsageError(
            f"Cannot train on dataset {dataset.dataset_id}: expected at least {MINIMUM_MATERIALS} crystals of each "
            f"space group, but {lacking}. It holds {have}. Leave these groups out of --space-groups or build a dataset "
            "that has them."
        )
    for number, n in poor.items():
        logger.warning("event=space_group_skipped space_group_number=%d crystals=%d", number, n)
    # Longest first, so that the last one running is a short one.
    return sorted((number for number in wanted if number not in poor), key=lambda number: (-counts[number], number))


def training_record(training_id: str, recipe: Recipe, dataset: Dataset, seed: int) -> dict[str, Any]:
    """What decides a training, noted before it begins; its space groups are all that the dataset has crystals for."""
    return {
        "training_id": training_id,
        "recipe": recipe.name,
        "recipe_values": recipe.model_dump(),
        "dataset_id": dataset.dataset_id,
        "dataset_checksum": dataset.checksum,
        "seed": seed,
        "generator_steps": recipe.total_steps,
        "space_groups": sorted(n for n, count in dataset.manifest.counts.items() if count >= MINIMUM_MATERIALS),
        "counts": {str(number): n for number, n in sorted(dataset.manifest.counts.items())},
        "created_at": utc_now(),
    }


def _train_missing(
    folder: Path,
    training_id: str,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    missing: list[int],
    resources: TrainerResources | None,
    log: TrainingLog,
) -> tuple[list[dict[str, Any]], dict[int, str]]:
    trained: list[dict[str, Any]] = []
    failed: dict[int, str] = {}
    with connected(folder=folder) as cluster:
        share = plan_resources(cluster.room(), len(missing), resources)
        pause, next_poll = (STORE_POLL_SECONDS if on_store(folder) else 0.0), 0.0
        waiting = [
            GroupJob(
                training_id=training_id,
                training_folder=str(folder),
                dataset_id=dataset.dataset_id,
                materials_path=str(dataset.path / MATERIALS_FILE),
                dataset_checksum=dataset.checksum,
                space_group_number=number,
                seed=seed,
                recipe=recipe.model_dump(),
                resources=share.worker,
                versions=dict(cluster.versions),
            )
            for number in missing
        ]
        running: dict[Any, int] = {}
        while waiting or running:
            _start_some(cluster, share.worker, waiting, running)
            ended, _ = ray.wait(list(running), timeout=POLL_SECONDS)
            if time.monotonic() >= next_poll:
                log.poll()
                next_poll = time.monotonic() + pause
            for reference in ended:
                number = running.pop(reference)
                record = _outcome(reference, number)
                if "error" in record:
                    failed[number] = record["error"]
                else:
                    trained.append(record)
                log.group_ended(number, record)
    return trained, failed


def _start_some(cluster: Cluster, worker: dict[str, float], waiting: list[GroupJob], running: dict[Any, int]) -> None:
    """Start as many trainers as there is room for now, as nodes come and go; one at least, which waits for a node."""
    room = max(1, fitting(cluster.room(), worker)) - len(running)
    for _ in range(min(room, len(waiting))):
        job = waiting.pop(0)
        running[train_group.options(**cluster.off_the_head()).remote(job)] = job.space_group_number


def _outcome(reference: Any, number: int) -> dict[str, Any]:
    """A group's model record, or its error: one failing group does not end the others."""
    try:
        record: dict[str, Any] = ray.get(reference)
    except ray.exceptions.RayError as error:
        cause = str(error.cause if isinstance(error, ray.exceptions.RayTaskError) else error).strip()
        logger.warning("event=space_group_failed space_group_number=%d error=%r", number, cause)
        return {"error": cause.splitlines()[-1] if cause else repr(error)}
    return record


def read_training_record(folder: Path) -> dict[str, Any]:
    """The record of a training folder.

    Raises:
        TrainingError: the folder holds none.
    """
    path = folder / TRAINING_RECORD
    if not path.is_file():
        raise TrainingError(f"{folder} is no training: expected {TRAINING_RECORD} in it.")
    return read_record(path, ("training_id", "recipe", "dataset_id", "space_groups", "counts"))
