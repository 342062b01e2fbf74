"""One shard of a generation: draw, merge, check, and the rows of table ``samples``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.composition import chemical_systems
from crystalforge.crystals.elements import symbols
from crystalforge.crystals.identity import crystal_ids
from crystalforge.crystals.rows import LATTICE_COLUMNS, batch_to_columns, sites_to_column
from crystalforge.crystals.symmetry_search import find_space_groups
from crystalforge.gan.model import Model, RawSamples
from crystalforge.generation.checking import Floors, Verdicts, judge
from crystalforge.generation.null import draw_null
from crystalforge.generation.plan import DEFAULT_MIN_CONTACT_RATIO, GenerationPlan, Shard
from crystalforge.schemas import SAMPLES, SampleStatus
from crystalforge.symmetry import hall_number_of

SEARCH_SYMPREC = 0.01
"""Å; the crystals are symmetric by construction, the search finds accidental higher symmetry."""


def sample_shard(model: Model, plan: GenerationPlan, shard: Shard) -> pa.Table:
    """Draw one shard: ``shard.n_samples`` rows of schema ``samples``, accepted or rejected."""
    raw = model.draw(shard.n_samples, plan.shard_seed(shard))
    verdicts = judge(shard.space_group_number, raw, floors_of(model, plan.min_contact_ratio))
    return _table(plan, shard, raw, verdicts)


def accepted_shares(
    model: Model, n: int, seed: np.random.SeedSequence, min_contact_ratio: float = DEFAULT_MIN_CONTACT_RATIO
) -> dict[str, float]:
    """Share of n samples that would be accepted, beside the same share of pure noise (``*_null``)."""
    floors = floors_of(model, min_contact_ratio)
    drawn = judge(model.space_group_number, model.draw(n, seed), floors)
    null = judge(model.space_group_number, draw_null(model, n, seed), floors)
    return {"accepted_share": float(drawn.accepted.mean()), "accepted_share_null": float(null.accepted.mean())}


def floors_of(model: Model, min_contact_ratio: float = DEFAULT_MIN_CONTACT_RATIO) -> Floors:
    """What the samples of a model must meet."""
    return Floors(model.recipe.sampling.merge_ratio, min_contact_ratio, model.volume_window)


def _table(plan: GenerationPlan, shard: Shard, raw: RawSamples, verdicts: Verdicts) -> pa.Table:
    columns = _crystal_columns(verdicts) | _sample_columns(plan, shard, raw, verdicts)
    return pa.table([_typed(columns[field.name], field) for field in SAMPLES], schema=SAMPLES)


def _typed(values: Any, field: pa.Field) -> pa.Array:
    array = values if isinstance(values, pa.Array) else pa.array(values, from_pandas=False)
    return array.dictionary_encode().cast(field.type) if pa.types.is_dictionary(field.type) else array.cast(field.type)


def _sample_columns(plan: GenerationPlan, shard: Shard, raw: RawSamples, verdicts: Verdicts) -> dict[str, Any]:
    """Columns that every sample has."""
    n = shard.n_samples
    indices = np.arange(shard.first_index, shard.first_index + n)
    constants = {
        "generation_id": plan.generation_id,
        "training_id": plan.training_id,
        "model_checksum": plan.models[shard.space_group_number],
        "seed": plan.seed,
        "shard": shard.number,
        "space_group_number": shard.space_group_number,
        "hall_number": hall_number_of(shard.space_group_number),
    }
    prefix = f"{plan.generation_id}-{shard.space_group_number:03d}"
    rejected = verdicts.reasons != ""
    return {
        **{name: pa.repeat(value, n) for name, value in constants.items()},
        "sample_id": [f"{prefix}-{index:08d}" for index in indices.tolist()],
        "index": indices,
        "status": np.where(rejected, str(SampleStatus.REJECTED), str(SampleStatus.ACCEPTED)),
        "reject_reason": pa.array(verdicts.reasons, mask=~rejected),
        "elements": pa.FixedSizeListArray.from_arrays(pa.array(symbols(raw.atomic_numbers).ravel()), 3),
        "raw_frac_coords": sites_to_column(raw.frac_coords),
        "chemical_system": chemical_systems(raw.atomic_numbers),
        **dict(zip(LATTICE_COLUMNS, raw.lattice_parameters.T, strict=True)),
    }


def _crystal_columns(verdicts: Verdicts) -> dict[str, pa.Array]:
    """Columns of the merged crystals, null where a sample has none."""
    crystals = verdicts.crystals
    identifiers = np.array(crystal_ids(crystals), dtype=str)
    columns = batch_to_columns(crystals, verdicts.contacts) | {
        "crystal_id": pa.array(identifiers),
        "space_group_found": _searched(crystals, identifiers, verdicts.accepted[verdicts.has_crystal]),
    }
    place = pa.array(np.cumsum(verdicts.has_crystal) - 1, mask=~verdicts.has_crystal)
    return {name: column.take(place) for name, column in columns.items()}


def _searched(crystals: CrystalBatch, identifiers: NDArray[np.str_], accepted: NDArray[np.bool_]) -> pa.Array:
    """Space groups by search, for the first of each accepted crystal of the shard; null elsewhere."""
    candidates = np.flatnonzero(accepted)
    first = candidates[np.unique(identifiers[candidates], return_index=True)[1]]
    found = np.zeros(len(crystals), dtype=np.int16)
    found[first] = find_space_groups(crystals.select(first), symprec=SEARCH_SYMPREC)
    return pa.array(found, mask=found == 0)
