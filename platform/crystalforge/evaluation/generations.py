"""Reads the samples of a generation: all that were drawn, as they were committed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from crystalforge.catalog.inventory import Generation, committed_generations
from crystalforge.catalog.shards import ShardManifest, ShardRecord, read_shard
from crystalforge.crystals.rows import CRYSTAL_COLUMNS, batch_from_table
from crystalforge.errors import CrystalforgeError, GenerationError
from crystalforge.evaluation.samples import BASELINE, GENERATED, SampleSet, in_one_setting
from crystalforge.files import read_record
from crystalforge.gan.recipe import recipe_from_values
from crystalforge.generation.plan import DEFAULT_MIN_CONTACT_RATIO
from crystalforge.home import TRAINING_RECORD, Home
from crystalforge.schemas import SAMPLES
from crystalforge.suggestions import did_you_mean

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drawn:
    """A generation to judge.

    Attributes:
        generation_id: its identifier.
        folder: where it lies.
        dataset_id: dataset of its training.
        training_id: its training.
        recipe: name of the training's recipe; the training's identifier where its record is gone.
        validation_share: what the training set aside, by its recipe; 0 where nothing is known of it.
        min_contact_ratio: floor of acceptance.
        samples: all that were drawn, or the first of each space group.
        n_planned: samples that were asked for.
    """

    generation_id: str
    folder: Path
    dataset_id: str
    training_id: str
    recipe: str
    validation_share: float
    min_contact_ratio: float
    samples: SampleSet
    n_planned: int


def find_generation(home: Home, generation_id: str | None) -> Generation:
    """A generation by its identifier, or the newest.

    Raises:
        GenerationError: there is none of that name, or none at all.
    """
    known = committed_generations(home)
    if not known:
        raise GenerationError(f"No generation in {home.generations}: expected one. Run `platform generate` first.")
    if generation_id is None:
        return known[-1]
    for generation in known:
        if generation.generation_id == generation_id:
            return generation
    names = [generation.generation_id for generation in known]
    raise GenerationError(
        f"No generation '{generation_id}' in {home.generations}: it has {', '.join(names)}."
        f"{did_you_mean(generation_id, names)}"
    )


def read_generation(
    home: Home, generation_id: str | None = None, *, limit: int | None = None, baseline: bool = False
) -> Drawn:
    """Read all committed samples of a generation.

    Args:
        home: where it lies.
        generation_id: its identifier; the newest by default.
        limit: at most so many samples of each space group.
        baseline: whether it stands beside another one.

    Raises:
        GenerationError: there is no such generation, or it has no samples.
        DamagedFileError: a shard is not what its manifest says.
    """
    generation = find_generation(home, generation_id)
    table = _read_rows(generation)
    if table.num_rows == 0:
        raise GenerationError(
            f"Generation {generation.generation_id} has no samples: expected committed shards in {generation.folder}. "
            f"Run `platform generate --resume {generation.generation_id}`."
        )
    plan = generation.plan
    training_id = str(plan.get("training_id"))
    recipe, validation_share = _recipe_of(home, training_id)
    source = f"{BASELINE}{recipe}" if baseline else GENERATED
    samples = _sample_set(source, generation.generation_id, table).first_of_groups(limit)
    return Drawn(
        generation_id=generation.generation_id,
        folder=generation.folder,
        dataset_id=str(plan.get("dataset_id")),
        training_id=training_id,
        recipe=recipe,
        validation_share=validation_share,
        min_contact_ratio=float(plan.get("min_contact_ratio", DEFAULT_MIN_CONTACT_RATIO)),
        samples=samples,
        n_planned=int(plan.get("count", table.num_rows)),
    )


def _read_rows(generation: Generation) -> pa.Table:
    """The columns that are judged, by space group and index."""
    repair = f"Run `platform generate --resume {generation.generation_id}` to draw it again from its seed."
    manifest = ShardManifest(generation.folder)
    parts = []
    with manifest.held(manifest.records) as lines:
        for line in lines:
            shard = read_shard(generation.folder, ShardRecord.from_line(line), SAMPLES, repair=repair)
            # As plain text: dictionaries of different shards do not join.
            reasons = shard["reject_reason"].cast(pa.string())
            parts.append(shard.select(["index", *CRYSTAL_COLUMNS]).append_column("reject_reason", reasons))
    if not parts:
        return pa.table({"index": pa.array([], pa.int64())})
    table = pa.concat_tables(parts)
    return table.sort_by([("space_group_number", "ascending"), ("index", "ascending")])


def _sample_set(source: str, generation_id: str, table: pa.Table) -> SampleSet:
    has_crystal = table["base_frac_coords"].is_valid().to_numpy()
    reasons = np.array([reason or "" for reason in table["reject_reason"].to_pylist()], dtype="<U24")
    return SampleSet(
        source,
        table["space_group_number"].to_numpy().astype(np.int64),
        reasons,
        in_one_setting(batch_from_table(table.filter(pa.array(has_crystal)))),
        np.flatnonzero(has_crystal),
        generation_id,
    )


def _recipe_of(home: Home, training_id: str) -> tuple[str, float]:
    """Name of a training's recipe and the share of crystals that it set aside."""
    path = home.trainings / training_id / TRAINING_RECORD
    if not path.is_file():
        return training_id, 0.0
    record: dict[str, Any] = read_record(path, ("training_id",))
    try:
        recipe = recipe_from_values(record["recipe_values"], str(path))
    except (CrystalforgeError, KeyError) as error:  # of an older version: what it set aside is not known
        logger.warning("event=recipe_unreadable training_id=%s error=%s", training_id, error)
        return str(record.get("recipe", training_id)), 0.0
    return recipe.name, recipe.validation_share
