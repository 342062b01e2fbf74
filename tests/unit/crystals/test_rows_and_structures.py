"""Rows to batches and back, and to structures of all atoms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from crystal_prototypes import PROTOTYPES, batch_of, reference_structure
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.contacts import least_contacts
from crystalforge.crystals.rows import batch_from_table, batch_to_columns, sites_to_column
from crystalforge.crystals.structures import to_atoms, to_structure
from crystalforge.errors import UsageError
from crystalforge.schemas import MATERIALS, SAMPLES

BATCH = batch_of()
COLUMNS = batch_to_columns(BATCH)


def assert_same(first: CrystalBatch, second: CrystalBatch) -> None:
    for name in ("space_group_number", "lattice_parameters", "atomic_numbers", "frac_coords", "multiplicity"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.wyckoff_letter.tolist() == second.wyckoff_letter.tolist()


@pytest.mark.parametrize("schema", [SAMPLES, MATERIALS])
def test_columns_are_of_the_schemas_types_and_without_nulls(schema: pa.Schema) -> None:
    for name, values in COLUMNS.items():
        assert values.type == schema.field(name).type, name
        assert values.null_count == 0 and len(values) == len(BATCH)
    chosen = pa.schema([field for field in schema if field.name in COLUMNS])
    pa.table(COLUMNS).select(chosen.names).cast(chosen).validate(full=True)
    derived = {"sample_id", "crystal_id", "material_id", "generation_id", "training_id", "dataset_id"}
    assert not derived & set(COLUMNS)
    assert set(SAMPLES.names) & set(MATERIALS.names) - derived <= set(COLUMNS)


def test_round_trip_through_parquet_and_through_lists_of_any_length(tmp_path: Path) -> None:
    pq.write_table(pa.table(COLUMNS), tmp_path / "rows.parquet")
    table = pq.read_table(tmp_path / "rows.parquet")
    assert_same(batch_from_table(table), BATCH)
    loose = pa.Table.from_pylist(table.to_pylist())
    assert pa.types.is_list(loose.schema.field("elements").type)
    assert_same(batch_from_table(loose), BATCH)
    chunked = pa.concat_tables([table.slice(5), table.slice(0, 5)])
    assert_same(batch_from_table(chunked), BATCH.select([*range(5, len(BATCH)), *range(5)]))
    assert len(batch_from_table(table.slice(0, 0))) == 0


def test_a_crystal_without_places_has_nulls_only_where_the_schema_of_samples_allows() -> None:
    batch = batch_of()
    batch.frac_coords[4, 0] = np.nan
    batch.multiplicity[4, 0] = 0
    batch.wyckoff_letter[4, 0] = ""
    columns = batch_to_columns(batch)
    for name, values in columns.items():
        assert values.null_count == (1 if SAMPLES.field(name).nullable else 0), name
        assert not values.null_count or values[4].as_py() is None
    assert columns["base_frac_coords"][5].as_py() == COLUMNS["base_frac_coords"][5].as_py()
    table = pa.table(columns)
    with pytest.raises(UsageError, match="base_frac_coords: expected a value in each of 13 rows, got 1"):
        batch_from_table(table)
    kept = table.filter(table["base_frac_coords"].is_valid())
    assert_same(batch_from_table(kept), BATCH.select(np.arange(13) != 4))


def test_known_contacts_are_not_computed_again() -> None:
    contacts = least_contacts(BATCH)
    again = batch_to_columns(BATCH, contacts)
    assert again["min_contact_ratio"].equals(COLUMNS["min_contact_ratio"])


def test_raw_sites_have_the_schemas_type() -> None:
    column = sites_to_column(BATCH.frac_coords)
    assert column.type == SAMPLES.field("raw_frac_coords").type
    np.testing.assert_array_equal(np.array(column.to_pylist()), BATCH.frac_coords)


def test_an_empty_batch_gives_empty_columns() -> None:
    assert all(len(values) == 0 for values in batch_to_columns(CrystalBatch.empty()).values())


def test_a_table_of_something_else_is_refused() -> None:
    with pytest.raises(UsageError, match="missing"):
        batch_from_table(pa.table({"a": [1.0]}))
    short = pa.table(COLUMNS).slice(0, 1).to_pylist()
    short[0]["elements"] = ["Sr", "Ti"]
    with pytest.raises(UsageError, match="elements: expected 3"):
        batch_from_table(pa.Table.from_pylist(short))


@pytest.mark.parametrize("index", range(len(PROTOTYPES)), ids=[prototype.name for prototype in PROTOTYPES])
def test_structure_and_atoms_of_a_row_are_the_crystal(index: int) -> None:
    row = pa.table(COLUMNS).to_pylist()[index]
    structure, atoms = to_structure(row), to_atoms(row)
    reference = reference_structure(BATCH, index)
    assert structure.composition == reference.composition
    assert StructureMatcher(primitive_cell=False, scale=False, ltol=1e-4, stol=1e-4).fit(structure, reference)
    letters = structure.site_properties["wyckoff_letter"]
    for (symbol, _, multiplicity, letter), species in zip(PROTOTYPES[index].sites, row["elements"], strict=True):
        assert symbol == species
        assert [(str(s.specie), w) for s, w in zip(structure, letters, strict=True)].count(
            (symbol, letter)
        ) == multiplicity
    np.testing.assert_allclose(atoms.cell.cellpar(), BATCH.lattice_parameters[index], atol=1e-9)
    assert AseAtomsAdaptor.get_structure(atoms).matches(structure)
    assert to_structure(BATCH, index) == structure
    assert atoms.info["space_group_number"] == PROTOTYPES[index].space_group_number
    assert len(to_atoms(BATCH, index)) == len(structure)


def test_a_rejected_row_is_refused_with_its_reason() -> None:
    row = pa.table(COLUMNS).to_pylist()[0] | {
        "base_frac_coords": None,
        "sample_id": "8f2c-225-17",
        "reject_reason": "percolates",
    }
    with pytest.raises(UsageError, match="8f2c-225-17 is not a whole crystal, rejected: percolates"):
        to_structure(row)
    batch = batch_of()
    batch.frac_coords[0] = np.nan
    with pytest.raises(UsageError, match="without a place"):
        to_atoms(batch, 0)
