"""What is asked of a generation at the command line: met by every sample, kept in its record, or refused before it."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from click.testing import Result
from trained_here import train_here
from typer.testing import CliRunner

from crystalforge.catalog.query import open_catalog
from crystalforge.cli.app import app
from crystalforge.dataset import build_dataset, find_dataset
from crystalforge.files import read_json
from crystalforge.gan.recipe import load_recipe
from crystalforge.home import Home

GROUPS = [141, 227]
Generate = Callable[..., Result]

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Home:
    """A home with the baseline swap of two space groups."""
    home = Home.locate(tmp_path_factory.mktemp("options") / "home")
    build_dataset(home, "bundled", space_groups=GROUPS)
    train_here(home, load_recipe("swap"), GROUPS, seed=0)
    return home


@pytest.fixture(scope="module")
def platform_generate(home: Home) -> Generate:
    return lambda *words: CliRunner().invoke(app, ["generate", "--home", str(home.path), *map(str, words)])


def only_in(materials: pa.Table, number: int) -> str:
    """An element that stands in crystals of one of the two groups alone."""
    numbers = materials["space_group_number"].to_numpy()
    elements = np.array(materials["elements"].to_pylist())
    (element, *_) = sorted(set(elements[numbers == number].ravel()) - set(elements[numbers != number].ravel()))
    return str(element)


def refused(result: Result, *parts: str) -> None:
    assert result.exit_code == 2, result.output
    for part in parts:
        assert part in result.stderr.replace("\n", " "), result.stderr


def test_every_sample_meets_the_request_and_resume_keeps_it(home: Home, platform_generate: Generate) -> None:
    words = ["--recipe", "swap", "--elements", "O,*", "--exclude-elements", "Li", "--distinct", "--count", 60, "--json"]
    first = platform_generate(*words)
    assert first.exit_code == 0, first.output
    assert "Asked for: with O; without Li; no composition twice." in first.stderr
    made = json.loads(first.stdout)
    with open_catalog(home, generations=[made["generation_id"]]) as catalog:
        rows = catalog.query("SELECT space_group_number, elements, wyckoff_letters FROM samples").to_pylist()
    assert len(rows) == 60
    assert all("O" in row["elements"] and "Li" not in row["elements"] for row in rows)
    assert len({json.dumps(row, sort_keys=True) for row in rows}) == 60
    record = read_json(home.generations / made["generation_id"] / "generation.json")
    assert record["request"] == {
        "constraints": {"elements_in": ["O", "*"], "elements_out": ["Li"]},
        "distinct": True,
    }
    again = platform_generate("--resume", made["generation_id"], "--json")
    assert json.loads(again.stdout)["shards_written"] == 0
    refused(platform_generate("--resume", made["generation_id"], "--formula", "ABX3"), "leave out --formula")


def test_a_group_that_cannot_is_left_out_aloud_or_refused_by_name(home: Home, platform_generate: Generate) -> None:
    element = only_in(find_dataset(home).materials(), 141)
    words = ["--recipe", "swap", "--elements", element, "--count", 20]
    made = platform_generate(*words)
    assert made.exit_code == 0, made.output
    assert "Space group 227 is left out: No training crystal of space group 227" in made.stderr.replace("\n", " ")
    before = sorted(home.generations.iterdir())
    refused(platform_generate(*words, "--space-groups", "227"), f"space group 227 contains {element}")
    assert sorted(home.generations.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--formula", "SrTiO3", "--max-atoms", 3], "No space group of training swap-"),
        (["--new-templates"], "The recipe swap copies training crystals"),
        (["--distinct", "--formula", "ABX2", "--count", 10**7], "not as many different compositions"),
        (["--charge-balanced", "--intermetallic"], "give one of them"),
        (["--temperature", -1], "must be a positive number, got -1"),
        (["--compositions", "magic"], "No composition sampler 'magic'"),
        (["--elements", "Qq"], "Unknown element 'Qq'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    home: Home, platform_generate: Generate, words: list[object], part: str
) -> None:
    before = sorted(home.generations.glob("*"))
    refused(platform_generate("--recipe", "swap", *words), part)
    assert sorted(home.generations.glob("*")) == before


def test_the_recipes_of_the_paper_take_no_request(trained_home: Home) -> None:
    result = CliRunner().invoke(
        app, ["generate", "--home", str(trained_home.path), "--space-groups", "225,62", "--elements", "O"]
    )
    refused(result, "The recipe small draws any elements and sites")
