"""Checkpoints: weights and optimiser states as safetensors, and a record with their checksums that is written last.

Nothing is unpickled, so a foreign file can be refused but cannot run code.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crystalforge.errors import DamagedFileError
from crystalforge.files import (
    check_sha256,
    fingerprint,
    read_record,
    sha256_of_file,
    storage_errors,
    write_atomically,
    write_bytes,
    write_json,
)
from crystalforge.gan.methods import method_of
from crystalforge.gan.model import Model
from crystalforge.gan.recipe import Recipe, recipe_from_values
from crystalforge.gan.tensors import prefixed, without_prefix
from crystalforge.gan.training import AnyTrainer
from crystalforge.local_copies import local_copy
from crystalforge.object_store import on_store

FORMAT_VERSION = 2
RECORD = "checkpoint.json"
MODEL = "model.safetensors"
"""What sampling needs: the method's own tensors and the statistics of the training crystals."""
STATISTICS = "statistics"
RECIPE_KEY = "recipe"
STATE = "training.safetensors"
"""What only a continued training needs, as critic and optimisers."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's record, read and checked."""

    folder: Path
    record: dict[str, Any]
    recipe: Recipe

    @property
    def space_group_number(self) -> int:
        """Space group of the model."""
        return int(self.record["space_group_number"])

    @property
    def model_checksum(self) -> str:
        """SHA-256 of ``model.safetensors``."""
        return str(self.record["sha256"][MODEL])


def save_checkpoint(
    folder: Path, trainer: AnyTrainer, statistics: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> str:
    """Write a checkpoint; its record comes last and commits it.

    Args:
        folder: where to write; made if missing.
        trainer: what is trained and how far it has come.
        statistics: of the training crystals, kept with the model.
        facts: what else the record says (dataset, training, metrics); values of JSON.

    Returns:
        SHA-256 of the model file.
    """
    model = trainer.model_tensors() | prefixed(STATISTICS, dict(statistics))
    state = trainer.state_tensors()
    _write_tensors(folder / MODEL, model, trainer.recipe)
    _write_tensors(folder / STATE, state, trainer.recipe)
    checksums = {name: sha256_of_file(folder / name) for name in (MODEL, STATE)}
    record = {
        "format_version": FORMAT_VERSION,
        "space_group_number": trainer.space_group_number,
        "epoch": trainer.epoch,
        "generator_steps": trainer.generator_steps,
        "seed": trainer.seed,
        "sha256": checksums,
        **facts,
    }
    write_json(folder / RECORD, record)
    return checksums[MODEL]


def open_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint's record and check the model file against it.

    Raises:
        DamagedFileError: the record or the model is missing, foreign or changed.
    """
    if on_store(folder):
        folder = _brought_here(folder)
    path = folder / RECORD
    if not path.is_file():
        raise DamagedFileError(f"{folder} is no checkpoint: expected {RECORD} in it. {_repair(folder)}")
    record = read_record(path, ("format_version", "space_group_number", "epoch", "generator_steps", "seed", "sha256"))
    if record["format_version"] != FORMAT_VERSION:
        raise DamagedFileError(
            f"{path} is of format {record['format_version']}: expected {FORMAT_VERSION}. {_repair(folder)}"
        )
    check_sha256(folder / MODEL, record["sha256"][MODEL], _repair(folder))
    return Checkpoint(folder, record, _read_recipe(folder / MODEL))


def _brought_here(folder: Path) -> Path:
    """A folder of this machine with the record and the model of a checkpoint that is on a store."""
    record = folder / RECORD
    with storage_errors(record):
        content = record.read_bytes()
    checksums = read_record(record, ("sha256",))["sha256"]
    copy = local_copy(folder / MODEL, str(checksums[MODEL]), _repair(folder))
    here = copy.with_suffix(f".{fingerprint(str(folder))}")
    write_bytes(here / RECORD, content)
    write_atomically(here / MODEL, lambda temporary: temporary.hardlink_to(copy))
    return here


def _repair(folder: Path) -> str:
    return f"Remove the folder {folder.parent} and run the same `platform train-all` again to make its model anew."


def model_files(folder: Path) -> list[Path]:
    """The files of a checkpoint that sampling needs; the state of the training can be five times as large.

    Of a checkpoint on a store they are copies on this machine.
    """
    if on_store(folder):
        folder = _brought_here(folder)
    return [folder / MODEL, folder / RECORD]


def load_model(folder: Path, device: torch.device | str = "cpu") -> Model:
    """Read the model of a checkpoint folder, whatever its method.

    Raises:
        DamagedFileError: the checkpoint is missing, foreign or changed.
    """
    return model_of(open_checkpoint(folder), device)


def model_of(checkpoint: Checkpoint, device: torch.device | str = "cpu") -> Model:
    """The model of a checkpoint that was opened already."""
    path = checkpoint.folder / MODEL
    tensors = _read_tensors(path)
    statistics = without_prefix(STATISTICS, tensors)
    kind = method_of(checkpoint.recipe).model
    with _fitting(path):
        return kind.from_tensors(
            checkpoint.space_group_number, checkpoint.recipe, tensors, statistics, torch.device(device)
        )


def load_trainer(checkpoint: Checkpoint, device: torch.device | str = "cpu") -> AnyTrainer:
    """The training as it stood, to be continued.

    Raises:
        DamagedFileError: a file is missing, foreign or changed.
    """
    path = checkpoint.folder / STATE
    check_sha256(path, checkpoint.record["sha256"][STATE], _repair(checkpoint.folder))
    tensors, state = _read_tensors(checkpoint.folder / MODEL), _read_tensors(path)
    number, recipe, seed = checkpoint.space_group_number, checkpoint.recipe, int(checkpoint.record["seed"])
    with _fitting(checkpoint.folder):
        trainer = method_of(recipe).trainer.restore(number, recipe, seed, tensors, state, device)
    trainer.epoch = int(checkpoint.record["epoch"])
    trainer.generator_steps = int(checkpoint.record["generator_steps"])
    return trainer


@contextlib.contextmanager
def _fitting(path: Path) -> Iterator[None]:
    """Tensors that are not those of the recipe are an error that names the file."""
    try:
        yield
    except (RuntimeError, KeyError) as error:
        raise DamagedFileError(f"{path} does not fit the networks of its recipe: {error}") from error


def _write_tensors(path: Path, tensors: dict[str, Tensor], recipe: Recipe) -> None:
    """The recipe travels in the file's own header, so that the checksum covers what sampling depends on."""
    from safetensors.torch import save_file

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {RECIPE_KEY: recipe.model_dump_json()}
    write_atomically(path, lambda temporary: save_file(contiguous, temporary, metadata=metadata))


def _read_recipe(path: Path) -> Recipe:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            values = json.loads((file.metadata() or {})[RECIPE_KEY])
    except (SafetensorError, KeyError, ValueError) as error:
        raise DamagedFileError(
            f"{path} is not a safetensors file with a recipe ({error!r}). {_repair(path.parent)}"
        ) from error
    return recipe_from_values(values, str(path))


def _read_tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise DamagedFileError(f"{path} is not a safetensors file: {error}. {_repair(path.parent)}") from error
