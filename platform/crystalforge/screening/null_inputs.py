"""Inputs of a screening that are random: a null of the evaluation, in the space groups of a generation's samples."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa

from crystalforge.crystals.rows import CRYSTAL_COLUMNS, batch_to_columns
from crystalforge.evaluation.generations import read_generation
from crystalforge.evaluation.nulls import draw_null_set, make_groups
from crystalforge.evaluation.real_crystals import training_crystals
from crystalforge.evaluation.samples import SampleSet
from crystalforge.home import Home

FOLLOWING = ("formula", "chemical_system")
"""Columns that follow from a crystal."""


def null_inputs(home: Home, name: str, generation_id: str, space_group_numbers: pa.ChunkedArray, seed: int) -> pa.Table:
    """Random samples, accepted or rejected by the same floors as the samples of a generation.

    Args:
        home: where generation and dataset lie.
        name: of the null, a key of ``evaluation.nulls.NULLS``.
        generation_id: gives the training crystals, of which the null keeps what it does not make random, and the floor.
        space_group_numbers: as many samples of each as stand here.
        seed: decides every draw, and the order.

    Raises:
        GenerationError: there is no such generation, or it has no samples.
        DatasetNotFoundError: the dataset of its training is gone.
    """
    drawn = read_generation(home, generation_id, limit=1)
    counts = Counter(space_group_numbers.to_pylist())
    groups = make_groups(training_crystals(home, drawn), drawn.min_contact_ratio)
    samples = draw_null_set(name, groups, dict(counts), seed)
    table = _table(samples, [f"{name}-{seed}-{index}" for index in range(len(samples))], generation_id)
    # Shuffled: the first rows of an unfinished screening are then a random part of it.
    return table.take(np.random.default_rng(seed).permutation(len(samples)))


def _table(samples: SampleSet, names: list[str], generation_id: str) -> pa.Table:
    """A row for each sample; nulls where the sites could not be merged."""
    place = np.full(len(samples), -1)
    place[samples.sample_index] = np.arange(len(samples.crystals))
    rows = pa.array(place, mask=place < 0)
    of_crystals = pa.table(batch_to_columns(samples.crystals)).append_column(
        "crystal_id", pa.array(samples.crystal_ids)
    )
    wanted = ["crystal_id", *FOLLOWING, *(column for column in CRYSTAL_COLUMNS if column != "space_group_number")]
    reasons = pa.array(samples.reject_reason, mask=samples.accepted)
    return pa.table(
        {"source_id": names}
        | {column: of_crystals[column].take(rows) for column in wanted[: 1 + len(FOLLOWING)]}
        | {"space_group_number": pa.array(samples.space_group_number.astype(np.int16))}
        | {column: of_crystals[column].take(rows) for column in wanted[1 + len(FOLLOWING) :]}
        | {"generation_id": pa.array([generation_id] * len(samples)), "reject_reason": reasons}
    )
