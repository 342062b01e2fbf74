"""A home that holds real candidates, made in this process: copies of known crystals for other elements, drawn and kept.

The recipe ``donor`` is fitted to three space groups in seconds and needs no networks.
"""

from __future__ import annotations

import pyarrow.compute as pc

from crystalforge.dataset import Dataset, find_dataset, training_table
from crystalforge.files import utc_now, write_json
from crystalforge.gan.checkpoint import save_checkpoint
from crystalforge.gan.compositions.threads import one_thread
from crystalforge.gan.methods import method_of
from crystalforge.gan.model import training_statistics
from crystalforge.gan.recipe import Recipe, load_recipe
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import MODEL_RECORD, TRAINING_RECORD, Home, group_folder_name
from crystalforge.jobs.generate import draw_here, generate
from crystalforge.jobs.generation_plans import plan_generation
from crystalforge.jobs.train_all import training_id_of, training_record
from crystalforge.jobs.trained_models import find_models

SEED = 0
GROUPS = [62, 221, 225]


def add_candidates(home: Home, *, count: int = 240, shard_size: int = 100) -> GenerationPlan:
    """Fit the copies to the dataset of a home and draw samples from them, as the commands do."""
    dataset = find_dataset(home)
    recipe = load_recipe("donor")
    training_id = training_id_of(recipe, dataset, SEED)
    folder = home.trainings / training_id
    counts = {str(number): dataset.manifest.counts[number] for number in GROUPS}
    record = training_record(training_id, recipe, dataset, SEED) | {"space_groups": GROUPS, "counts": counts}
    write_json(folder / TRAINING_RECORD, record)
    for number in GROUPS:
        _fit(home, dataset, recipe, training_id, number)
    choices = {"seed": SEED, "shard_size": shard_size, "min_contact_ratio": 0.75}
    plan = plan_generation(find_models(home, training_id), count, **choices)
    generate(home, plan, draw=draw_here)
    return plan


def _fit(home: Home, dataset: Dataset, recipe: Recipe, training_id: str, number: int) -> None:
    group = home.trainings / training_id / group_folder_name(number)
    materials = dataset.materials()
    crystals = materials.filter(pc.equal(materials["space_group_number"], number))
    table = training_table(crystals, number)
    method = method_of(recipe).trainer
    with one_thread():
        trainer = method.create(number, recipe, SEED, "cpu")
        trainer.train_epoch(method.prepare(table, recipe, SEED))
    statistics = training_statistics(table.atomic_numbers, crystals["volume_per_atom"].to_numpy())
    checksum = save_checkpoint(group / "checkpoint_1", trainer, statistics, {"training_id": training_id})
    record = {"space_group_number": number, "checkpoint": "checkpoint_1", "model_checksum": checksum}
    write_json(group / MODEL_RECORD, record | {"finished_at": utc_now()})
