"""`export --table validations`: the cells that calculations ended in, of attempts that the stand-in really ran."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Structure
from small_queue import work_off
from typer.testing import CliRunner

from crystalforge.catalog.query import open_catalog
from crystalforge.cli.app import app
from crystalforge.crystals import to_structure
from crystalforge.errors import UsageError
from crystalforge.export import CrystalQuery, read_crystals
from crystalforge.files import sha256_of_file, write_json
from crystalforge.home import Home
from crystalforge.validation.choosing import choose_crystals
from crystalforge.validation.export import export_ledger
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.recipe import load_recipe
from crystalforge.validation.requests import enqueue

COMPUTED, WAITING = 3, 2
STRETCH = 1.02
"""Of the cells that the calculations ended in: as a relaxation would leave them."""


@pytest.fixture(scope="module")
def computed(bundled_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose queue computed three real crystals, made their cells larger, and has two that wait."""
    home = Home.locate(shutil.copytree(bundled_home.path, tmp_path_factory.mktemp("computed") / "home"))
    crystals = choose_crystals(home, table="materials", where="space_group_number = 225", limit=COMPUTED + WAITING)
    with Ledger(home.validations) as ledger:
        enqueue(ledger, crystals[:COMPUTED], load_recipe("stand-in"))
        work_off(ledger)
        enqueue(ledger, crystals[COMPUTED:], load_recipe("stand-in"))
        with ledger.transaction() as connection:
            for path in home.validations.glob("attempts/*/result.json"):
                report = json.loads(path.read_text())
                report["result"]["lattice"] = (STRETCH * np.array(report["result"]["lattice"])).tolist()
                write_json(path, report)
                changed = (sha256_of_file(path), path.parent.name)
                connection.execute("UPDATE attempts SET result_sha256 = ? WHERE attempt_id = ?", changed)
        export_ledger(ledger)
    return home


def test_cells_are_those_that_calculations_ended_in(computed: Home, tmp_path: Path) -> None:
    words = ["export", "--table", "validations", "--out", str(tmp_path / "cifs"), "--home", str(computed.path)]
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    written = json.loads(result.stdout)
    assert written["crystals"] == COMPUTED
    reason = "not computed to the end, or the reference of an element"
    assert written["left_out"][reason] >= WAITING
    with open_catalog(computed) as catalog:
        rows = catalog.query(
            "SELECT materials.*, attempt_id FROM validations JOIN materials USING (crystal_id) "
            "WHERE attempt_id IS NOT NULL"
        ).to_pylist()
    by_attempt = {row["attempt_id"]: row for row in rows}
    manifest = json.loads((tmp_path / "cifs" / "manifest.json").read_text())
    assert {source["dataset_id"] for source in manifest["sources"]["datasets"]} == {rows[0]["dataset_id"]}
    (recipe,) = manifest["sources"]["recipes"]
    assert (recipe["recipe"], recipe["engine"]) == ("stand-in", "stand-in")
    assert len(manifest["files"]) == COMPUTED
    for file in manifest["files"]:
        found = Structure.from_file(tmp_path / "cifs" / file["file"])
        row = by_attempt[file["identifier"]]
        before = to_structure(row)
        assert found.composition.almost_equals(before.composition)
        assert found.get_space_group_info()[1] == row["space_group_number"]
        np.testing.assert_allclose(found.lattice.a, STRETCH * before.lattice.a, rtol=1e-9)
        told = dict(
            re.findall(r"^_crystalforge_(\w+) +'?(.*?)'?$", (tmp_path / "cifs" / file["file"]).read_text(), re.M)
        )
        assert (told["attempt_id"], told["source_id"]) == (file["identifier"], row["material_id"])


def test_a_condition_is_one_on_the_calculations(computed: Home) -> None:
    with open_catalog(computed) as catalog:
        query = CrystalQuery("validations", where="recipe = 'stand-in' AND n_attempts = 1", limit=1)
        found = read_crystals(catalog, query, home=computed)
        assert len(found) == 1
        assert found.rows["calculation_id"].to_pylist()[0] >= 1
        with pytest.raises(UsageError, match="expected home="):
            read_crystals(catalog, query)


def test_a_damaged_result_is_no_crystal(computed: Home, tmp_path: Path) -> None:
    home = Home.locate(shutil.copytree(computed.path, tmp_path / "home"))
    with open_catalog(home) as catalog:
        (attempt_id,) = catalog.query("SELECT min(attempt_id) AS name FROM validations WHERE element IS NULL")[
            "name"
        ].to_pylist()
    path = home.validations / "attempts" / attempt_id / "result.json"
    path.write_text(path.read_text().replace("energy_ev", "energy_eV"))
    words = ["export", "--table", "validations", "--out", str(tmp_path / "cifs"), "--home", str(home.path)]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, f"{attempt_id}/result.json is damaged" in result.stderr) == (1, True)
    assert not (tmp_path / "cifs").exists()
