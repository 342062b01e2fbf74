"""Make the bundled dataset again, from Python packages that carry crystals of the Materials Project.

    python -m crystalforge.dataset.make_bundled --output materials.parquet

Downloads (about 24 MB, by ``pip download``, as pip is configured) the wheel of crystal-toolkit and the source
distribution of matminer 0.3.6 into a temporary folder; installs neither (pip runs matminer's ``setup.py`` for its
metadata). Extracts the structures, curates them as any other source, and keeps the first of each reduced formula and
space group. Takes some minutes on one core.
"""

from __future__ import annotations

import argparse
import ast
import csv
import gzip
import io
import json
import logging
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from crystalforge.crystals.composition import n_atoms_conventional, reduced_formulas
from crystalforge.crystals.elements import symbols
from crystalforge.dataset.build import COMPRESSION_LEVEL
from crystalforge.dataset.cif_parser import CifRecord
from crystalforge.dataset.crystal_columns import CrystalColumns, columns_of
from crystalforge.dataset.curation import CuratedCrystals, curate
from crystalforge.dataset.exclusion import Exclusion, LeftOutError, count_reasons
from crystalforge.dataset.standard_parquet import CELL_COLUMNS, PROPERTY_COLUMNS
from crystalforge.dataset.standardise import StandardisedCrystal, standardise
from crystalforge.errors import MissingDependencyError, SourceError
from crystalforge.symmetry import SPACE_GROUPS, hall_number_of
from crystalforge.table_files import write_table

CRYSTAL_TOOLKIT = "crystal-toolkit==2026.7.20"
MATMINER = "matminer==0.3.6"
MATBENCH_MEMBER = "crystal_toolkit/apps/examples/matbench_dielectric.json.gz"
MATMINER_TABLES = ("flla_2015", "elastic_tensor", "dielectric_constant", "piezoelectric_tensor")
"""In the order of preference where two hold the same formula and group: those with energies first, matbench last."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RawStructure:
    """A structure as a package has it.

    Attributes:
        origin: table and row.
        material_id: Materials Project identifier, or the table's own.
        structure: pymatgen's.
        properties: energies (eV/atom) and band gap (eV), where the table has them.
    """

    origin: str
    material_id: str
    structure: Any
    properties: dict[str, float | None]


def main() -> None:
    """Download, extract, curate, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="Parquet file to write")
    parser.add_argument("--packages", type=Path, help="folder that holds the two packages already")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with tempfile.TemporaryDirectory() as temporary:
        packages = arguments.packages or Path(temporary)
        if arguments.packages is None:
            _download(packages)
        table = bundled_table(packages)
    write_table(arguments.output, table, compression_level=COMPRESSION_LEVEL)
    logger.info("file=%s rows=%d bytes=%d", arguments.output, table.num_rows, arguments.output.stat().st_size)


