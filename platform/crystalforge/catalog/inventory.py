"""What lies in a home: datasets, trainings and generations, read from what each committed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from crystalforge.catalog.shards import MANIFEST_NAME, ShardManifest
from crystalforge.catalog.verification import ExpectedFile
from crystalforge.errors import DamagedFileError
from crystalforge.files import path_within, read_json, storage_errors
from crystalforge.home import (
    DATASET_RECORD,
    GENERATION_RECORD,
    MATERIALS_FILE,
    MODEL_RECORD,
    TRAINING_RECORD,
    Home,
    group_folder_name,
)


@dataclass(frozen=True)
class CommittedDataset:
    """A dataset whose manifest was written, which is its commit."""

    REPAIR: ClassVar[str] = "Run the same `platform dataset build` again to make it anew."

    folder: Path
    manifest: dict[str, Any]

    @property
    def dataset_id(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def materials(self) -> Path:
        """Its table of crystals.

        Raises:
            DamagedFileError: a link stands in its place.
        """
        return path_within(self.folder, MATERIALS_FILE, source=self.folder)

    @property
    def sha256(self) -> str:
        """Checksum of the table, as noted in the manifest."""
        return str(self.manifest["checksum"])

    @property
    def bytes(self) -> int | None:
        """Size of the table on disk; None where it is missing."""
        return self.materials.stat().st_size if self.materials.is_file() else None

    def expected_file(self) -> ExpectedFile:
        """The table with what the manifest says of it."""
        schema = str(self.manifest.get("schema", "materials/1"))
        return ExpectedFile(self.materials, self.sha256, self.bytes, f"Dataset {self.dataset_id}", self.REPAIR, schema)


@dataclass(frozen=True)
class Generation:
    """A generation whose plan was written; its shards may still be coming."""

    folder: Path
    plan: dict[str, Any]

    @property
    def generation_id(self) -> str:
        """Name of the folder."""
        return self.folder.name


@dataclass(frozen=True)
class DatasetStatus:
    """One line of the list of datasets."""

    dataset_id: str
    created_at: str | None
    source: str | None
    crystals: int
    space_groups: int


@dataclass(frozen=True)
class TrainingStatus:
    """One line of the list of trainings."""

    training_id: str
    created_at: str | None
    dataset_id: str | None
    recipe: str | None
    groups_done: int
    groups_planned: int


@dataclass(frozen=True)
class GenerationStatus:
    """One line of the list of generations."""

    generation_id: str
    created_at: str | None
    training_id: str | None
    rows_done: int
    rows_planned: int
    accepted: int
    accepted_share: float | None
    """Accepted over done; None before the first shard."""


@dataclass(frozen=True)
class Inventory:
    """Everything in a home, oldest first."""

    home: str
    datasets: tuple[DatasetStatus, ...]
    trainings: tuple[TrainingStatus, ...]
    generations: tuple[GenerationStatus, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def take_inventory(home: Home) -> Inventory:
    """Read what a home holds; an absent home is an empty one.

    Raises:
        DamagedFileError: a manifest or plan does not parse or lacks what it must have.
    """
    return Inventory(
        home=str(home.path),
        datasets=tuple(_dataset_status(dataset) for dataset in committed_datasets(home)),
        trainings=tuple(_training_status(folder, plan) for folder, plan in _committed(home.trainings, TRAINING_RECORD)),
        generations=tuple(_generation_status(generation) for generation in committed_generations(home)),
    )


def committed_datasets(home: Home) -> list[CommittedDataset]:
    """Datasets, oldest first.

    Raises:
        DamagedFileError: a manifest does not parse or has no checksum.
    """
    datasets = [CommittedDataset(folder, manifest) for folder, manifest in _committed(home.datasets, DATASET_RECORD)]
    for dataset in datasets:
        _require(dataset.folder / DATASET_RECORD, dataset.manifest, "checksum")
    return datasets


def committed_generations(home: Home) -> list[Generation]:
    """Generations, in the order in which they were started.

    Raises:
        DamagedFileError: a plan does not parse, is of another folder, or is missing where shards were committed.
    """
    for folder in _folders(home.generations):
        if (folder / MANIFEST_NAME).exists() and not (folder / GENERATION_RECORD).exists():
            raise DamagedFileError(
                f"{folder / GENERATION_RECORD} is missing although {MANIFEST_NAME} names shards: expected the plan of "
                "the generation. Restore it, or move the folder out of the home."
            )
    generations = [Generation(folder, plan) for folder, plan in _committed(home.generations, GENERATION_RECORD)]
    for generation in generations:
        path = generation.folder / GENERATION_RECORD
        _require(path, generation.plan, "generation_id")
        if generation.plan["generation_id"] != generation.generation_id:
            raise DamagedFileError(
                f"{path} is of generation {generation.plan['generation_id']!r}: expected "
                f"{generation.generation_id!r}, the folder's name. Give the folder its own name back."
            )
    return generations


def _dataset_status(dataset: CommittedDataset) -> DatasetStatus:
    counts = dataset.manifest.get("counts") or {}
    return DatasetStatus(
        dataset_id=dataset.dataset_id,
        created_at=dataset.manifest.get("created_at"),
        source=dataset.manifest.get("source"),
        crystals=sum(counts.values()),
        space_groups=sum(1 for count in counts.values() if count),
    )


def _training_status(folder: Path, plan: dict[str, Any]) -> TrainingStatus:
    planned = plan.get("space_groups") or []
    done = [number for number in planned if (folder / group_folder_name(number) / MODEL_RECORD).is_file()]
    return TrainingStatus(
        training_id=folder.name,
        created_at=plan.get("created_at"),
        dataset_id=plan.get("dataset_id"),
        recipe=plan.get("recipe"),
        groups_done=len(done),
        groups_planned=len(planned),
    )


def _generation_status(generation: Generation) -> GenerationStatus:
    lines = ShardManifest(generation.folder).records()
    done = sum(line["rows"] for line in lines)
    accepted = sum(line.get("accepted", 0) for line in lines)
    return GenerationStatus(
        generation_id=generation.generation_id,
        created_at=generation.plan.get("created_at"),
        training_id=generation.plan.get("training_id"),
        rows_done=done,
        rows_planned=generation.plan.get("count", 0),
        accepted=accepted,
        accepted_share=accepted / done if done else None,
    )


def _committed(parent: Path, name: str) -> list[tuple[Path, dict[str, Any]]]:
    """Folders that hold the committing file, with its content, by time of creation; a link to one is refused."""
    found = []
    for folder in _folders(parent):
        path = folder / name
        if path.is_file():
            path_within(parent, folder.name, source=parent)
            content = read_json(path)
            if not isinstance(content, dict):
                raise DamagedFileError(f"{path} is damaged: expected a JSON object, got {type(content).__name__}.")
            found.append((folder, content))
    return sorted(found, key=lambda item: (str(item[1].get("created_at")), item[0].name))


def _folders(parent: Path) -> list[Path]:
    with storage_errors(parent):
        return [folder for folder in sorted(parent.iterdir()) if folder.is_dir()] if parent.is_dir() else []


def _require(path: Path, content: dict[str, Any], key: str) -> None:
    if key not in content:
        raise DamagedFileError(f"{path} is damaged: expected the key {key!r}, found {', '.join(content) or 'nothing'}.")
