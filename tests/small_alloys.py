"""A home with a small generation and dataset of alloys that EMT can relax: full Heuslers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from small_catalog import MERGED_COLUMNS, plain_row

from crystalforge.catalog.shards import ShardManifest, write_shard
from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.elements import atomic_number
from crystalforge.crystals.identity import crystal_ids
from crystalforge.crystals.rows import batch_to_columns
from crystalforge.dataset.manifest import DatasetManifest
from crystalforge.files import write_json
from crystalforge.home import Home
from crystalforge.schemas import MATERIALS, SAMPLES
from crystalforge.screening.reference import Reference, ReferenceCrystal

GENERATION_ID = "alloys"
DATASET_ID = "d1"
KNOWN = ("Au", "Al", "Cu")
"""A crystal of the dataset, and a sample."""
NEW = ("Pt", "Al", "Cu")
GAP = ("Au", "Pt", "Cu")
"""Of elements that the reference has, but in a system without a compound."""
UNJUDGED = ("Ag", "Pd", "Ni")
"""Of elements that the reference does not have."""
DRAWN = ((KNOWN, 5.9), (NEW, 5.9), (NEW, 6.0), (GAP, 6.0), (UNJUDGED, 6.0))
"""Accepted samples: elements at b, a and c, and the length of the cell (Å); the third is the second, drawn larger."""
REJECTED = (("percolates", False), ("atoms_too_close", True))
"""Reason, and whether the sites could be merged."""
ELEMENTS = dict.fromkeys(("Al", "Cu", "Au", "Pt", "Ag", "Pd", "Ni"), 1.0)
"""Energies (eV/atom) far above those of EMT, which lie near 0: every alloy is stable against the elements."""
SYSTEMS = ("AlCu", "AlAu", "CuAu", "AlCuAu", "AlPt", "CuPt", "AlCuPt")
REFERENCE = Reference("alloys-1", "none", tuple(ReferenceCrystal(name, name, 0.0) for name in SYSTEMS))


def heuslers(*drawn: tuple[tuple[str, str, str], float]) -> CrystalBatch:
    """Full Heuslers: elements at b, a and c of space group 225, and the length of the cell (Å)."""
    n = len(drawn)
    return CrystalBatch(
        space_group_number=np.full(n, 225),
        lattice_parameters=np.array([[a, a, a, 90.0, 90.0, 90.0] for _, a in drawn]),
        atomic_numbers=atomic_number(np.array([elements for elements, _ in drawn])),
        frac_coords=np.tile([[0.5] * 3, [0.0] * 3, [0.25] * 3], (n, 1, 1)),
        multiplicity=np.tile([4, 4, 8], (n, 1)),
        wyckoff_letter=np.tile(["b", "a", "c"], (n, 1)),
    )


def add_alloys(home: Home) -> None:
    """Write the dataset and the generation, as the commands do."""
    _add_dataset(home.datasets / DATASET_ID)
    _add_generation(home.generations / GENERATION_ID)


def _add_dataset(folder: Path) -> None:
    row = _rows(heuslers((KNOWN, 5.8)))[0] | {"material_id": "mp-1", "dataset_id": DATASET_ID}
    record = write_shard(
        folder, "materials.parquet", pa.Table.from_pylist([plain_row(MATERIALS, **row)], schema=MATERIALS)
    )
    manifest = DatasetManifest(
        dataset_id=DATASET_ID,
        name="alloys",
        source="alloys",
        source_kind="parquet",
        source_checksum="",
        licence="",
        attribution="",
        space_groups=[225],
        symprec=0.01,
        merge_cutoff=0.1,
        request="",
        n_materials=record.rows,
        counts={225: record.rows},
        checksum=record.sha256,
        n_exclusions=0,
        exclusion_counts={},
        exclusions_checksum="",
        versions={},
        created_at="2026-01-01T00:00:00Z",
    )
    write_json(folder / "manifest.json", manifest.to_json())


def _add_generation(folder: Path) -> None:
    plan = {"generation_id": GENERATION_ID, "training_id": "t1", "dataset_id": DATASET_ID, "seed": 7, "count": 7}
    write_json(folder / "generation.json", plan | {"created_at": "2026-01-02T00:00:00Z", "min_contact_ratio": 0.75})
    crystals = _rows(heuslers(*DRAWN))
    rows = [row | {"status": "accepted", "reject_reason": None} for row in crystals]
    for reason, is_merged in REJECTED:
        row = crystals[0] | {"status": "rejected", "reject_reason": reason}
        rows.append(row if is_merged else row | dict.fromkeys(MERGED_COLUMNS))
    same = {"generation_id": GENERATION_ID, "shard": 0}
    rows = [row | same | {"sample_id": f"{GENERATION_ID}-225-{i}", "index": i} for i, row in enumerate(rows)]
    table = pa.Table.from_pylist([plain_row(SAMPLES, **row) for row in rows], schema=SAMPLES)
    record = write_shard(folder, "space_group_number=225/shard-00000.parquet", table)
    extra = {"space_group_number": 225, "shard": 0, "accepted": len(DRAWN)}
    ShardManifest(folder).append({**vars(record), **extra})


def _rows(crystals: CrystalBatch) -> list[dict[str, object]]:
    columns = pa.table(batch_to_columns(crystals)).append_column("crystal_id", pa.array(crystal_ids(crystals)))
    rows: list[dict[str, object]] = columns.to_pylist()
    return [row | {"raw_frac_coords": row["base_frac_coords"]} for row in rows]
