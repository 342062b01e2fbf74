"""CIF text: operations, Wyckoff positions, symbols and values; that crystals come back is seen in test_formats."""

from __future__ import annotations

import re
from typing import Any

import gemmi
import numpy as np
import pyarrow as pa
import pytest
from pymatgen.core.operations import SymmOp
from pymatgen.io.cif import CifFile

from crystalforge.crystals import CrystalBatch
from crystalforge.crystals.rows import batch_from_table
from crystalforge.errors import UsageError
from crystalforge.export import cif_text, symmetrised_crystals
from crystalforge.export.cif import block_name, cif_value, operation_text
from crystalforge.symmetry import setting_symbols, space_group

REAL_PER_GROUP = 3


@pytest.fixture(scope="module")
def real(bundled_materials: pa.Table) -> CrystalBatch:
    """The first real crystals of each of the 12 groups."""
    batch = batch_from_table(bundled_materials)
    rows = [row for _, members in batch.by_space_group() for row in members[:REAL_PER_GROUP]]
    return batch.select(rows)


def test_operations_and_sites_are_those_of_the_space_group(real: CrystalBatch) -> None:
    for index, crystal in enumerate(symmetrised_crystals(real)):
        (block,) = CifFile.from_str(cif_text(crystal)).data.values()
        group = space_group(crystal.space_group_number)
        assert block["_space_group_IT_number"] == str(group.number)
        operations = [SymmOp.from_xyz_str(text) for text in block["_space_group_symop_operation_xyz"]]
        np.testing.assert_array_equal([operation.rotation_matrix for operation in operations], group.rotations)
        np.testing.assert_allclose(
            [operation.translation_vector for operation in operations], group.translations, atol=1e-12
        )
        assert list(map(int, block["_atom_site_site_symmetry_multiplicity"])) == real.multiplicity[index].tolist()
        assert block["_atom_site_Wyckoff_symbol"] == real.wyckoff_letter[index].tolist()


def as_integers(operations: Any) -> set[tuple[Any, ...]]:
    """Rotations, and translations in 24ths, of gemmi's operations."""
    return {(*np.ravel(op.rot).tolist(), *(np.array(op.tran) % op.DEN).tolist()) for op in operations}


def test_both_symbols_name_the_very_operations_in_all_230_space_groups() -> None:
    """gemmi makes operations of a Hall symbol, and knows the settings by their Hermann-Mauguin symbols."""
    for number in range(1, 231):
        group, symbols = space_group(number), setting_symbols(number)
        turned = np.round(np.hstack([group.rotations.reshape(-1, 9), group.translations]) * gemmi.Op.DEN).astype(int)
        assert as_integers(gemmi.symops_from_hall(symbols.hall)) == set(map(tuple, turned.tolist())), number
        named = gemmi.find_spacegroup_by_name(symbols.hermann_mauguin)
        assert as_integers(named.operations()) == set(map(tuple, turned.tolist())), number


def test_a_setting_that_has_a_choice_says_it() -> None:
    choices = {number: setting_symbols(number).hermann_mauguin for number in (141, 166, 225, 227)}
    assert choices == {141: "I 41/a m d :1", 166: "R -3 m :H", 225: "F m -3 m", 227: "F d -3 m :1"}


def test_numbers_keep_every_digit(real: CrystalBatch) -> None:
    row = int(np.flatnonzero(real.space_group_number == 194)[0])
    sites = [line.split() for line in cif_text(real, row).splitlines() if re.match(r"[A-Z][a-z]?\d ", line)]
    coordinates = np.array([[float(number) for number in site[4:7]] for site in sites])
    assert (coordinates == next(symmetrised_crystals(real.select([row]))).sites).all()
    assert 1 / 3 in coordinates or 2 / 3 in coordinates


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "two words",
        "it's",
        "a' b\" c",
        "'",
        "",
        "?",
        ".",
        "_tag",
        "#comment",
        "data_x",
        "loop_",
        "5",
        "-1.5",
        ";x",
        "a\n;b\nc",
        "$frame",
        "[x]",
        "tab\tand\rreturn",
    ],
)
def test_any_text_stays_one_value_between_its_neighbours(text: str) -> None:
    """Whatever a name holds, the block has the same items; gemmi reads by the grammar of CIF 1.1."""
    block = gemmi.cif.read_string(f"data_x\n_before 1\n_value {cif_value(text)}\n_after 2\n").sole_block()
    assert (block.find_value("_before"), block.find_value("_after")) == ("1", "2")
    read = gemmi.cif.as_string(block.find_value("_value"))
    assert read == text.replace("\r", "\n").replace("\n;", "\n ;")
    assert not gemmi.cif.is_null(block.find_value("_value"))


def test_values_of_other_kinds() -> None:
    assert [cif_value(value) for value in (None, float("nan"), True, 3, 0.1, ["Li", "O"], "α")] == [
        "?",
        "?",
        "yes",
        "3",
        "0.1",
        "'Li O'",
        "'&#945;'",
    ]


def test_a_row_gives_its_own_name_and_properties(bundled_materials: pa.Table) -> None:
    row = bundled_materials.slice(0, 1).to_pylist()[0]
    text = cif_text(row, properties={"band_gap": 1.5, "energy_above_hull": None, "dataset_id": "mine 1"})
    assert text.startswith(f"data_{row['material_id']}\n")
    assert "_crystalforge_band_gap 1.5\n_crystalforge_dataset_id 'mine 1'\n" in text
    assert "energy_above_hull" not in text
    assert block_name("a b\nß" + "x" * 100) == "a_b__" + "x" * 70


def test_a_row_without_places_is_refused(bundled_materials: pa.Table) -> None:
    row = bundled_materials.slice(0, 1).to_pylist()[0] | {"base_frac_coords": None}
    with pytest.raises(UsageError, match="base_frac_coords"):
        cif_text(row)


def test_translations_are_written_as_fractions() -> None:
    rotation = np.array([[0, -1, 0], [1, -1, 0], [0, 0, 1]])
    assert operation_text(rotation, np.array([0.0, 1 / 3, 5 / 6])) == "-y,x-y+1/3,z+5/6"
