"""What rows were made from: the records of generations, trainings, datasets and screenings, in a few words each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from crystalforge.catalog.inventory import committed_datasets, committed_generations
from crystalforge.errors import CrystalforgeError
from crystalforge.files import path_within, read_json
from crystalforge.home import SCREENING_RECORD, TRAINING_RECORD, Home

GENERATION_KEYS = ("generation_id", "training_id", "dataset_id", "seed", "count", "request", "created_at", "versions")
TRAINING_KEYS = ("recipe", "dataset_id", "seed", "created_at")
DATASET_KEYS = ("source", "licence", "attribution", "checksum", "created_at")
SCREENING_KEYS = ("source", "potential", "potential_version", "limits", "created_at", "versions")


def generation_records(home: Home, wanted: Collection[str]) -> list[dict[str, Any]]:
    """What was asked of generations, in the order in which they were started.

    Raises:
        DamagedFileError: a plan is damaged.
    """
    return [
        {key: generation.plan[key] for key in GENERATION_KEYS if key in generation.plan}
        for generation in committed_generations(home)
        if generation.generation_id in wanted
    ]


def training_record(home: Home, training_id: str) -> dict[str, Any]:
    """Recipe, dataset and seed of a training; only its name where its record is gone or damaged."""
    return {"training_id": training_id, **_record(home.trainings, training_id, TRAINING_RECORD, TRAINING_KEYS)}


def dataset_records(home: Home, wanted: Sequence[str]) -> list[dict[str, Any]]:
    """Source, licence and attribution of datasets; of one that is gone only its name.

    Raises:
        DamagedFileError: a manifest is damaged.
    """
    known = {dataset.dataset_id: dataset.manifest for dataset in committed_datasets(home)}
    return [
        {"dataset_id": name, "found": name in known, **{key: known.get(name, {}).get(key) for key in DATASET_KEYS}}
        for name in wanted
    ]


def screening_record(home: Home, screening_id: str) -> dict[str, Any]:
    """Potential and limits of a screening; only its name where its record is gone or damaged."""
    return {"screening_id": screening_id, **_record(home.screenings, screening_id, SCREENING_RECORD, SCREENING_KEYS)}


def _record(folder: Path, name: str, file: str, keys: Sequence[str]) -> dict[str, Any]:
    """Some of what a record says; that none was found where it is gone or damaged, or the name leads elsewhere."""
    try:
        path = path_within(folder, name, source=folder) / file
        record = read_json(path) if path.is_file() else {}
    except CrystalforgeError:
        record = {}
    known = {key: record.get(key) for key in keys} if isinstance(record, dict) else {}
    return {"record_found": bool(record), **known}
