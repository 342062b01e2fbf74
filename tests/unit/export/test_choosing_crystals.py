"""Reading the crystals of an SQL condition: every table, order, limit, relaxed cells, and what is left out and why."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from ase.spacegroup import crystal as ase_crystal
from drawn_crystals import drawn_crystals
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice
from pymatgen.core import Structure as PymatgenStructure
from same_crystals import assert_same_atoms, assert_same_cell
from small_catalog import plain_row
from small_screening import add_screening

from crystalforge.catalog.query import Catalog, open_catalog
from crystalforge.catalog.shards import ShardManifest, write_shard
from crystalforge.crystals import to_structure
from crystalforge.crystals.elements import symbols
from crystalforge.crystals.primitive import primitive_cells
from crystalforge.crystals.symmetry_search import find_space_groups
from crystalforge.errors import DamagedFileError, QueryError, UsageError
from crystalforge.export import CellKind, CrystalQuery, cif_text, read_crystals, symmetrised_crystals
from crystalforge.export.choosing import TABLES
from crystalforge.export.entries import cell_atoms, entries_of
from crystalforge.export.relaxed import symmetrise
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home
from crystalforge.schemas.discoveries import DISCOVERIES
from crystalforge.validation.states import Structure

RELAXED = 3
"""Candidates of which a screening relaxed all but the last to the end."""
STRETCH = 1.05
EXACTLY = StructureMatcher(ltol=1e-4, stol=0.01, angle_tol=0.01, primitive_cell=False, scale=False)


@pytest.fixture(scope="module")
def screened(candidates: tuple[Home, GenerationPlan], tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The home with real candidates, a screening of three of them, and one of a real crystal."""
    home = Home.locate(shutil.copytree(candidates[0].path, tmp_path_factory.mktemp("screened") / "home"))
    with open_catalog(home) as catalog:
        chosen = read_crystals(catalog, CrystalQuery(where="space_group_number = 225", limit=RELAXED))
        real = read_crystals(catalog, CrystalQuery("materials", limit=1))
    rows = chosen.rows.to_pylist()
    relaxed = [
        _relaxation(row, crystal, status="failed" if place == RELAXED - 1 else "converged", energy=1.0 - place)
        for place, (row, crystal) in enumerate(zip(rows, chosen.crystals, strict=True))
    ]
    add_screening(home, "first", relaxed)
    _add_discoveries(home, "first", relaxed)
    row = real.rows.to_pylist()[0]
    add_screening(
        home, "real", [_relaxation(row | {"sample_id": row["material_id"]}, real.crystals[0])], source="materials"
    )
    return home


def _add_discoveries(home: Home, screening_id: str, relaxed: list[dict[str, Any]]) -> None:
    rows = [
        plain_row(
            DISCOVERIES,
            **{"relaxation_id": f"{screening_id}-{index}", "screening_id": screening_id, **crystal},
        )
        for index, crystal in enumerate(relaxed)
    ]
    flags = {field.name: True for field in DISCOVERIES if pa.types.is_boolean(field.type)}
    table = pa.Table.from_pylist([{**row, **flags, "is_converged": row["is_converged"]} for row in rows], DISCOVERIES)
    folder = home.screenings / screening_id
    ShardManifest(folder).append(vars(write_shard(folder, "discoveries.parquet", table)))


def _relaxation(row: dict[str, Any], crystal: Any, status: str = "converged", energy: float = 0.0) -> dict[str, Any]:
    """The primitive cell made larger, turned in space, with its origin moved: as a screening may leave it."""
    cell = cell_atoms(crystal, CellKind.PRIMITIVE)
    turn = np.array([[0.0, -1, 0], [0, 0, 1], [-1, 0, 0]])
    return {
        "source_id": row["sample_id"],
        "crystal_id": row["crystal_id"],
        "space_group_number": row["space_group_number"],
        "status": status,
        "is_converged": status == "converged",
        "energy_above_hull": energy,
        "lattice": (STRETCH * cell.lattice @ turn).reshape(-1).tolist(),
        "species": symbols(cell.atomic_numbers).tolist(),
        "frac_coords": ((cell.frac_coords + 0.1) % 1).reshape(-1).tolist(),
    }


@pytest.fixture(scope="module")
def catalog(screened: Home) -> Iterator[Catalog]:
    with open_catalog(screened) as opened:
        yield opened


