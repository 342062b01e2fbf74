"""Which models a training has, and which training to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystalforge.errors import ModelNotFoundError
from crystalforge.files import path_within, read_record
from crystalforge.home import MODEL_RECORD, TRAINING_RECORD, Home, group_folder_name
from crystalforge.jobs.train_all import read_training_record
from crystalforge.suggestions import did_you_mean

BASELINES = ("donor", "swap")
"""Recipes that are fitted to stand beside a model; they are drawn from only when asked for by name."""


@dataclass(frozen=True)
class TrainedModels:
    """The finished models of one training."""

    training_id: str
    recipe: str
    """Name of its recipe."""
    dataset_id: str
    folder: Path
    counts: dict[int, int]
    """Crystals of each space group that the training's dataset has enough of."""
    records: dict[int, dict[str, Any]]
    """Model record of each finished space group."""

    def checkpoint_folder(self, space_group_number: int) -> Path:
        """Where a space group's model lies.

        Raises:
            DamagedFileError: its record names a folder outside the space group's.
        """
        group = self.folder / group_folder_name(space_group_number)
        name = str(self.records[space_group_number]["checkpoint"])
        return path_within(group, name, source=group / MODEL_RECORD)

    def checksum(self, space_group_number: int) -> str:
        """SHA-256 of a space group's model."""
        return str(self.records[space_group_number]["model_checksum"])

    def choose(self, space_groups: Sequence[int] | None) -> list[int]:
        """The groups asked for, or all of the training.

        Raises:
            ModelNotFoundError: one of them has no finished model.
        """
        wanted = list(dict.fromkeys(space_groups)) if space_groups else sorted(self.counts)
        missing = [number for number in wanted if number not in self.records]
        if missing:
            have = ", ".join(str(number) for number in sorted(self.records)) or "none"
            raise ModelNotFoundError(
                f"Training {self.training_id} has no finished model for space group "
                f"{', '.join(str(number) for number in missing)}; it has {have}. Run the same `platform train-all` "
                "again to train what is missing, or choose with --space-groups."
            )
        return wanted


def known_models(home: Home) -> list[TrainedModels]:
    """All trainings of the home folder, by identifier."""
    return [_read(record.parent) for record in sorted(home.trainings.glob(f"*/{TRAINING_RECORD}"))]


def find_models(home: Home, training_id: str | None = None, *, recipe: str | None = None) -> TrainedModels:
    """The models of a training; of the newest that has any by default.

    Args:
        home: where the trainings are.
        training_id: which.
        recipe: name of a recipe, to take the newest of; by default of any that is no baseline, if there is one.

    Raises:
        ModelNotFoundError: no such training, or none with a finished model.
    """
    found = known_models(home)
    known = [models.training_id for models in found]
    if training_id is not None:
        found = [models for models in found if models.training_id == training_id]
        if not found:
            raise ModelNotFoundError(
                f"No training '{training_id}' in {home.trainings}: it has {', '.join(known) or 'none'}."
                f"{did_you_mean(training_id, known)}"
            )
        return found[0]
    finished = [models for models in found if models.records and recipe in (None, models.recipe)]
    if not finished:
        raise ModelNotFoundError(f"No trained model in {home.trainings}. Run `platform train-all` first.")
    if recipe is None:
        # A baseline that was fitted for comparison must not take the place of the model that was trained.
        finished = [models for models in finished if models.recipe not in BASELINES] or finished
    return max(finished, key=lambda models: max(record["finished_at"] for record in models.records.values()))


def _read(folder: Path) -> TrainedModels:
    path_within(folder.parent, folder.name, source=folder.parent)
    record = read_training_record(folder)
    counts = {number: record["counts"][str(number)] for number in record["space_groups"]}
    records = {}
    for number in counts:
        path = folder / group_folder_name(number) / MODEL_RECORD
        if path.is_file():
            records[number] = read_record(path, ("checkpoint", "model_checksum", "finished_at"))
    return TrainedModels(record["training_id"], record["recipe"], record["dataset_id"], folder, counts, records)
