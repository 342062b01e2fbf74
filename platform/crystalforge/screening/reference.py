"""Where a reference hull comes from: a dataset's own crystals, or a Parquet file of formation energies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from crystalforge.dataset import find_dataset
from crystalforge.errors import UsageError
from crystalforge.files import sha256_of_file, storage_errors
from crystalforge.home import Home

FORMATION_ENERGY = "formation_energy_per_atom"
UNSTATED = "not stated"
MP_CORRECTION = "PBE with the corrections of MP2020"


@dataclass(frozen=True)
class ReferenceCrystal:
    """A known crystal on the reference's scale."""

    name: str
    """Identifier in the source."""
    formula: str
    formation_energy_per_atom: float
    """eV/atom; counted from the elements, each of which stands at 0."""


@dataclass(frozen=True)
class Reference:
    """Crystals whose formation energies share one scale."""

    name: str
    """With the first digits of a checksum: two references of one name never meet."""
    correction: str
    """Functional and corrections."""
    crystals: tuple[ReferenceCrystal, ...]


def reference_from_materials(materials: pa.Table, dataset_id: str, correction: str = UNSTATED) -> Reference:
    """The hull of a dataset's own crystals; it lacks every system that the dataset does not hold.

    Args:
        materials: table ``materials``.
        dataset_id: its dataset, which names the reference.
        correction: of the energies, where the source says.

    Raises:
        UsageError: no crystal has a formation energy.
    """
    return Reference(dataset_id, correction, _crystals(materials, "material_id", "reduced_formula", dataset_id))


def choose_reference(home: Home, path: Path | None, correction: str | None = None) -> Reference:
    """The reference in a file, or without one the newest dataset's own crystals.

    Args:
        home: where the datasets are.
        path: Parquet file of formation energies.
        correction: functional and corrections of its energies; None for not stated.

    Raises:
        UsageError: as ``read_reference``.
        DatasetNotFoundError: there is neither.
    """
    stated = correction or UNSTATED
    if path is not None:
        return read_reference(path, stated)
    dataset = find_dataset(home)
    return reference_from_materials(dataset.materials(), dataset.dataset_id, stated)


def read_reference(path: Path, correction: str = UNSTATED) -> Reference:
    """Read a Parquet file with the columns ``formula``, ``formation_energy_per_atom`` and perhaps ``material_id``.

    Raises:
        UsageError: no such file, not Parquet, columns missing, or no crystal with an energy.
        StorageError: it cannot be read.
    """
    table = read_given_table("--reference", path, "formation energies")
    missing = [name for name in ("formula", FORMATION_ENERGY) if name not in table.column_names]
    if missing:
        raise UsageError(
            f"--reference {path} lacks {', '.join(missing)}: expected formula and {FORMATION_ENERGY} (eV/atom); it has "
            f"{', '.join(table.column_names)}."
        )
    identifier = "material_id" if "material_id" in table.column_names else "formula"
    name = f"{path.stem}-{sha256_of_file(path)[:8]}"
    return Reference(name, correction, _crystals(table, identifier, "formula", str(path)))


def read_given_table(option: str, path: Path, content: str) -> pa.Table:
    """A Parquet file that the user names by an option.

    Raises:
        UsageError: no such file, or not Parquet.
        StorageError: it cannot be read.
    """
    if not path.is_file():
        raise UsageError(f"{option} {path}: expected a Parquet file of {content}, found none.")
    with storage_errors(path):
        try:
            return pq.read_table(path)
        except pa.ArrowException as error:
            raise UsageError(f"{option} {path}: expected Parquet ({error}).") from error


def _crystals(table: pa.Table, identifier: str, formula: str, source: str) -> tuple[ReferenceCrystal, ...]:
    columns = (table[name].to_pylist() for name in (identifier, formula, FORMATION_ENERGY))
    crystals = tuple(
        ReferenceCrystal(str(name), text, float(energy))
        for name, text, energy in zip(*columns, strict=True)
        if text and energy is not None and math.isfinite(energy)
    )
    if not crystals:
        raise UsageError(f"{source} has no crystal with a formation energy: no hull can be made of it.")
    return crystals
