"""Completion as the shells ask for it: commands, options and values of the home; by protocol, and in a real bash."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crystalforge.catalog.tables import TABLES
from crystalforge.cli import complete
from crystalforge.export.choosing import TABLES as EXPORTED
from crystalforge.gan.compositions.sampler import KINDS
from crystalforge.gan.recipe import recipe_names as training_recipe_names
from crystalforge.generation.plan import Balance
from crystalforge.home import Home
from crystalforge.screening.choosing import SOURCES
from crystalforge.screening.plan import SCREENING_RECORD
from crystalforge.validation import choosing
from crystalforge.validation.recipe import recipe_names as calculation_recipe_names

PLATFORM = Path(sys.executable).with_name("platform")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Small records as the commands write them; one that is damaged."""
    records: dict[str, dict[str, Any]] = {
        "datasets/mp-1/manifest.json": {"n_materials": 9, "counts": {"225": 3, "62": 6, "71": 0}},
        "trainings/forge-1/training.json": {"recipe": "forge"},
        "trainings/swap-2/training.json": {"recipe": "swap"},
        "generations/94b1/generation.json": {"count": 50, "training_id": "forge-1"},
        f"screenings/c7d8/{SCREENING_RECORD}": {"count": 20, "source": "samples"},
    }
    home = Home.locate(tmp_path / "home")
    for name, record in records.items():
        path = home.path / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(record))
    (home.path / "trainings" / "torn").mkdir()
    (home.path / "trainings" / "torn" / "training.json").write_text("{")
    return home


def values(home: Home, kind: Any, incomplete: str = "") -> list[str]:
    context: Any = SimpleNamespace(params={"home": str(home.path)})
    return [name for name, _ in kind(context, incomplete)]


def test_values_of_the_home(home: Home) -> None:
    assert values(home, complete.datasets) == ["mp-1"]
    assert sorted(values(home, complete.trainings)) == ["forge-1", "swap-2"], "a damaged record is left out, silently"
    assert values(home, complete.generations, "94") == ["94b1"]
    assert values(home, complete.generations, "95") == []
    assert values(home, complete.screenings) == ["c7d8"]


def test_space_groups_are_completed_behind_the_comma(home: Home) -> None:
    assert values(home, complete.space_groups) == ["62", "225"], "those with crystals, most first"
    assert values(home, complete.space_groups, "62,") == ["62,225"]
    assert values(home, complete.space_groups, "62,2") == ["62,225"]
    empty = Home.locate(home.path / "nowhere")
    assert len(values(empty, complete.space_groups)) == 230


def test_values_of_closed_sets_are_those_of_the_code(home: Home) -> None:
    assert values(home, complete.training_recipes) == training_recipe_names()
    assert values(home, complete.calculation_recipes) == calculation_recipe_names()
    assert set(values(home, complete.tables)) == set(TABLES)
    assert {"chgnet", "emt"} <= set(values(home, complete.potentials))
    assert set(complete.BALANCES) == set(Balance)
    assert set(complete.COMPOSITION_KINDS) == set(KINDS)
    assert set(complete.SCREENED) == set(SOURCES)
    assert set(complete.COMPUTED) == set(choosing.IDENTIFIERS)
    assert set(complete.EXPORTED) == set(EXPORTED)
    assert "ready" in values(home, complete.calculation_states)


def test_a_home_that_is_a_file_completes_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    context: Any = SimpleNamespace(params={"home": str(tmp_path / "file")})
    assert complete.datasets(context, "") == []


def asked(home: Home, shell: str, line: str) -> str:
    """What the command answers a shell."""
    words = line.split(" ")
    variables = {
        "_PLATFORM_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "CRYSTALFORGE_HOME": str(home.path),
    }
    result = subprocess.run([PLATFORM], env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    return result.stdout


def test_each_shell_gets_values_in_its_own_words(home: Home) -> None:
    line = "platform generate --generation 1 --training f"
    assert asked(home, "bash", line) == "forge-1\n"
    assert asked(home, "zsh", line) == '_arguments \'*: :(("forge-1":"recipe forge"))\'\n'
    assert asked(home, "fish", line) == "forge-1\trecipe forge\n"
    recipes = asked(home, "fish", "platform validate enqueue --recipe ").splitlines()
    assert [recipe.split("\t")[0] for recipe in recipes] == calculation_recipe_names(), "a word on one is one line"


def test_a_completion_is_quick_and_imports_nothing_heavy(home: Home) -> None:
    before = os.times()
    assert asked(home, "bash", "platform train-all --dataset ") == "mp-1\n"
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 0.6, "CPU s"
    code = (
        "import sys; from types import SimpleNamespace; from crystalforge.cli import app, complete;"
        f"context = SimpleNamespace(params={{'home': {str(home.path)!r}}});"
        "kinds = (complete.datasets, complete.trainings, complete.space_groups, complete.training_recipes,"
        " complete.calculation_recipes, complete.tables, complete.potentials, complete.calculation_states);"
        "assert all(kind(context, '') for kind in kinds);"
        "print([name for name in ('numpy', 'pyarrow', 'torch', 'ray', 'duckdb') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


IN_BASH = r"""
eval "$(_PLATFORM_COMPLETE=source_bash "$PLATFORM")"
complete -p platform
platform() { "$PLATFORM" "$@"; }
for line in "platform gen" "platform validate enqueue --rec" "platform generate --training sw" \
            "platform train-all --space-groups 62,"; do
  read -ra COMP_WORDS <<< "$line"
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  COMPREPLY=()
  _platform_completion "$PLATFORM"
  echo "$line -> ${COMPREPLY[*]}"
done
"""


def test_a_real_bash_completes(home: Home) -> None:
    environment = {**os.environ, "PLATFORM": str(PLATFORM), "CRYSTALFORGE_HOME": str(home.path)}
    result = subprocess.run(
        ["bash", "--norc", "-c", IN_BASH], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.splitlines() == [
        "complete -o default -F _platform_completion platform",
        "platform gen -> generate",
        "platform validate enqueue --rec -> --recipe",
        "platform generate --training sw -> swap-2",
        "platform train-all --space-groups 62, -> 62,225",
    ]
