"""The manifest of a dataset: what it holds, where it came from, and the checksums that prove it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from crystalforge.errors import DamagedFileError
from crystalforge.files import read_json
from crystalforge.home import DATASET_RECORD


@dataclass(frozen=True)
class DatasetManifest:
    """What ``manifest.json`` says; written last, it is the commit of the dataset.

    Attributes:
        dataset_id: name and the first 8 digits of the content's hash.
        name: given by the user, or the name of the source.
        source: as the user wrote it.
        source_kind: ``bundled``, ``parquet``, ``csv``, ``cif_folder``, ``optimade`` or ``materials_project``.
        source_checksum: SHA-256 of the source.
        licence: of the crystals.
        attribution: whom to name.
        space_groups: those asked for.
        symprec: tolerance of the symmetry search (Å).
        merge_cutoff: distance at which atoms of one orbit were merged (Å).
        request: fingerprint of source, name and settings: an equal request needs no second build.
        n_materials: crystals kept.
        counts: crystals per space group; every group asked for has an entry.
        checksum: SHA-256 of ``materials.parquet``.
        n_exclusions: inputs left out.
        exclusion_counts: inputs per reason.
        exclusions_checksum: SHA-256 of ``exclusions.parquet``.
        versions: of the packages whose results are in the files.
        created_at: UTC, ISO 8601.
        schema: of ``materials.parquet``; manifests of the first version do not have it.
        filters: elements and stability asked for; empty where nothing was.
        origin: of a server's crystals: endpoint, query, counts, version and time, as ``DownloadRecord`` has them.
        seconds: that reading and curating took, without what a server took; None where it was not noted.
    """

    dataset_id: str
    name: str
    source: str
    source_kind: str
    source_checksum: str
    licence: str
    attribution: str
    space_groups: list[int]
    symprec: float
    merge_cutoff: float
    request: str
    n_materials: int
    counts: dict[int, int]
    checksum: str
    n_exclusions: int
    exclusion_counts: dict[str, int]
    exclusions_checksum: str
    versions: dict[str, str]
    created_at: str
    schema: str = "materials/1"
    filters: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON has it: keys of ``counts`` are strings."""
        value = asdict(self)
        value["counts"] = {str(number): count for number, count in self.counts.items()}
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any], path: Path) -> DatasetManifest:
        """Read what ``to_json`` gave; keys of later versions are left alone.

        Raises:
            DamagedFileError: a key is missing or of another kind.
        """
        try:
            # What has a default came with a later version: an earlier manifest lacks it.
            required = {part.name for part in fields(cls) if part.default is part.default_factory is MISSING}
            expected = [part.name for part in fields(cls) if part.name in required or part.name in value]
            known = {name: value[name] for name in expected}
            known["counts"] = {int(number): int(count) for number, count in value["counts"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DamagedFileError(
                f"{path} is damaged: expected the manifest of a dataset, {error!r} is missing or of another kind. "
                "Run the same `platform dataset build` again to make it anew."
            ) from error
        return cls(**known)


def read_manifest(folder: Path) -> DatasetManifest:
    """Manifest of a dataset's folder.

    Raises:
        StorageError: it cannot be read.
        DamagedFileError: it is not a manifest.
    """
    path = folder / DATASET_RECORD
    return DatasetManifest.from_json(read_json(path), path)
