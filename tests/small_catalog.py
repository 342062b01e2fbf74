"""A small home with real shards: two generations that drew some crystals twice, and a dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from crystalforge.catalog.query import DEFAULT_MEMORY_LIMIT, Catalog, open_catalog
from crystalforge.catalog.shards import ShardManifest, write_shard
from crystalforge.files import write_json
from crystalforge.home import Home
from crystalforge.schemas import MATERIALS, SAMPLES

SITES = [[[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]]]
PLAIN_VALUES: dict[pa.DataType, Any] = {
    pa.string(): "x",
    pa.int16(): 1,
    pa.int32(): 1,
    pa.int64(): 1,
    pa.float64(): 1.5,
}
CRYSTAL = {
    "hall_number": 523,
    "elements": ["Li", "Al", "Si"],
    "base_frac_coords": SITES[0],
    "wyckoff_letters": ["a", "b", "c"],
    "multiplicities": [4, 4, 4],
    "n_atoms_conventional": 12,
    "n_atoms_primitive": 3,
    "formula": "LiAlSi",
    "reduced_formula": "LiAlSi",
    "chemical_system": "Al-Li-Si",
    "volume_per_atom": 17.0,
    "density": 1.95,
    "min_contact_ratio": 0.95,
}
MERGED_COLUMNS = [name for name in SAMPLES.names if SAMPLES.field(name).nullable and name != "reject_reason"]


def plain_row(schema: pa.Schema, **values: Any) -> dict[str, Any]:
    """A row of a schema: the given values, a fixed crystal, and any value of the right type elsewhere."""
    row = {}
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        row[field.name] = PLAIN_VALUES.get(kind)
    return row | {key: value for key, value in CRYSTAL.items() if key in row} | values


def sample_rows(generation_id: str, space_group_number: int, shard: int, count: int) -> list[dict[str, Any]]:
    """Samples of a shard: every fifth percolates; accepted ones repeat every 6 indices, in all generations."""
    rows = []
    for index in range(shard * count, (shard + 1) * count):
        rejected = index % 5 == 4
        row = plain_row(
            SAMPLES,
            sample_id=f"{generation_id}-{space_group_number}-{index}",
            crystal_id=f"{space_group_number:03d}{index % 6:029x}",
            generation_id=generation_id,
            training_id="t1",
            shard=shard,
            index=index,
            space_group_number=space_group_number,
            raw_frac_coords=SITES[0],
            status="rejected" if rejected else "accepted",
            reject_reason="percolates" if rejected else None,
            density=1.0 + index / 10,
        )
        rows.append(row | dict.fromkeys(MERGED_COLUMNS) if rejected else row)
    return rows


def add_generation(home: Home, generation_id: str, created_at: str, *, shards: int = 2, count: int = 5) -> Path:
    """Write a generation of groups 62 and 225 as the job does: plan, shards, manifest lines."""
    folder = home.generations / generation_id
    plan = {"generation_id": generation_id, "training_id": "t1", "dataset_id": "d1", "seed": 7}
    write_json(folder / "generation.json", plan | {"count": 2 * shards * count, "created_at": created_at})
    manifest = ShardManifest(folder)
    for number in (225, 62):
        for shard in range(shards):
            rows = sample_rows(generation_id, number, shard, count)
            table = pa.Table.from_pylist(rows, schema=SAMPLES)
            record = write_shard(folder, f"space_group_number={number}/shard-{shard:05d}.parquet", table)
            accepted = sum(row["status"] == "accepted" for row in rows)
            extra = {"space_group_number": number, "shard": shard, "accepted": accepted}
            manifest.append({**vars(record), **extra})
    return folder


def add_dataset(home: Home, dataset_id: str = "d1") -> None:
    """Write a dataset of three crystals with its manifest."""
    rows = [
        plain_row(
            MATERIALS, material_id=f"m{i}", dataset_id=dataset_id, crystal_id=f"225{i:029x}", space_group_number=225
        )
        for i in range(3)
    ]
    record = write_shard(home.datasets / dataset_id, "materials.parquet", pa.Table.from_pylist(rows, schema=MATERIALS))
    manifest = {"dataset_id": dataset_id, "source": "bundled", "counts": {"225": 3, "62": 0}, "checksum": record.sha256}
    write_json(home.datasets / dataset_id / "manifest.json", manifest | {"created_at": "2026-01-01T00:00:00Z"})


def digest(folder: Path) -> dict[str, str]:
    """Checksum of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@dataclass(frozen=True)
class Place:
    """A home with an open catalog, and files beside it that SQL must not see."""

    folder: Path
    home: Home
    catalog: Catalog
    before: dict[str, str]
    """Digest of the folder."""


@contextmanager
def place_to_attack(folder: Path, memory_limit: str = DEFAULT_MEMORY_LIMIT) -> Iterator[Place]:
    """A home with a dataset and a generation of 20 samples; beside it ``secret.csv`` and ``secret.parquet``."""
    home = Home.locate(folder / "home")
    add_dataset(home)
    add_generation(home, "older", "2026-01-02T00:00:00Z")
    (folder / "secret.csv").write_text("secret\n1\n")
    pq.write_table(pa.table({"secret": [1]}), folder / "secret.parquet")
    with open_catalog(home, memory_limit=memory_limit) as catalog:
        yield Place(folder, home, catalog, digest(folder))