def test_all_candidates_come_as_the_table_has_them(catalog: Catalog) -> None:
    found = read_crystals(catalog)
    (count,) = catalog.query("SELECT count(*) AS n FROM candidates")["n"].to_pylist()
    assert len(found) == count > 100
    assert found.left_out == {}
    for row, crystal in zip(found.rows.slice(0, 5).to_pylist(), found.crystals[:5], strict=True):
        expected = to_structure(row)
        names = [site.specie.symbol for site in expected]
        assert_same_cell(crystal.lattice, expected.lattice.matrix)
        assert_same_atoms(crystal.species, crystal.frac_coords, names, expected.frac_coords)


def test_the_lowest_energy_comes_first_and_ties_by_name(catalog: Catalog) -> None:
    found = read_crystals(catalog)
    energies = found.rows["energy_above_hull"].to_pylist()
    assert energies[:RELAXED] == [-1.0, 0.0, 1.0]
    assert set(energies[RELAXED:]) == {None}
    assert found.identifiers[RELAXED:] == sorted(found.identifiers[RELAXED:])


def test_condition_order_and_limit_are_sql(catalog: Catalog) -> None:
    query = CrystalQuery(where="space_group_number = 62 -- a comment", order_by="density DESC", limit=7)
    found = read_crystals(catalog, query)
    densities = found.rows["density"].to_pylist()
    assert len(found) == 7 and densities == sorted(densities, reverse=True)
    assert {crystal.space_group_number for crystal in found.crystals} == {62}


def test_every_table_gives_crystals(catalog: Catalog) -> None:
    for table in set(TABLES) - {"validations"}:  # test_calculated_cells.py has a queue
        found = read_crystals(catalog, CrystalQuery(table, limit=2))
        assert len(found) == 2, table
        assert all(cif_text(crystal).startswith("data_") for crystal in found.crystals)


def test_relaxed_cells_come_back_in_the_setting_of_their_group(catalog: Catalog) -> None:
    drawn = read_crystals(catalog, CrystalQuery(where="energy_above_hull IS NOT NULL"))
    relaxed = read_crystals(catalog, CrystalQuery(structure=Structure.RELAXED))
    assert len(relaxed) == RELAXED - 1
    assert set(relaxed.left_out) == {"no screening relaxed it to the end"}
    assert relaxed.left_out["no screening relaxed it to the end"] + len(relaxed) == len(read_crystals(catalog))
    before = dict(zip(drawn.identifiers, drawn.crystals, strict=True))
    for name, crystal, row in zip(relaxed.identifiers, relaxed.crystals, relaxed.rows.to_pylist(), strict=True):
        assert crystal.space_group_number == 225
        np.testing.assert_allclose(crystal.lattice_parameters[:3], STRETCH * before[name].lattice_parameters[:3])
        assert crystal.lattice_parameters[3:].tolist() == [90.0, 90.0, 90.0]
        assert sorted(crystal.species) == sorted(before[name].species)
        assert row["relaxation_id"].startswith("first-") and row["potential"] == "chgnet"
    told = next(entries_of(relaxed)).properties
    assert (told["screening_id"], told["space_group_asked_for"]) == ("first", 225)
    assert 0 <= told["symmetrisation_displacement"] < 1e-9
    assert "symmetrisation_displacement" not in next(entries_of(drawn)).properties
    assert "min_contact_ratio" not in told and "min_contact_ratio" in next(entries_of(drawn)).properties


def test_relaxations_stabilities_and_discoveries_say_why_a_row_is_left_out(catalog: Catalog) -> None:
    not_converged = {"not converged: its relaxation has no final cell": 1}
    found = read_crystals(catalog, CrystalQuery("relaxations"))
    assert len(found) == RELAXED and found.left_out == not_converged and found.query.is_relaxed
    discoveries = read_crystals(catalog, CrystalQuery("discoveries", where="is_stable"))
    assert len(discoveries) == RELAXED - 1 and discoveries.left_out == not_converged
    of_materials = read_crystals(catalog, CrystalQuery("materials", structure=Structure.RELAXED))
    assert len(of_materials) == 1


def test_rejected_samples_without_places_are_counted(catalog: Catalog) -> None:
    found = read_crystals(catalog, CrystalQuery("samples"))
    (all_of_them,) = catalog.query("SELECT count(*) AS n FROM samples")["n"].to_pylist()
    assert len(found) + sum(found.left_out.values()) == all_of_them


