"""A training that is real but small, made in this process without Ray, as ``train-all`` leaves it behind."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from small_training import GROUPS, small_recipe

from crystalforge.dataset import Dataset, find_dataset, training_table
from crystalforge.dataset.split import split_materials
from crystalforge.files import append_line, utc_now, write_json
from crystalforge.gan.checkpoint import load_model, save_checkpoint
from crystalforge.gan.compositions.threads import one_thread
from crystalforge.gan.methods import method_of
from crystalforge.gan.model import training_statistics
from crystalforge.gan.recipe import Recipe
from crystalforge.generation.distributions import compare_distributions
from crystalforge.generation.sampling import accepted_shares
from crystalforge.home import MODEL_RECORD, TRAINING_RECORD, Home, group_folder_name
from crystalforge.jobs.train_all import training_id_of, training_record
from crystalforge.jobs.train_group import DISTRIBUTIONS, PROGRESS

SEED = 3
N_SAMPLES = 64


def train_here(
    home: Home, recipe: Recipe | None = None, groups: Sequence[int] = tuple(GROUPS), seed: int = SEED
) -> Path:
    """Train space groups, by the small recipe if no other; the command with that seed finds them trained already."""
    dataset, recipe = find_dataset(home), recipe or small_recipe()
    training_id = training_id_of(recipe, dataset, seed)
    folder = home.trainings / training_id
    write_json(folder / TRAINING_RECORD, training_record(training_id, recipe, dataset, seed))
    for number in groups:
        train_group_here(folder / group_folder_name(number), training_id, dataset, recipe, number, seed)
    return folder


def train_group_here(group: Path, training_id: str, dataset: Dataset, recipe: Recipe, number: int, seed: int) -> str:
    """Train one space group into its folder, with one thread as the workers of Ray do; SHA-256 of the model."""
    materials = dataset.materials()
    materials = materials.filter(pc.equal(materials["space_group_number"], number))
    seen, _ = split_materials(materials, recipe.validation_share)
    table = training_table(seen, number)
    statistics = training_statistics(table.atomic_numbers, seen["volume_per_atom"].to_numpy())
    method = method_of(recipe).trainer
    with one_thread():
        trainer = method.create(number, recipe, seed, "cpu")
        data = method.prepare(table, recipe, seed)
        while not trainer.finished:
            terms = trainer.train_epoch(data)
            seeds = np.random.SeedSequence(trainer.epoch)
            terms |= accepted_shares(trainer.model(statistics), N_SAMPLES, seeds)
            line = {
                "epoch": trainer.epoch,
                "generator_steps": trainer.generator_steps,
                "time": time.time(),
                "terms": terms,
            }
            append_line(group / PROGRESS, line)
        checksum = save_checkpoint(group / "checkpoint_1", trainer, statistics, {"training_id": training_id})
        drawn = compare_distributions(load_model(group / "checkpoint_1"), seen, N_SAMPLES, np.random.SeedSequence(0))
    write_json(group / DISTRIBUTIONS, drawn)
    model = {"space_group_number": number, "checkpoint": "checkpoint_1", "model_checksum": checksum}
    write_json(group / MODEL_RECORD, model | {"finished_at": utc_now()})
    return checksum
