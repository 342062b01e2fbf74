"""A training that is real but small, made in this process without Ray, as ``train-all`` leaves it behind."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from small_training import GROUPS, small_recipe

from crystalforge.dataset import Dataset, find_dataset, training_table
from crystalforge.files import append_line, utc_now, write_json
from crystalforge.gan.checkpoint import load_model, save_checkpoint
from crystalforge.gan.methods import method_of
from crystalforge.gan.model import training_statistics
from crystalforge.gan.recipe import Recipe
from crystalforge.generation.distributions import compare_distributions
from crystalforge.generation.sampling import accepted_shares
from crystalforge.home import MODEL_RECORD, TRAINING_RECORD, Home, group_folder_name
from crystalforge.jobs.train_all import training_id_of, training_record
from crystalforge.jobs.train_group import DISTRIBUTIONS, PROGRESS

SEED = 3
N_EPOCHS = 3
N_SAMPLES = 64


def train_here(home: Home) -> Path:
    """Train space groups 225 and 62 by the small recipe; the command with that seed finds them trained already."""
    dataset, recipe = find_dataset(home), small_recipe()
    training_id = training_id_of(recipe, dataset, SEED)
    folder = home.trainings / training_id
    write_json(folder / TRAINING_RECORD, training_record(training_id, recipe, dataset, SEED))
    for number in GROUPS:
        _train(folder / group_folder_name(number), training_id, dataset, recipe, number)
    return folder


def _train(group: Path, training_id: str, dataset: Dataset, recipe: Recipe, number: int) -> None:
    materials = dataset.materials()
    seen = materials.filter(pc.equal(materials["space_group_number"], number))
    table = training_table(seen, number)
    statistics = training_statistics(table.atomic_numbers, seen["volume_per_atom"].to_numpy())
    method = method_of(recipe).trainer
    trainer = method.create(number, recipe, SEED, "cpu")
    data = method.prepare(table, recipe, SEED)
    for epoch in range(1, N_EPOCHS + 1):
        terms = trainer.train_epoch(data)
        terms |= accepted_shares(trainer.model(statistics), N_SAMPLES, np.random.SeedSequence(epoch))
        line = {"epoch": epoch, "generator_steps": trainer.generator_steps, "time": time.time(), "terms": terms}
        append_line(group / PROGRESS, line)
    checksum = save_checkpoint(group / "checkpoint_1", trainer, statistics, {"training_id": training_id})
    drawn = compare_distributions(load_model(group / "checkpoint_1"), seen, N_SAMPLES, np.random.SeedSequence(0))
    write_json(group / DISTRIBUTIONS, drawn)
    model = {"space_group_number": number, "checkpoint": "checkpoint_1", "model_checksum": checksum}
    write_json(group / MODEL_RECORD, model | {"finished_at": utc_now()})
