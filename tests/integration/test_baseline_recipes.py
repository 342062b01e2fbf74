"""The baselines go the way of every model: fitted when first asked for, drawn by plan, never in a model's place."""

from __future__ import annotations

import pytest

from crystalforge.dataset import build_dataset
from crystalforge.errors import ModelNotFoundError
from crystalforge.files import read_json, write_json
from crystalforge.home import MODEL_RECORD, Home
from crystalforge.jobs.generate import generate
from crystalforge.jobs.generation_plans import plan_generation
from crystalforge.jobs.recipe_models import models_of_recipe
from crystalforge.jobs.trained_models import find_models

GROUPS = [141, 227]

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home.locate(tmp_path_factory.mktemp("baselines") / "home")
    build_dataset(home, "bundled", space_groups=GROUPS)
    return home


def test_a_baseline_is_fitted_when_first_asked_for(home: Home, ray_session: None) -> None:
    said: list[str] = []
    models = models_of_recipe(home, "swap", said.append)
    assert [line for line in said if "No training of recipe swap yet" in line] == said
    assert len(said) == 1
    assert sorted(models.records) == GROUPS
    record = read_json(models.folder / "space_group_number=141" / MODEL_RECORD)
    assert (record["n_materials"], record["n_validation"]) == (37, 3)
    assert models_of_recipe(home, "swap", said.append).training_id == models.training_id
    assert len(said) == 1  # it is there now

    plan = plan_generation(models, 300, seed=0, shard_size=100, min_contact_ratio=0.75)
    summary = generate(home, plan)
    assert summary.rows == 300
    assert summary.accepted > 200
    assert find_models(home).training_id == models.training_id  # there is nothing else


def test_a_baseline_does_not_take_the_place_of_a_model(trained_home: Home) -> None:
    trained = find_models(trained_home).training_id
    fitted = trained_home.trainings / "swap-0123456789"
    fitted.mkdir()
    source = trained_home.trainings / trained
    record = read_json(source / "training.json") | {"training_id": fitted.name, "recipe": "swap"}
    write_json(fitted / "training.json", record)
    for folder in source.glob("space_group_number=*"):
        (fitted / folder.name).mkdir()
        later = read_json(folder / MODEL_RECORD) | {"finished_at": "2999-01-01T00:00:00+00:00"}
        write_json(fitted / folder.name / MODEL_RECORD, later)
    assert find_models(trained_home).training_id == trained
    assert find_models(trained_home, recipe="swap").training_id == fitted.name


def test_a_recipe_that_was_never_trained_says_how(home: Home) -> None:
    with pytest.raises(ModelNotFoundError, match=r"No training of recipe paper .*train-all --recipe paper"):
        models_of_recipe(home, "paper", lambda _: None)
