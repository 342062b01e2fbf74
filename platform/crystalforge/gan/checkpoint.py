"""Checkpoints: weights and optimiser states as safetensors, and a record with their checksums that is written last.

Nothing is unpickled, so a foreign file can be refused but cannot run code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crystalforge.errors import DamagedFileError
from crystalforge.files import check_sha256, read_record, sha256_of_file, write_atomically, write_json
from crystalforge.gan.networks import Critic, Generator
from crystalforge.gan.recipe import Recipe, recipe_from_values
from crystalforge.gan.training import Trainer

FORMAT_VERSION = 1
RECORD = "checkpoint.json"
MODEL = "model.safetensors"
"""What sampling needs: the generator and the statistics of its training crystals."""
RECIPE_KEY = "recipe"
STATE = "training.safetensors"
"""What only a continued training needs: critic and optimisers."""


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


def save_checkpoint(folder: Path, trainer: Trainer, statistics: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    """Write a checkpoint; its record comes last and commits it.

    Args:
        folder: where to write; made if missing.
        trainer: networks, optimisers and progress.
        statistics: of the training crystals, kept with the generator.
        facts: what else the record says (dataset, training, metrics); values of JSON.

    Returns:
        SHA-256 of the model file.
    """
    model = _prefixed("generator", trainer.generator) | {f"statistics.{k}": v for k, v in statistics.items()}
    state = _prefixed("critic", trainer.critic)
    for name, optimiser in trainer.optimisers.items():
        state |= _optimiser_tensors(name, optimiser)
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


def _repair(folder: Path) -> str:
    return f"Remove the folder {folder.parent} and run the same `platform train-all` again to make its model anew."


def model_files(folder: Path) -> list[Path]:
    """The files of a checkpoint that sampling needs; the state of the training is five times as large."""
    return [folder / MODEL, folder / RECORD]


def load_generator(checkpoint: Checkpoint, device: torch.device | str = "cpu") -> tuple[Generator, dict[str, Tensor]]:
    """The trained generator, ready to sample, and the statistics of its training crystals."""
    tensors = _read_tensors(checkpoint.folder / MODEL)
    generator = Generator(checkpoint.space_group_number, checkpoint.recipe.networks)
    _load(generator, "generator", tensors, checkpoint.folder / MODEL)
    statistics = {k.removeprefix("statistics."): v for k, v in tensors.items() if k.startswith("statistics.")}
    return generator.to(device).eval(), statistics


def load_trainer(checkpoint: Checkpoint, device: torch.device | str = "cpu") -> Trainer:
    """The training as it stood, to be continued.

    Raises:
        DamagedFileError: a file is missing, foreign or changed.
    """
    path = checkpoint.folder / STATE
    check_sha256(path, checkpoint.record["sha256"][STATE], _repair(checkpoint.folder))
    generator, _ = load_generator(checkpoint, device)
    critic = Critic(checkpoint.space_group_number, checkpoint.recipe.networks)
    tensors = _read_tensors(path)
    _load(critic, "critic", tensors, path)
    trainer = Trainer.around(
        checkpoint.space_group_number, checkpoint.recipe, int(checkpoint.record["seed"]), generator, critic.to(device)
    )
    for name, optimiser in trainer.optimisers.items():
        _restore_optimiser(name, optimiser, tensors)
    trainer.epoch = int(checkpoint.record["epoch"])
    trainer.generator_steps = int(checkpoint.record["generator_steps"])
    return trainer


def _prefixed(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in network.state_dict().items()}


def _load(network: nn.Module, prefix: str, tensors: dict[str, Tensor], path: Path) -> None:
    weights = {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise DamagedFileError(f"{path} does not fit the networks of its recipe: {error}") from error


def _optimiser_tensors(name: str, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    states = optimiser.state_dict()["state"]
    return {f"optimiser.{name}.{i}.{key}": value for i, state in states.items() for key, value in state.items()}


def _restore_optimiser(name: str, optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    states: dict[int, dict[str, Tensor]] = {}
    prefix = f"optimiser.{name}."
    for key, value in tensors.items():
        if key.startswith(prefix):
            number, _, part = key.removeprefix(prefix).partition(".")
            states.setdefault(int(number), {})[part] = value
    optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})


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
