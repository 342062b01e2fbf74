"""Rows of a shard of ``samples`` against the plan that they were drawn by, and the states that a sample may be in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crystalforge.generation.plan import GenerationPlan, Shard
from crystalforge.generation.sampling import sample_ids, shard_constants
from crystalforge.schemas.states import SAMPLE_STATES


def wrong_origins(table: pa.Table, plan: GenerationPlan, shard: Shard, line: Mapping[str, Any]) -> list[str]:
    """What differs between the rows of a shard and its plan: each index of the shard once, all of the one origin.

    Args:
        table: the rows, schema ``samples``.
        plan: of the generation.
        shard: the shard.
        line: its line of the manifest.
    """
    if table.num_rows != shard.n_samples:
        return [f"expected {shard.n_samples} rows, found {table.num_rows}"]
    wrong = []
    indices = np.arange(shard.first_index, shard.first_index + shard.n_samples)
    if not np.array_equal(table["index"].to_numpy(), indices):
        wrong.append(f"index: expected {indices[0]} to {indices[-1]}, each once and in order")
    if table["sample_id"].to_pylist() != sample_ids(plan, shard):
        wrong.append("sample_id: expected generation, space group and index")
    for name, value in shard_constants(plan, shard).items():
        found = pc.unique(table[name]).to_pylist()
        if found != [value]:
            wrong.append(f"{name}: expected {value!r} in every row, found {found[:3]}")
    named = {"space_group_number": shard.space_group_number, "shard": shard.number}
    named["accepted"] = pc.sum(pc.equal(table["status"].cast(pa.string()), "accepted")).as_py()
    wrong += [
        f"manifest, {name}: expected {value}, found {line.get(name)!r}"
        for name, value in named.items()
        if line.get(name) != value
    ]
    return wrong


def wrong_states(table: pa.Table) -> list[str]:
    """Rows of ``samples`` in a state that no sample may be in."""
    return SAMPLE_STATES.violations(table)
