"""One shard of a generation: draw, merge, check, and the rows of table ``samples``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

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
    raw = model.draw(shard.n_samples, plan.shard_seed(shard), plan.stretch(shard), plan.request)
    verdicts = judge(shard.space_group_number, raw, floors_of(model, plan.min_contact_ratio))
    identifiers = np.array(crystal_ids(verdicts.crystals), dtype=str)
    found = search_first(verdicts, identifiers)
    return sample_rows(plan, shard, raw, verdicts, identifiers, found)


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
    return Floors(model.recipe.sampling, min_contact_ratio, model.volume_window)


def search_first(verdicts: Verdicts, identifiers: NDArray[np.str_]) -> NDArray[np.int64]:
    """Space groups by search, for the first of each accepted crystal; 0 elsewhere and where the search fails.

    Args:
        verdicts: of a shard, with n_merged crystals.
        identifiers: (n_merged,) their ``crystal_ids``.

    Returns:
        (n_merged,) 1 to 230, or 0.
    """
    candidates = np.flatnonzero(verdicts.accepted[verdicts.has_crystal])
    first = candidates[np.unique(identifiers[candidates], return_index=True)[1]]
    found = np.zeros(len(verdicts.crystals), dtype=np.int64)
    found[first] = find_space_groups(verdicts.crystals.select(first), symprec=SEARCH_SYMPREC)
    return found


def sample_rows(
    plan: GenerationPlan,
    shard: Shard,
    raw: RawSamples,
    verdicts: Verdicts,
    identifiers: NDArray[np.str_],
    found: NDArray[np.int64],
) -> pa.Table:
    """Rows of schema ``samples`` from what was drawn and what became of it.

    Args:
        plan: of the generation.
        shard: the shard, of n samples.
        raw: the n samples as drawn.
        verdicts: what became of them; n_merged have a crystal.
        identifiers: (n_merged,) ``crystal_ids``.
        found: (n_merged,) space groups by search, 0 where none was found.
    """
    columns = _crystal_columns(verdicts, identifiers, found) | _sample_columns(plan, shard, raw, verdicts)
    return pa.table([_typed(columns[field.name], field) for field in SAMPLES], schema=SAMPLES)


def sample_ids(plan: GenerationPlan, shard: Shard) -> list[str]:
    """Identifier of each sample of a shard: generation, space group and index."""
    prefix = f"{plan.generation_id}-{shard.space_group_number:03d}"
    return [f"{prefix}-{index:08d}" for index in range(shard.first_index, shard.first_index + shard.n_samples)]


def _typed(values: Any, field: pa.Field) -> pa.Array:
    array = values if isinstance(values, pa.Array) else pa.array(values, from_pandas=False)
    return array.dictionary_encode().cast(field.type) if pa.types.is_dictionary(field.type) else array.cast(field.type)


def shard_constants(plan: GenerationPlan, shard: Shard) -> dict[str, Any]:
    """Where the rows of a shard come from: the columns that have one value in all of them."""
    return {
        "generation_id": plan.generation_id,
        "training_id": plan.training_id,
        "model_checksum": plan.models[shard.space_group_number],
        "seed": plan.seed,
        "shard": shard.number,
        "space_group_number": shard.space_group_number,
        "hall_number": hall_number_of(shard.space_group_number),
    }


def _sample_columns(plan: GenerationPlan, shard: Shard, raw: RawSamples, verdicts: Verdicts) -> dict[str, Any]:
    """Columns that every sample has."""
    n = shard.n_samples
    indices = np.arange(shard.first_index, shard.first_index + n)
    rejected = verdicts.reasons != ""
    return {
        **{name: pa.repeat(value, n) for name, value in shard_constants(plan, shard).items()},
        "sample_id": sample_ids(plan, shard),
        "index": indices,
        "status": np.where(rejected, str(SampleStatus.REJECTED), str(SampleStatus.ACCEPTED)),
        "reject_reason": pa.array(verdicts.reasons, mask=~rejected),
        "elements": pa.FixedSizeListArray.from_arrays(pa.array(symbols(raw.atomic_numbers).ravel()), 3),
        "raw_frac_coords": sites_to_column(raw.frac_coords),
        "chemical_system": chemical_systems(raw.atomic_numbers),
        **dict(zip(LATTICE_COLUMNS, raw.lattice_parameters.T, strict=True)),
    }


def _crystal_columns(
    verdicts: Verdicts, identifiers: NDArray[np.str_], found: NDArray[np.int64]
) -> dict[str, pa.Array]:
    """Columns of the merged crystals, null where a sample has none."""
    columns = batch_to_columns(verdicts.crystals, verdicts.contacts) | {
        "crystal_id": pa.array(identifiers),
        "space_group_found": pa.array(found, mask=found == 0),
    }
    place = pa.array(np.cumsum(verdicts.has_crystal) - 1, mask=~verdicts.has_crystal)
    return {name: column.take(place) for name, column in columns.items()}
