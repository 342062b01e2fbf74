"""Trainings: what each model record names is there and is what it says. Nothing of a checkpoint is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from crystalforge.errors import CrystalforgeError, DamagedFileError
from crystalforge.files import check_sha256, path_within, read_record
from crystalforge.home import MODEL_RECORD, TRAINING_RECORD, group_folder_name
from crystalforge.integrity.findings import Kind, Report

CHECKPOINT_RECORD = "checkpoint.json"
MODEL_FILE = "model.safetensors"


def verify_training(report: Report, folder: Path) -> None:
    """Check the record of a training and every model that it committed."""
    try:
        record = read_record(folder / TRAINING_RECORD, ("training_id", "space_groups"))
    except CrystalforgeError as error:
        report.add(Kind.RECORD, folder / TRAINING_RECORD, str(error))
        return
    report.counts["trainings"] += 1
    if record["training_id"] != folder.name:
        found = f"Expected the record of {folder.name!r}, found that of {record['training_id']!r}."
        report.add(Kind.RECORD, folder / TRAINING_RECORD, found)
    for number in record["space_groups"]:
        group = folder / group_folder_name(number)
        if (group / MODEL_RECORD).exists():
            _verify_model(report, group)


def _verify_model(report: Report, group: Path) -> None:
    repair = f"Remove the folder {group} and run the same `platform train-all` again to make its model anew."
    try:
        model = read_record(group / MODEL_RECORD, ("checkpoint", "model_checksum"))
        checkpoint = path_within(group, str(model["checkpoint"]), source=group / MODEL_RECORD)
        checksums = _checksums(checkpoint / CHECKPOINT_RECORD)
    except CrystalforgeError as error:
        report.add(Kind.RECORD, group / MODEL_RECORD, f"{error} {repair}")
        return
    report.counts["models"] += 1
    if checksums.get(MODEL_FILE) != model["model_checksum"]:
        found = f"Expected the checkpoint of model {model['model_checksum'][:12]}…, found that of another. {repair}"
        report.add(Kind.RECORD, group / MODEL_RECORD, found)
    for name, checksum in checksums.items():
        try:
            path = path_within(checkpoint, name, source=checkpoint / CHECKPOINT_RECORD)
            check_sha256(path, checksum, repair)
        except DamagedFileError as error:
            kind = Kind.DAMAGED if (checkpoint / name).is_file() else Kind.MISSING
            report.add(kind, checkpoint / name, str(error))


def _checksums(path: Path) -> Mapping[str, str]:
    """SHA-256 of each file of a checkpoint, by its name."""
    found = read_record(path, ("sha256",))["sha256"]
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise DamagedFileError(f"{path} is damaged: expected checksums by file name under 'sha256', got {found!r}.")
    return found
