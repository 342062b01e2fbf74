"""A screening in a home, as its job leaves it: relaxed cells and their energies above a hull, of chosen values."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from small_catalog import plain_row

from crystalforge.catalog.shards import ShardManifest, write_shard
from crystalforge.home import Home
from crystalforge.schemas.relaxations import RELAXATIONS, STABILITIES

CELL = {
    "lattice": [4.0, 0, 0, 0, 4.0, 0, 0, 0, 4.0],
    "species": ["Cu", "Au"],
    "frac_coords": [0.0, 0, 0, 0.5, 0.5, 0.5],
}


def add_screening(home: Home, screening_id: str, crystals: list[dict[str, Any]], **judged: Any) -> None:
    """Write one row of ``relaxations`` and ``stabilities`` for each crystal.

    Args:
        home: where.
        screening_id: its name.
        crystals: values of columns of either table; ``source_id`` and ``crystal_id`` at least.
        judged: values of all rows.
    """
    folder = home.screenings / screening_id
    for schema, file in ((RELAXATIONS, "shard-00000.parquet"), (STABILITIES, "stabilities-reference.parquet")):
        rows = [
            plain_row(schema, **_values(schema, screening_id, index, judged | crystal))
            for index, crystal in enumerate(crystals)
        ]
        record = write_shard(folder, file, pa.Table.from_pylist(rows, schema=schema))
        ShardManifest(folder).append(vars(record))


def _values(schema: pa.Schema, screening_id: str, index: int, given: dict[str, Any]) -> dict[str, Any]:
    values = {
        "relaxation_id": f"{screening_id}-{index}",
        "screening_id": screening_id,
        "source": "candidates",
        "potential": "chgnet",
        "potential_version": "1",
        "reference": "hull",
        "correction": "none",
        "status": "converged",
        "symmetry_broken": False,
        **CELL,
        **given,
    }
    return {name: value for name, value in values.items() if name in schema.names}
