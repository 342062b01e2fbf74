"""Every query of docs/sql.md runs through the real command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crystalforge.cli.app import app
from crystalforge.home import Home

DOCUMENT = Path(__file__).parents[3] / "docs" / "sql.md"
SECTIONS = DOCUMENT.read_text(encoding="utf-8").split("\n## ")[1:]


def test_there_are_ten_or_more() -> None:
    assert len(SECTIONS) >= 10


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.split("\n")[0])
def test_a_documented_query_runs(catalog_home: Home, section: str) -> None:
    (query,) = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    values = re.findall(r"--param (\S+=[^`\s]+)", section)
    arguments = ["sql", query, "--json", "--home", str(catalog_home.path)]
    result = CliRunner().invoke(app, arguments + [part for value in values for part in ("--param", value)])
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)
    assert rows or "NOT IN" in query, "the small home answers all but one"
