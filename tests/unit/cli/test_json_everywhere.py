"""Each command with `--json`, found by walking the tree: JSON and nothing else on stdout, no escape code anywhere."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from small_queue import work_off
from typer.testing import CliRunner

from crystalforge.cli.app import app
from crystalforge.cli.command_tree import commands
from crystalforge.dataset import find_dataset
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home
from crystalforge.validation.ledger import Ledger

ROOT: Any = typer.main.get_command(app)
ELSEWHERE = {
    "evaluate": "tests/integration/test_evaluate.py",
    "explore": "tests/unit/cli/test_terminals.py",
    "stability": "tests/unit/jobs/test_raw_screening.py",
    "ui": "tests/integration/test_ui.py",
}
"""Commands that take seconds or serve until Ctrl-C; their own tests read their JSON."""
WORDS: dict[str, list[str]] = {
    "dataset build": ["bundled"],
    "dataset list": [],
    "dataset show": [],
    "catalog export": ["{folder}/catalog.duckdb"],
    "train-all": ["--dry-run", "--recipe", "quick"],
    "generate": ["--dry-run", "--training", "{training}", "--count", "10"],
    "screen": ["--dry-run", "--potential", "emt", "--limit", "2"],
    "submit": ["--json", "--dry-run", "generate", "--count", "10"],
    "validate judge": [],
    "validate calibrate": [],
    "validate enqueue": ["--recipe", "stand-in", "--from", "materials", "--limit", "2"],
    "validate run": [],
    "validate status": [],
    "validate retry": ["2"],
    "validate pause": ["2"],
    "validate cancel": ["2"],
    "validate show": ["1"],
    "sql": ["SELECT formula FROM candidates LIMIT 2"],
    "schema": ["candidates"],
    "show": ["{crystal}"],
    "export": ["--limit", "2", "--out", "{folder}/crystals.csv", "--format", "csv"],
    "report": ["--out", "{folder}/report.html", "--top", "2"],
    "status": [],
    "compact": ["{generation}", "--dry-run"],
    "metrics": ["--once"],
    "verify": ["--remake", "0"],
    "config show": [],
    "config path": [],
    "config init": ["--user"],
    "doctor": [],
}
REPOSITORY = Path(__file__).parents[3]


def test_every_command_is_walked_here_or_has_a_test_of_its_own_json() -> None:
    names = {" ".join(words) for words, _ in commands(ROOT)}
    assert names == WORDS.keys() | ELSEWHERE.keys()
    for name, file in ELSEWHERE.items():
        text = (REPOSITORY / file).read_text()
        assert '"--json"' in text, f"{file} is said to read the JSON of {name}"
        assert "json.loads" in text


@pytest.fixture(scope="module")
def home(candidates: tuple[Home, GenerationPlan], tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with crystals, candidates, and a queue of which one calculation is done and one failed."""
    home = Home.locate(shutil.copytree(candidates[0].path, tmp_path_factory.mktemp("json") / "home"))
    enqueue = ["validate", "enqueue", "--recipe", "stand-in", "--from", "materials", "--limit", "2"]
    assert CliRunner().invoke(app, [*enqueue, "--home", str(home.path)]).exit_code == 0
    with Ledger(home.validations) as ledger:
        work_off(ledger)
    return home


@cache
def _a_crystal(home: Home) -> str:
    (material,) = find_dataset(home).materials()["crystal_id"][:1].to_pylist()
    return str(material)


@pytest.mark.parametrize("name", WORDS)
def test_its_output_is_json(
    name: str,
    home: Home,
    candidates: tuple[Home, GenerationPlan],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    values = {
        "folder": tmp_path,
        "training": candidates[1].training_id,
        "generation": candidates[1].generation_id,
        "crystal": _a_crystal(home),
    }
    words = [word.format(**values) for word in WORDS[name]]
    if "config" not in name and name not in ("schema",):
        words += ["--home", str(home.path)]
    result = CliRunner().invoke(app, [*name.split(), *words, "--json"])
    assert result.exit_code == 0, result.output
    json.loads(result.stdout)
    assert "\x1b" not in result.output
