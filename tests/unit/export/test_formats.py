"""Every format is read back by pymatgen or ASE: same composition, space group and atoms within 1e-6."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.db
import ase.io
import moyopy
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ase import Atoms
from drawn_crystals import drawn_crystals
from optimade.adapters import Structure as OptimadeStructure
from optimade.models import StructureResource
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifParser
from same_crystals import assert_same_atoms, assert_same_cell

from crystalforge.crystals import CrystalBatch, to_structure
from crystalforge.crystals.identity import crystal_ids
from crystalforge.crystals.primitive import primitive_cells
from crystalforge.crystals.rows import batch_from_table, batch_to_columns
from crystalforge.export.choices import CellKind, FormatName
from crystalforge.export.choosing import ChosenCrystals, CrystalQuery
from crystalforge.export.content import Content
from crystalforge.export.entries import entries_of
from crystalforge.export.formats import FORMATS
from crystalforge.export.symmetrised import symmetrised_crystals
from crystalforge.symmetry import SPACE_GROUPS

PER_GROUP = 2
THE_DAY = "2026-01-01T00:00:00+00:00"


@pytest.fixture(scope="module")
def batch(bundled_materials: pa.Table) -> CrystalBatch:
    """Real and generated crystals of each of the 12 groups."""
    real = batch_from_table(bundled_materials)
    rows = [row for _, members in real.by_space_group() for row in members[:PER_GROUP]]
    return CrystalBatch.concatenate([real.select(rows), drawn_crystals(PER_GROUP)])


@pytest.fixture(scope="module")
def rows(batch: CrystalBatch) -> pa.Table:
    n = len(batch)
    columns = {
        "material_id": pa.array([f"m/{index} x" for index in range(n)]),
        "crystal_id": pa.array(crystal_ids(batch)),
        "dataset_id": pa.array(["d-1"] * n),
        "energy_above_hull": pa.array([None, *np.linspace(0, 1, n - 1)]),
    }
    return pa.table({**columns, **batch_to_columns(batch)})


def content_of(rows: pa.Table, batch: CrystalBatch, cell: CellKind = CellKind.CONVENTIONAL) -> Content:
    chosen = ChosenCrystals(CrystalQuery("materials"), rows, list(symmetrised_crystals(batch)), {})
    entries = list(entries_of(chosen))
    return Content("materials", rows, entries, cell, [THE_DAY] * len(entries), {"energy_above_hull": "Above (eV/atom)"})


@pytest.fixture(scope="module")
def content(rows: pa.Table, batch: CrystalBatch) -> Content:
    return content_of(rows, batch)


def of_pymatgen(structure: Structure) -> tuple[Any, list[str], Any]:
    return structure.lattice.matrix, [site.specie.symbol for site in structure], structure.frac_coords


def of_ase(atoms: Atoms) -> tuple[Any, list[str], Any]:
    assert atoms.pbc.all()
    return atoms.cell.array, atoms.get_chemical_symbols(), atoms.get_scaled_positions()


def by_pymatgen(texts: list[str]) -> list[Structure]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Issues encountered while parsing CIF: .*coordinates rounded")
        return [
            structure
            for text in texts
            for structure in CifParser.from_str(text, frac_tolerance=0).parse_structures(primitive=False)
        ]


def read_cif(folder: Path, content: Content) -> Iterator[tuple[Any, list[str], Any]]:
    texts = texts_of(FormatName.CIF, content)
    yield from map(of_pymatgen, by_pymatgen(texts))
    yield from (of_ase(ase.io.read(io.StringIO(text), format="cif")) for text in texts)


def read_poscar(folder: Path, content: Content) -> Iterator[tuple[Any, list[str], Any]]:
    paths = []
    for entry, text in zip(content.entries, texts_of(FormatName.POSCAR, content), strict=True):
        paths.append(folder / f"{entry.name}{FORMATS[FormatName.POSCAR].suffix}")
        paths[-1].write_text(text)
    assert all(path.read_text().startswith(path.name.removesuffix(".POSCAR.vasp")) for path in paths)
    yield from (of_pymatgen(Structure.from_file(path)) for path in paths)
    yield from (of_ase(ase.io.read(path)) for path in paths)


def read_extxyz(folder: Path, content: Content) -> Iterator[tuple[Any, list[str], Any]]:
    frames = ase.io.read(write(FormatName.EXTXYZ, folder, content), index=":")
    assert [frame.info["crystal_id"] for frame in frames] == content.rows["crystal_id"].to_pylist()
    assert [frame.info.get("energy_above_hull") for frame in frames] == content.rows["energy_above_hull"].to_pylist()
    for frame, entry in zip(frames, content.entries, strict=True):
        assert set(frame.arrays["wyckoff_letter"]) == set(entry.crystal.wyckoff_letter)
    yield from map(of_ase, frames)


def read_ase_db(folder: Path, content: Content) -> Iterator[tuple[Any, list[str], Any]]:
    with ase.db.connect(write(FormatName.ASE_DB, folder, content)) as database:
        of_group = list(database.select(space_group_number=225))
        expected = [e.identifier for e in content.entries if e.crystal.space_group_number == 225]
        assert [row.data["material_id"] for row in of_group] == expected
        yield from (of_ase(row.toatoms()) for row in database.select())


def read_optimade(folder: Path, content: Content) -> Iterator[tuple[Any, list[str], Any]]:
    header, info, *entries = map(json.loads, write(FormatName.OPTIMADE_JSONL, folder, content).read_text().splitlines())
    assert header["x-optimade"]["meta"]["api_version"].startswith("1.")
    assert info["properties"]["_crystalforge_energy_above_hull"]["description"] == "Above (eV/atom)"
    for entry in entries:
        StructureResource.model_validate(entry)
        yield of_pymatgen(OptimadeStructure(entry).as_pymatgen)
    for entry in entries:
        yield of_ase(OptimadeStructure(entry).as_ase)


def read_csv(folder: Path, content: Content) -> Iterator[tuple[Any, list[str], Any]]:
    frame = pd.read_csv(write(FormatName.CSV, folder, content), dtype={"crystal_id": str})
    assert frame["crystal_id"].tolist() == content.rows["crystal_id"].to_pylist()
    assert json.loads(frame["elements"][0]) == content.rows["elements"][0].as_py()
    yield from map(of_pymatgen, by_pymatgen(frame["cif"].tolist()))


def read_parquet(folder: Path, content: Content) -> Iterator[tuple[Any, list[str], Any]]:
    table = pq.read_table(write(FormatName.PARQUET, folder, content))
    assert table.schema.field("energy_above_hull").metadata == {b"comment": b"Above (eV/atom)"}
    for row in table.to_pylist():
        lattice = Lattice(np.reshape(row["lattice"], (3, 3)))
        yield of_pymatgen(Structure(lattice, row["species"], np.reshape(row["frac_coords"], (-1, 3))))
    if content.cell is CellKind.CONVENTIONAL:
        yield from (of_pymatgen(to_structure(row)) for row in table.to_pylist())


READERS = {
    FormatName.CIF: read_cif,
    FormatName.POSCAR: read_poscar,
    FormatName.EXTXYZ: read_extxyz,
    FormatName.ASE_DB: read_ase_db,
    FormatName.OPTIMADE_JSONL: read_optimade,
    FormatName.CSV: read_csv,
    FormatName.PARQUET: read_parquet,
}


def texts_of(name: FormatName, content: Content) -> list[str]:
    text_of = FORMATS[name].text_of
    assert text_of is not None
    return [text_of(entry, content.cell) for entry in content.entries]


def write(name: FormatName, folder: Path, content: Content) -> Path:
    path, told = folder / f"crystals{FORMATS[name].suffix}", []
    write_file = FORMATS[name].write_file
    assert write_file is not None
    write_file(path, content, told.append)
    assert told[-1] == len(content.entries)
    return path


def test_every_format_has_a_reader_here() -> None:
    assert set(READERS) == set(FORMATS) == set(FormatName)


def space_group_of(lattice: Any, names: list[str], frac_coords: Any) -> int:
    atoms = Atoms(names, scaled_positions=frac_coords, cell=lattice, pbc=True)
    cell = moyopy.Cell(atoms.cell.tolist(), atoms.get_scaled_positions().tolist(), atoms.numbers.tolist())
    return int(moyopy.MoyoDataset(cell, symprec=1e-4).number)


@pytest.mark.parametrize("name", FormatName)
def test_crystals_come_back(name: FormatName, content: Content, batch: CrystalBatch, tmp_path: Path) -> None:
    assert set(batch.space_group_number.tolist()) == set(SPACE_GROUPS)
    found = list(READERS[name](tmp_path, content))
    assert len(found) % len(batch) == 0 and found
    expected = [of_pymatgen(to_structure(batch, index)) for index in range(len(batch))]
    groups = [space_group_of(*crystal) for crystal in expected]
    # A drawn crystal may have more symmetry than was asked for; a real one here has not.
    assert groups[: len(batch) // 2] == batch.space_group_number[: len(batch) // 2].tolist()
    for place, (lattice, names, frac_coords) in enumerate(found):
        its_lattice, its_names, its_coords = expected[place % len(batch)]
        assert_same_cell(lattice, its_lattice)
        assert_same_atoms(names, frac_coords, its_names, its_coords)
        assert space_group_of(lattice, names, frac_coords) == groups[place % len(batch)]


@pytest.mark.parametrize("name", [name for name in FormatName if not FORMATS[name].conventional_only])
def test_primitive_cells_come_back(name: FormatName, rows: pa.Table, batch: CrystalBatch, tmp_path: Path) -> None:
    found = list(READERS[name](tmp_path, content_of(rows, batch, CellKind.PRIMITIVE)))
    expected = dict(primitive_cells(batch))
    assert found
    for place, (lattice, names, frac_coords) in enumerate(found):
        cell = expected[place % len(batch)]
        its_names = Atoms(numbers=cell.atomic_numbers).get_chemical_symbols()
        assert_same_cell(lattice, cell.lattice)
        assert_same_atoms(names, frac_coords, its_names, cell.frac_coords)


def test_names_sort_and_hold_no_odd_character(content: Content) -> None:
    names = [entry.name for entry in content.entries]
    assert names == sorted(names) and len(set(names)) == len(names)
    assert names[0].startswith("01_") and names[0].endswith("_m-0-x")
    assert all(character.isalnum() or character in "_.+-" for name in names for character in name)


def test_operations_go_with_the_conventional_cell_only(content: Content, rows: pa.Table, batch: CrystalBatch) -> None:
    from crystalforge.export.formats.optimade import structure_entry

    of_conventional = structure_entry(content.entries[0], CellKind.CONVENTIONAL, THE_DAY)["attributes"]
    of_primitive = structure_entry(content.entries[0], CellKind.PRIMITIVE, THE_DAY)["attributes"]
    assert "space_group_symmetry_operations_xyz" in of_conventional
    assert "space_group_symmetry_operations_xyz" not in of_primitive
    assert of_primitive["space_group_it_number"] == content.entries[0].crystal.space_group_number