def _download(folder: Path) -> None:
    """Fetch the packages; pip prepares the metadata of the source distribution, with the setuptools at hand."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    for arguments in (
        ["--only-binary", ":all:", CRYSTAL_TOOLKIT],
        ["--no-binary", ":all:", "--no-build-isolation", MATMINER],
    ):
        finished = subprocess.run([*pip, *arguments], capture_output=True, text=True, check=False)
        if finished.returncode != 0:
            raise MissingDependencyError(
                f"pip could not download {arguments[-1]} (exit code {finished.returncode}): "
                f"{finished.stderr.strip()[-500:]}"
            )


def bundled_table(packages: Path) -> pa.Table:
    """Curate what the packages hold; one row per reduced formula and space group.

    Args:
        packages: folder of the two downloaded packages.
    """
    parsed: list[tuple[CifRecord, StandardisedCrystal]] = []
    exclusions: list[Exclusion] = []
    for raw in raw_structures(packages):
        record = CifRecord(raw.origin, raw.material_id, "", raw.properties)
        try:
            parsed.append((record, _standardise(raw.structure)))
        except LeftOutError as error:
            exclusions.append(Exclusion(raw.origin, error.reason, error.detail))
    columns = columns_of(parsed)
    curated = curate(columns, SPACE_GROUPS)
    logger.info("structures=%d fit=%d", len(parsed) + len(exclusions), len(curated.batch))
    logger.info("left_out=%s", count_reasons([*exclusions, *curated.exclusions]))
    return _unique_rows(columns, curated)


def _standardise(structure: Any) -> StandardisedCrystal:
    if not structure.is_ordered:
        raise SourceError(f"Expected ordered structures in these packages, found {structure.formula}.")
    numbers = np.array([site.specie.Z for site in structure], dtype=np.int64)
    return standardise(np.array(structure.lattice.matrix), np.array(structure.frac_coords), numbers)


def raw_structures(packages: Path) -> Iterator[RawStructure]:
    """Every structure of the packages, tables in the order of preference."""
    with tarfile.open(_package(packages, "matminer-*.tar.gz")) as archive:
        for table in MATMINER_TABLES:
            yield from _matminer_table(archive, table)
    with zipfile.ZipFile(_package(packages, "crystal_toolkit-*.whl")) as wheel:
        yield from _matbench_dielectric(gzip.decompress(wheel.read(MATBENCH_MEMBER)))


def _package(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SourceError(f"Expected one {pattern} in {folder}, found {len(found)}.")
    return found[0]


def _matminer_table(archive: tarfile.TarFile, table: str) -> Iterator[RawStructure]:
    folder = MATMINER.replace("==", "-")
    stream = archive.extractfile(f"{folder}/matminer/datasets/{table}.csv")
    if stream is None:
        raise SourceError(f"Expected {table}.csv in {folder}, found none.")
    csv.field_size_limit(2**31 - 1)
    lines = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    next(lines)  # a comment that names the paper
    reader = csv.reader(lines)
    header = next(reader)
    for number, values in enumerate(reader, start=1):
        row = dict(zip(header, values[-len(header) :], strict=True))  # two tables have an index column without a name
        if row["material_id"]:
            properties = {
                "formation_energy_per_atom": _number(row, "formation_energy_per_atom"),
                "energy_above_hull": _number(row, "e_above_hull"),
                "band_gap": _number(row, "band_gap"),
            }
            yield RawStructure(f"{table} row {number}", row["material_id"], _structure(row), properties)


def _structure(row: dict[str, str]) -> Any:
    """``poscar`` where there is one, else a literal of pymatgen's dictionary."""
    from pymatgen.core import Structure
    from pymatgen.io.vasp.inputs import Poscar

    if row.get("poscar"):
        return Poscar.from_str(row["poscar"]).structure
    return Structure.from_dict(ast.literal_eval(row["structure"]))


def _number(row: dict[str, str], name: str) -> float | None:
    return float(row[name]) if row.get(name) else None


def _matbench_dielectric(content: bytes) -> Iterator[RawStructure]:
    """This copy of Matbench's table has no identifiers: its rows are counted from 1."""
    from pymatgen.core import Structure

    for index, value in json.loads(content)["structure"].items():
        number = int(index) + 1
        yield RawStructure(
            f"matbench_dielectric row {number}", f"crystal-toolkit-dielectric-{number}", Structure.from_dict(value), {}
        )


def _unique_rows(columns: CrystalColumns, curated: CuratedCrystals) -> pa.Table:
    """Columns of the standard Parquet format; the first of each reduced formula and group, in a fixed order."""
    batch = curated.batch
    keys = list(zip(batch.space_group_number.tolist(), reduced_formulas(batch), strict=True))
    first = {key: position for position, key in reversed(list(enumerate(keys)))}
    chosen = np.array([first[key] for key in sorted(first)], dtype=np.intp)
    kept, rows = batch.select(chosen), curated.rows[chosen]
    cells = {name: kept.lattice_parameters[:, axis].round(6) for axis, name in enumerate(CELL_COLUMNS)}
    properties = {
        column: pa.array(columns.properties[name][rows], pa.float64(), from_pandas=True)
        for name, column in PROPERTY_COLUMNS.items()
    }
    return pa.table(
        {
            "material_id": pa.array(columns.material_ids[rows], pa.string()),
            "formula": [key[1] for key in sorted(first)],
            "space_group_number": kept.space_group_number,
            "hall_number": [hall_number_of(int(number)) for number in kept.space_group_number],
            **cells,
            "conv_n_atoms": n_atoms_conventional(kept),
            "base_species": symbols(kept.atomic_numbers).tolist(),
            "base_frac_coords": kept.frac_coords.reshape(-1, 9).round(8).tolist(),
            "base_wyckoff": kept.wyckoff_letter.tolist(),
            "base_multiplicity": kept.multiplicity.tolist(),
            **properties,
            "source_row": [str(columns.inputs[row]) for row in rows],
        }
    )


if __name__ == "__main__":
    main()
