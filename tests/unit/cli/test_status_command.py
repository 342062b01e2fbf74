from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crystalforge.cli.app import app
from crystalforge.home import Home


def test_an_empty_home_says_what_to_run_first(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--home", str(tmp_path / "absent")])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "is empty. Start with:\n  platform dataset build bundled" in result.stderr
    assert not (tmp_path / "absent").exists()


def test_everything_stands_in_one_table(catalog_home: Home) -> None:
    result = CliRunner().invoke(app, ["status", "--home", str(catalog_home.path)])
    assert "3 crystals in 1 space groups" in result.stdout
    assert "20/20 rows, 16 accepted (80.0%)" in result.stdout


def test_json_and_the_home_from_the_environment(catalog_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYSTALFORGE_HOME", str(catalog_home.path))
    status = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)
    assert status["home"] == str(catalog_home.path)
    assert [generation["generation_id"] for generation in status["generations"]] == ["older", "later"]
