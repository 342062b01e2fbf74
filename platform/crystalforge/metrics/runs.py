"""Figures of the datasets, trainings, generations and screenings of a home."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from crystalforge.catalog.bundles import SHARDS, is_bundle
from crystalforge.catalog.inventory import committed_datasets, committed_generations
from crystalforge.catalog.shards import MANIFEST_NAME, ShardManifest
from crystalforge.files import read_lines, read_record
from crystalforge.generation.quarantine import read_quarantine
from crystalforge.home import MODEL_RECORD, SCREENING_RECORD, TRAINING_RECORD, Home, group_folder_name
from crystalforge.locks import held_by
from crystalforge.metrics.families import Figures
from crystalforge.schemas.samples import SampleStatus

PROGRESS = "progress.jsonl"
"""The spool of a space group: a line for each epoch."""
TERMS = {
    "accepted_share": "training_accepted_share",
    "accepted_share_null": "training_accepted_share_null",
    "crystals_per_second": "training_crystals_per_second",
}
"""Terms of an epoch that are exported; all of them are in MLflow."""
T = TypeVar("T")


@dataclass
class Unchanged:
    """What was read of files that only grow, so that a finished run costs one look at its file, not its content."""

    known: dict[Path, tuple[tuple[int, int, int], Any]] = field(default_factory=dict)

    def of(self, path: Path, read: Callable[[], T]) -> T:
        """What ``read`` gives, or gave when the file had the same size, time and inode."""
        status = path.stat()
        now = (status.st_ino, status.st_size, status.st_mtime_ns)
        if self.known.get(path, (None,))[0] != now:
            self.known[path] = (now, read())
        value: T = self.known[path][1]
        return value


def read_datasets(home: Home, figures: Figures) -> None:
    """Real crystals by space group."""
    for dataset in committed_datasets(home):
        for number, count in (dataset.manifest.get("counts") or {}).items():
            figures.add("dataset_crystals", count, dataset.dataset_id, number)


def read_training(folder: Path, figures: Figures, unchanged: Unchanged) -> None:
    """How far the space groups of one training are.

    Raises:
        DamagedFileError: its record or a spool is damaged.
    """
    record = read_record(folder / TRAINING_RECORD, ("training_id", "space_groups"))
    training_id, groups = folder.name, record["space_groups"]
    figures.add("training_running", held_by(folder) is not None, training_id)
    models = sum((folder / group_folder_name(number) / MODEL_RECORD).is_file() for number in groups)
    figures.add("training_models", models, training_id)
    figures.add("training_models_planned", len(groups), training_id)
    if "generator_steps" in record:
        figures.add("training_generator_steps_planned", record["generator_steps"], training_id)
    for number in groups:
        spool = folder / group_folder_name(number) / PROGRESS
        last = unchanged.of(spool, partial(_last_line, spool)) if spool.is_file() else None
        if last is None:
            continue
        figures.add("training_generator_steps", last["generator_steps"], training_id, number)
        figures.add("training_last_epoch_timestamp_seconds", last["time"], training_id, number)
        for term, name in TERMS.items():
            if term in last["terms"]:
                figures.add(name, last["terms"][term], training_id, number)


def _last_line(spool: Path) -> Any:
    """None of a spool without a whole line."""
    return (read_lines(spool) or [None])[-1]


@dataclass(frozen=True)
class Drawn:
    """What the manifest of a generation sums up to."""

    rows: Counter[str]
    """By space group."""
    accepted: Counter[str]
    shards: int
    """Also those that went into a bundle."""
    seconds: float
    bytes: int

    @classmethod
    def of(cls, lines: list[dict[str, Any]]) -> Drawn:
        """Sum the lines up."""
        rows, accepted = Counter[str](), Counter[str]()
        for line in lines:
            rows[str(line["space_group_number"])] += line["rows"]
            accepted[str(line["space_group_number"])] += line["accepted"]
        seconds = sum(line.get("seconds", 0.0) for line in lines)
        shards = sum(len(line[SHARDS]) if is_bundle(line) else 1 for line in lines)
        return cls(rows, accepted, shards, seconds, sum(line["bytes"] for line in lines))


def read_generation(folder: Path, plan: dict[str, Any], figures: Figures, unchanged: Unchanged) -> None:
    """Samples of one generation; a space group without any has 0, so that its rate is known from the first on.

    Raises:
        DamagedFileError: its manifest is damaged.
    """
    manifest, names = ShardManifest(folder), (folder.name, plan.get("training_id", ""))
    there = (folder / MANIFEST_NAME).is_file()
    drawn = unchanged.of(folder / MANIFEST_NAME, lambda: Drawn.of(manifest.records())) if there else Drawn.of([])
    figures.add("generation_running", held_by(folder) is not None, *names)
    figures.add("samples_planned", plan.get("count", 0), *names)
    figures.add("shards", drawn.shards, *names)
    figures.add("shards_quarantined", len(read_quarantine(folder)), *names)
    figures.add("shard_seconds", drawn.seconds, *names)
    figures.add("generation_bytes", drawn.bytes, *names)
    for number in sorted({*plan.get("counts", {}), *drawn.rows}, key=int):
        accepted = drawn.accepted[number]
        figures.add("samples", accepted, *names, number, SampleStatus.ACCEPTED)
        figures.add("samples", drawn.rows[number] - accepted, *names, number, SampleStatus.REJECTED)


def read_generations(home: Home) -> list[tuple[Path, dict[str, Any]]]:
    """Folders and plans of the generations."""
    return [(generation.folder, generation.plan) for generation in committed_generations(home)]


def read_screening(folder: Path, figures: Figures, unchanged: Unchanged) -> None:
    """Crystals of one screening.

    Raises:
        DamagedFileError: its plan or manifest is damaged.
    """
    plan = read_record(folder / SCREENING_RECORD, ("screening_id", "count", "potential"))
    names = (folder.name, plan["potential"])
    there = (folder / MANIFEST_NAME).is_file()
    done = unchanged.of(folder / MANIFEST_NAME, lambda: _relaxed(ShardManifest(folder))) if there else 0
    figures.add("screening_running", held_by(folder) is not None, *names)
    figures.add("relaxations", done, *names)
    figures.add("relaxations_planned", plan["count"], *names)


def _relaxed(manifest: ShardManifest) -> int:
    """Rows of the shards of relaxations; the manifest names stabilities and other tables too."""
    return sum(line["rows"] for line in manifest.records() if line.get("schema", "").startswith("relaxations/"))
