"""Datasets that are in the home folder: list them, find one, read its crystals."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from crystalforge.dataset.manifest import DatasetManifest, read_manifest
from crystalforge.errors import DamagedFileError, DatasetNotFoundError
from crystalforge.files import check_sha256, path_within
from crystalforge.home import DATASET_RECORD, EXCLUSIONS_FILE, MATERIALS_FILE, Home
from crystalforge.schemas import EXCLUSIONS, MATERIALS
from crystalforge.suggestions import did_you_mean
from crystalforge.table_files import read_table

logger = logging.getLogger(__name__)

REPAIR = "Run the same `platform dataset build` again to make it anew."


@dataclass(frozen=True)
class Dataset:
    """A dataset whose materials were found whole.

    Attributes:
        path: its folder.
        manifest: what it holds and where it came from.
    """

    path: Path
    manifest: DatasetManifest

    @property
    def dataset_id(self) -> str:
        """Name and the first 8 digits of the content's hash."""
        return self.manifest.dataset_id

    @property
    def checksum(self) -> str:
        """SHA-256 of ``materials.parquet``."""
        return self.manifest.checksum

    def materials(self) -> pa.Table:
        """The crystals, in schema ``materials``, by space group and identifier.

        Raises:
            DamagedFileError: the file is not the one of the manifest, or has another schema.
            SchemaVersionError: it was written by a newer crystalforge.
        """
        return read_table(self.path / MATERIALS_FILE, self.checksum, MATERIALS, repair=REPAIR)

    def exclusions(self) -> pa.Table:
        """The inputs that were left out, in schema ``exclusions``, in the order of the source.

        Raises:
            DamagedFileError: the file is not the one of the manifest.
        """
        path = path_within(self.path, EXCLUSIONS_FILE, source=self.path)
        return read_table(path, self.manifest.exclusions_checksum, EXCLUSIONS, repair=REPAIR)


def list_datasets(home: Home) -> list[DatasetManifest]:
    """Manifests of all datasets that were built to the end, newest first; a damaged one is left out with a warning."""
    if not home.datasets.is_dir():
        return []
    folders = [folder for folder in home.datasets.iterdir() if (folder / DATASET_RECORD).is_file()]
    manifests = [manifest for folder in sorted(folders) if (manifest := _intact(folder))]
    return sorted(manifests, key=lambda manifest: (manifest.created_at, manifest.dataset_id), reverse=True)


def _raise_if_damaged(home: Home, name_or_id: str | None) -> None:
    """Say that a dataset is damaged where it would else be said to be missing."""
    for manifest in sorted(home.datasets.glob(f"*/{DATASET_RECORD}")):
        dataset_id = manifest.parent.name
        if name_or_id in (None, dataset_id, dataset_id.rpartition("-")[0]):
            read_manifest(manifest.parent)


def _intact(folder: Path) -> DatasetManifest | None:
    try:
        return read_manifest(folder)
    except DamagedFileError as error:
        logger.warning("%s", error)
        return None


def _names(manifests: list[DatasetManifest]) -> list[str]:
    return [name for manifest in manifests for name in (manifest.name, manifest.dataset_id)]


def find_dataset(home: Home, name_or_id: str | None = None) -> Dataset:
    """Find a dataset and verify its materials.

    Args:
        home: where datasets lie.
        name_or_id: identifier, or name (the newest of that name); None takes the newest of all.

    Raises:
        DatasetNotFoundError: none fits; the message lists what exists.
        DamagedFileError: its materials are not what the manifest says, or a link leads to another place.
    """
    manifests = list_datasets(home)
    fitting = [m for m in manifests if name_or_id in (None, m.dataset_id, m.name)]
    if not fitting:
        _raise_if_damaged(home, name_or_id)
        known = ", ".join(manifest.dataset_id for manifest in manifests) or "none"
        wanted = f"No dataset {name_or_id!r}" if name_or_id else "No dataset"
        raise DatasetNotFoundError(
            f"{wanted} in {home.datasets}: expected one of those that exist ({known}). "
            "Build one with `platform dataset build bundled`."
            f"{did_you_mean(name_or_id or '', _names(manifests))}"
        )
    manifest = fitting[0]
    folder = path_within(home.datasets, manifest.dataset_id, source=home.datasets)
    check_sha256(path_within(folder, MATERIALS_FILE, source=folder), manifest.checksum, REPAIR)
    return Dataset(folder, manifest)
