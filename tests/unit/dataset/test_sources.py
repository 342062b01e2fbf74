"""Every kind of source, and what is not one."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cif_texts import DISORDERED, NAN_CELL, ROCK_SALT, STRONTIUM_TITANATE

from crystalforge.dataset import ParserLimits, build_dataset, find_dataset
from crystalforge.dataset.sources import BUNDLED_PATH
from crystalforge.errors import SourceError
from crystalforge.home import Home

EXCLUSIONS_FILE = "exclusions.parquet"


def exclusions_of(home: Home) -> dict[str, str]:
    """Input → reason."""
    rows = pq.read_table(find_dataset(home).path / EXCLUSIONS_FILE).to_pylist()
    assert all(row["detail"] for row in rows)
    return {row["input"]: row["reason"] for row in rows}


def test_a_folder_of_cifs_with_hostile_ones(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "cifs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.cif").write_text(STRONTIUM_TITANATE, encoding="utf-8")
    (folder / "sub" / "latin.CIF").write_bytes(STRONTIUM_TITANATE.replace("3.905", "3.9").encode() + b"# M\xfcller\n")
    (folder / "sub" / "same.cif").write_text(STRONTIUM_TITANATE, encoding="utf-8")
    (folder / "utf16.cif").write_text(STRONTIUM_TITANATE, encoding="utf-16")
    (folder / "blank.cif").write_bytes(b" " * 200_000)
    (folder / "huge.cif").write_bytes(b" " * 2_000_000)
    (folder / "garbage.cif").write_bytes(bytes(range(256)))
    (folder / "disordered.cif").write_text(DISORDERED, encoding="utf-8")
    (folder / "nan.cif").write_text(NAN_CELL, encoding="utf-8")
    (folder / "readme.txt").write_text("no crystal", encoding="utf-8")
    calls: list[tuple[int, int]] = []
    limits = ParserLimits(cif_bytes=1_000_000)
    manifest = build_dataset(home, str(folder), limits=limits, progress=lambda done, total: calls.append((done, total)))
    assert find_dataset(home).materials()["material_id"].to_pylist() == ["a", "sub/latin"]
    assert exclusions_of(home) == {
        "blank.cif": "parse_failed",
        "disordered.cif": "disordered",
        "garbage.cif": "parse_failed",
        "huge.cif": "too_large",
        "nan.cif": "bad_cell",
        "sub/same.cif": "duplicate",
        "utf16.cif": "parse_failed",
    }
    assert (manifest.name, manifest.source_kind, calls[-1]) == ("cifs", "cif_folder", (9, 9))


def test_a_csv_of_cifs_keeps_identifiers_and_energies(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "three crystals.csv"
    path.write_text(
        f'material_id,band_gap,e_above_hull,cif\nmp-1,1.5,x,"{STRONTIUM_TITANATE}"\n,,,"{ROCK_SALT}"\nmp-3,,,\n',
        encoding="utf-8",
    )
    assert build_dataset(home, str(path)).name == "three-crystals"
    row = find_dataset(home).materials().to_pylist()[0]
    assert (row["material_id"], row["band_gap"], row["energy_above_hull"]) == ("mp-1", 1.5, None)
    assert exclusions_of(home) == {
        "three crystals.csv row 2": "not_ternary",
        "three crystals.csv row 3 (mp-3)": "parse_failed",
    }


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("conv_a", float("nan"), "bad_cell"),
        ("conv_a", None, "bad_cell"),
        ("conv_a", -4.0, "bad_cell"),
        ("conv_a", 40.0, "cell_disagrees"),
        ("conv_alpha", 200.0, "bad_cell"),
        ("space_group_number", 1, "space_group_not_asked"),
        ("space_group_number", None, "space_group_not_asked"),
        ("hall_number", 1, "wrong_setting"),
        ("base_species", ["Qq", "Ti", "O"], "unknown_element"),
        ("base_species", ["Ti", "Ti", "O"], "not_ternary"),
        ("base_species", ["Ti", "O"], "not_three_sites"),
        ("base_species", None, "not_three_sites"),
        ("base_frac_coords", [0.0] * 6, "not_three_sites"),
        ("base_frac_coords", [float("inf")] * 9, "bad_cell"),
        ("base_multiplicity", [7, 7, 7], "sites_disagree"),
        ("conv_n_atoms", 3, "sites_disagree"),
    ],
)
def test_each_bad_row_of_a_parquet_file_has_its_reason(
    home: Home, tmp_path: Path, column: str, value: object, reason: str
) -> None:
    table = pq.read_table(BUNDLED_PATH, filters=[("space_group_number", "=", 221)]).slice(0, 3)
    rows = table.to_pylist()
    rows[1][column] = value
    path = tmp_path / "changed.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    assert build_dataset(home, str(path)).n_materials == 2
    assert exclusions_of(home) == {rows[1]["material_id"]: reason}


def test_equal_crystals_are_kept_once(home: Home, tmp_path: Path) -> None:
    table = pq.read_table(BUNDLED_PATH).slice(0, 5)
    path = tmp_path / "twice.parquet"
    pq.write_table(pa.concat_tables([table, table]), path)
    manifest = build_dataset(home, str(path))
    assert (manifest.n_materials, manifest.exclusion_counts) == (5, {"duplicate": 5})


def test_optional_columns_may_be_absent_and_lists_of_other_kinds(home: Home, tmp_path: Path) -> None:
    table = pq.read_table(BUNDLED_PATH).slice(0, 5)
    dropped = ["conv_n_atoms", "base_multiplicity", "e_above_hull", "band_gap", "formation_energy_per_atom"]
    table = table.drop_columns(dropped)
    place = table.schema.get_field_index("base_frac_coords")
    table = table.set_column(place, "base_frac_coords", table["base_frac_coords"].cast(pa.large_list(pa.float64())))
    pq.write_table(table, tmp_path / "few.parquet")
    assert build_dataset(home, str(tmp_path / "few.parquet")).n_materials == 5


def test_what_is_no_source_is_refused_with_what_was_expected(home: Home, tmp_path: Path) -> None:
    empty_folder = tmp_path / "empty"
    empty_folder.mkdir()
    good = pq.read_table(BUNDLED_PATH)
    pq.write_table(good.slice(0, 0), tmp_path / "no_rows.parquet")
    pq.write_table(good.drop_columns(["hall_number", "conv_a"]), tmp_path / "lacks.parquet")
    place = good.schema.get_field_index("conv_a")
    pq.write_table(good.set_column(place, "conv_a", good["formula"]), tmp_path / "kind.parquet")
    files = {
        "cut.parquet": BUNDLED_PATH.read_bytes()[:5000],
        "zero.parquet": b"",
        "zero.csv": b"",
        "header.csv": b"material_id,cif\n",
        "other.csv": b"a,b\n1,2\n",
        "utf16.csv": "material_id,cif\nx,y\n".encode("utf-16"),
        "binary.csv": bytes(range(256)),
        "text.txt": b"x",
        "misfits.csv": b"cif\nnothing\n",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    expected = {
        "nowhere.parquet": "does not exist",
        "empty": "holds no CIF files",
        "no_rows.parquet": "0 rows",
        "lacks.parquet": "lacks the columns hall_number, conv_a",
        "kind.parquet": "expected column conv_a as double",
        "cut.parquet": "cannot be read as Parquet",
        "zero.parquet": "cannot be read as Parquet",
        "zero.csv": "lacks the column cif",
        "header.csv": "0 rows",
        "other.csv": "lacks the column cif",
        "utf16.csv": "lacks the column cif",
        "binary.csv": "lacks the column cif",
        "text.txt": "unknown kind",
        "misfits.csv": "No crystal of .* fits: .*parse_failed: 1",
    }
    for name, message in expected.items():
        with pytest.raises(SourceError, match=message):
            build_dataset(home, str(tmp_path / name))
    assert not list(home.datasets.glob("*/manifest.json"))
