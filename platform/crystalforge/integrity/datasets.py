"""Datasets against their manifests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from crystalforge.dataset.manifest import DatasetManifest, read_manifest
from crystalforge.errors import CrystalforgeError
from crystalforge.files import path_within
from crystalforge.home import DATASET_RECORD, EXCLUSIONS_FILE, MATERIALS_FILE
from crystalforge.integrity.files import check_table
from crystalforge.integrity.findings import Kind, Report
from crystalforge.schemas import EXCLUSIONS, MATERIALS

REPAIR = "Run the same `platform dataset build` again to make it anew."


def verify_dataset(report: Report, folder: Path) -> None:
    """Check both tables of a dataset: bytes, rows, counts and identifiers."""
    try:
        manifest = read_manifest(folder)
        materials = path_within(folder, MATERIALS_FILE, source=folder)
        exclusions = path_within(folder, EXCLUSIONS_FILE, source=folder)
    except CrystalforgeError as error:
        report.add(Kind.RECORD, folder / DATASET_RECORD, str(error))
        return
    report.counts["datasets"] += 1
    if manifest.dataset_id != folder.name:
        found = f"Expected the manifest of {folder.name!r}, found that of {manifest.dataset_id!r}. {REPAIR}"
        report.add(Kind.RECORD, folder / DATASET_RECORD, found)
    record = {"sha256": manifest.checksum, "rows": manifest.n_materials, "schema": manifest.schema}
    table = check_table(report, materials, record, MATERIALS, repair=REPAIR)
    if table is not None:
        for wrong in _wrong_rows(table, manifest):
            report.add(Kind.ROWS, materials, f"{wrong}. {REPAIR}")
    left_out = {"sha256": manifest.exclusions_checksum, "rows": manifest.n_exclusions}
    check_table(report, exclusions, left_out, EXCLUSIONS, repair=REPAIR)


def _wrong_rows(table: pa.Table, manifest: DatasetManifest) -> list[str]:
    wrong = []
    numbers, counts = np.unique(table["space_group_number"].to_numpy(), return_counts=True)
    found = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    expected = {number: count for number, count in manifest.counts.items() if count}
    if found != expected:
        wrong.append(f"Crystals per space group: expected {expected}, found {found}")
    owners = table["dataset_id"].unique().to_pylist()
    if owners != [manifest.dataset_id]:
        wrong.append(f"dataset_id: expected {manifest.dataset_id!r} in every row, found {owners}")
    return wrong