@pytest.mark.parametrize(
    ("query", "error", "text"),
    [
        (CrystalQuery("nothing"), UsageError, "expected one of candidates, samples, materials"),
        (CrystalQuery("material"), UsageError, "Did you mean 'materials'"),
        (CrystalQuery(limit=0), UsageError, "expected 1 to"),
        (
            CrystalQuery("relaxations", structure=Structure.GENERATED),
            UsageError,
            "a calculation left them",
        ),
        (CrystalQuery(structure=Structure.REFERENCE), UsageError, "expected generated or relaxed"),
        (CrystalQuery(where="no_such_column > 1"), QueryError, "no_such_column"),
        (CrystalQuery(where="density >"), QueryError, "syntax|parse|Parser"),
        (CrystalQuery(where="true); DROP TABLE generations; --"), QueryError, "syntax error"),
        (CrystalQuery(order_by="no_such_column"), QueryError, "no_such_column"),
    ],
)
def test_what_cannot_be_is_refused(catalog: Catalog, query: CrystalQuery, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        read_crystals(catalog, query)


def test_a_row_whose_multiplicities_are_wrong_is_named() -> None:
    batch = drawn_crystals(1)
    batch.multiplicity[2, 1] += 1
    with pytest.raises(DamagedFileError, match="Crystal 2: its row says multiplicities"):
        list(symmetrised_crystals(batch))


def test_any_cell_of_a_crystal_gives_its_symmetrised_crystal() -> None:
    """From the primitive cell, its origin moved, back to the same crystal in its setting, in all 12 groups."""
    batch = drawn_crystals(1)
    groups = find_space_groups(batch)
    for index, cell in primitive_cells(batch):
        found = symmetrise(cell.lattice, cell.frac_coords + np.array([0.1, 0.2, 0.3]), cell.atomic_numbers)
        assert found.space_group_number == groups[index]
        atoms = cell_atoms(found, CellKind.PRIMITIVE)
        before = PymatgenStructure(Lattice(cell.lattice), cell.atomic_numbers.tolist(), cell.frac_coords)
        after = PymatgenStructure(Lattice(atoms.lattice), atoms.atomic_numbers.tolist(), atoms.frac_coords)
        rms, largest = EXACTLY.get_rms_dist(before, after)
        assert max(rms, largest) < 1e-5
        if groups[index] == batch.space_group_number[index]:
            expected = zip(batch.atomic_numbers[index].tolist(), batch.multiplicity[index].tolist(), strict=True)
            assert sorted(zip(found.atomic_numbers.tolist(), found.multiplicity.tolist(), strict=True)) == sorted(
                expected
            )


def test_a_cell_of_more_than_three_sites_is_symmetrised() -> None:
    """Spinel has three; a garnet, of four sites, and the ones of low symmetry must do as well."""
    garnet = ase_crystal(
        ["Ca", "Al", "Si", "O"],
        [(1 / 8, 0, 1 / 4), (0, 0, 0), (3 / 8, 0, 1 / 4), (0.0382, 0.0457, 0.6512)],
        spacegroup=230,
        cellpar=[11.85] * 3 + [90] * 3,
    )
    found = symmetrise(garnet.cell.array, garnet.get_scaled_positions(), garnet.numbers)
    assert (found.space_group_number, found.n_atoms) == (230, 160)
    assert sorted(found.multiplicity.tolist()) == [16, 24, 24, 96]
    nearly = garnet.copy()
    nearly.rattle(0.0005, seed=1)
    again = symmetrise(nearly.cell.array, nearly.get_scaled_positions(), nearly.numbers)
    moved = np.linalg.norm(nearly.positions - garnet.positions, axis=1).max()
    assert again.space_group_number == 230
    assert 0.5 * moved < again.displacement < 1.5 * moved < 0.01
    distorted = garnet.copy()
    distorted.rattle(0.05, seed=1)
    lost = symmetrise(distorted.cell.array, distorted.get_scaled_positions(), distorted.numbers)
    assert (lost.space_group_number, len(lost.sites)) == (1, 160)


def test_atoms_on_one_place_have_no_group_and_stay_as_they_are() -> None:
    found = symmetrise(4 * np.eye(3), np.array([[0.0, 0, 0], [0, 0, 1e-4]]), np.array([11, 11]))
    assert found.space_group_number == 1 and found.n_atoms == 2
