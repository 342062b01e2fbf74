"""`platform verify`, `show`, `schema` and `catalog export` through the app."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner, Result

from crystalforge.catalog.tables import TABLES, columns
from crystalforge.cli.app import app
from crystalforge.home import Home


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_verify_of_a_sound_home_exits_0(bundled_home: Home) -> None:
    result = run("verify", "--home", bundled_home.path)
    assert result.exit_code == 0
    assert result.stdout.startswith("Sound. Looked at: datasets 1,")
    report = json.loads(run("verify", "--json", "--home", bundled_home.path).stdout)
    assert (report["sound"], report["findings"], report["repaired"]) == (True, [], None)


@pytest.mark.parametrize("options", [[], ["--repair"]])
def test_verify_of_a_damaged_home_exits_1(catalog_home: Home, options: list[str]) -> None:
    """Its generations have no whole plan, so that nothing of them can be made again."""
    materials = next(catalog_home.datasets.rglob("materials.parquet"))
    materials.write_bytes(materials.read_bytes()[:-1])
    result = run("verify", "--json", *options, "--home", catalog_home.path)
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert not report["sound"]
    assert all(finding["problem"] for finding in report["findings"])
    text = run("verify", "--home", catalog_home.path)
    assert text.exit_code == 1
    assert f"{len(report['findings'])} problem" in text.stdout


def test_show_tells_all_and_says_none(catalog_home: Home) -> None:
    crystal = f"225{0:029x}"
    result = run("show", crystal, "--home", catalog_home.path)
    assert result.exit_code == 0
    for text in ("LiAlSi", crystal, "older-225-0", "Relaxations: none", "Attempts: none", "Nearest real crystals"):
        assert text in result.stdout
    lineage = json.loads(run("show", crystal, "--json", "--neighbours", 1, "--home", catalog_home.path).stdout)
    assert (lineage["crystal_id"], len(lineage["neighbours"])) == (crystal, 1)
    assert run("show", "nope", "--home", catalog_home.path).exit_code == 2


def test_catalog_export_writes_what_it_says(catalog_home: Home, tmp_path: Path) -> None:
    file = tmp_path / "catalog.duckdb"
    result = run("catalog", "export", file, "--home", catalog_home.path)
    assert result.exit_code == 0, result.stderr
    assert "samples: 40 rows" in result.stdout
    summary = json.loads(run("catalog", "export", file, "--json", "--home", catalog_home.path).stdout)
    assert summary["bytes"] == file.stat().st_size
    with duckdb.connect(file, read_only=True) as client:
        assert client.execute("SELECT count(*) FROM samples").fetchone() == (summary["rows"]["samples"],)


def test_schema_shows_units(catalog_home: Home) -> None:
    (described,) = json.loads(run("schema", "samples", "--json").stdout)
    assert described["schema"] == "samples/1"
    units = {column["column"]: column["unit"] for column in described["columns"]}
    expected = {"a": "Å", "alpha": "degrees", "density": "g/cm³", "volume_per_atom": "Å³", "seed": None}
    assert {name: units[name] for name in expected} == expected
    assert "g/cm³" in run("schema", "samples").stdout


def test_every_fraction_has_a_unit_or_is_a_pure_number() -> None:
    pure = {"min_contact_ratio", "priority", "volume_change", "rank_correlation", "flattery"}
    without = {
        column.name
        for table in TABLES.values()
        for column in columns(table)
        if column.sql_type.startswith("DOUBLE") and not column.unit
    }
    assert without == pure & without, f"no unit in the comment of {sorted(without - pure)}"
