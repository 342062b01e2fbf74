"""The rows of ``materials``: made of curated crystals, named by their content, counted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from crystalforge.crystals.rows import batch_to_columns
from crystalforge.dataset.crystal_columns import PROPERTIES, CrystalColumns
from crystalforge.dataset.curation import CuratedCrystals
from crystalforge.schemas import MATERIALS


def materials_table(columns: CrystalColumns, curated: CuratedCrystals) -> pa.Table:
    """Rows of ``materials`` but for ``dataset_id``, by space group and identifier."""
    arrays = dict(batch_to_columns(curated.batch))
    arrays["material_id"] = pa.array(columns.material_ids[curated.rows], pa.string())
    arrays["crystal_id"] = pa.array(curated.crystal_ids, pa.string())
    for name in PROPERTIES:
        arrays[name] = pa.array(columns.properties[name][curated.rows], pa.float64(), from_pandas=True)
    names = [name for name in MATERIALS.names if name != "dataset_id"]
    table = pa.table({name: arrays[name] for name in names})
    keys = [("space_group_number", "ascending"), ("material_id", "ascending"), ("crystal_id", "ascending")]
    return table.sort_by(keys)


def content_hash(materials: pa.Table) -> str:
    """SHA-256 of the rows; the identifier that follows from it is itself a column, so it cannot be the file's."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, materials.schema) as stream:
        stream.write_table(materials.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()


def with_dataset_id(materials: pa.Table, dataset_id: str) -> pa.Table:
    """The rows with their first column but one, in schema ``materials``."""
    identifiers = pa.DictionaryArray.from_arrays(np.zeros(materials.num_rows, dtype=np.int32), pa.array([dataset_id]))
    arrays = [identifiers if name == "dataset_id" else materials[name] for name in MATERIALS.names]
    return pa.Table.from_arrays(arrays, schema=MATERIALS)


def count_space_groups(table: pa.Table, groups: Sequence[int]) -> dict[int, int]:
    """Crystals of each group, in the order given."""
    numbers, counts = np.unique(table["space_group_number"].to_numpy(), return_counts=True)
    found = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    return {number: found.get(number, 0) for number in groups}
