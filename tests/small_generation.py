"""A generation that is real but small, made in this process: networks with their first weights, drawn without Ray."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.compute as pc
from small_training import GROUPS, small_recipe

from crystalforge.catalog.shards import ShardManifest, write_shard
from crystalforge.dataset import Dataset, find_dataset, training_table
from crystalforge.files import sha256_of_file, utc_now, write_json
from crystalforge.gan.checkpoint import load_model, save_checkpoint
from crystalforge.gan.methods import method_of
from crystalforge.gan.model import training_statistics
from crystalforge.generation.plan import GenerationPlan
from crystalforge.generation.sampling import sample_shard
from crystalforge.home import Home
from crystalforge.integrity.remaking import installed_versions
from crystalforge.jobs.generation_plans import plan_generation
from crystalforge.jobs.trained_models import find_models

TRAINING_ID = "small-first"
SEED = 11


def add_training(home: Home, dataset: Dataset, groups: Sequence[int] = GROUPS) -> dict[int, Path]:
    """Write a training whose networks took no step, and give the checkpoint of each space group."""
    recipe = small_recipe()
    folder = home.trainings / TRAINING_ID
    checkpoints = {}
    for number in groups:
        materials = dataset.materials()
        seen = materials.filter(pc.equal(materials["space_group_number"], number))
        table = training_table(seen, number)
        statistics = training_statistics(table.atomic_numbers, seen["volume_per_atom"].to_numpy())
        group = folder / f"space_group_number={number}"
        trainer = method_of(recipe).trainer.create(number, recipe, SEED, "cpu")
        checksum = save_checkpoint(group / "checkpoint_1", trainer, statistics, {"training_id": TRAINING_ID})
        record = {"space_group_number": number, "checkpoint": "checkpoint_1", "model_checksum": checksum}
        write_json(group / "model.json", record | {"finished_at": utc_now()})
        checkpoints[number] = group / "checkpoint_1"
    record = {"training_id": TRAINING_ID, "recipe": "small", "dataset_id": dataset.dataset_id, "seed": SEED}
    counts = {str(number): 9 for number in groups}
    write_json(
        folder / "training.json", record | {"space_groups": list(groups), "counts": counts, "created_at": utc_now()}
    )
    return checkpoints


def add_small_generation(home: Home, *, count: int = 40, shard_size: int = 20) -> GenerationPlan:
    """Write a training and a generation of ``count`` samples of each of two space groups, as the job does."""
    dataset = find_dataset(home)
    checkpoints = add_training(home, dataset)
    plan = GenerationPlan(
        training_id=TRAINING_ID,
        dataset_id=dataset.dataset_id,
        seed=SEED,
        count=2 * count,
        counts=dict.fromkeys(GROUPS, count),
        models={number: sha256_of_file(path / "model.safetensors") for number, path in checkpoints.items()},
        shard_size=shard_size,
        min_contact_ratio=0.5,
    )
    folder = home.generations / plan.generation_id
    write_json(folder / "generation.json", plan.to_json() | {"created_at": utc_now(), "versions": installed_versions()})
    models = {number: load_model(path) for number, path in checkpoints.items()}
    manifest = ShardManifest(folder)
    for shard in plan.shards():
        table = sample_shard(models[shard.space_group_number], plan, shard)
        record = write_shard(folder, shard.file, table)
        line = {"space_group_number": shard.space_group_number, "shard": shard.number}
        manifest.append({**line, **vars(record), "accepted": table["reject_reason"].null_count})
    return plan


def plan_of_command(home: Home, *, count: int, shard_size: int) -> GenerationPlan:
    """The plan of ``platform generate`` for two space groups, from the models that the home has trained."""
    choices = {"seed": 0, "space_groups": GROUPS, "shard_size": shard_size, "min_contact_ratio": 0.75}
    return plan_generation(find_models(home), count, **choices)
