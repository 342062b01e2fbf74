"""MLflow fails, the training does not: what the store missed comes with the next command."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from crystalforge.dataset import find_dataset
from crystalforge.files import read_json, write_json
from crystalforge.gan.recipe import recipe_from_values
from crystalforge.home import Home
from crystalforge.jobs.training_log import RUNS, TrainingLog
from crystalforge.tracking import EXPERIMENT, MODEL_ALIAS, Tracker, registered_name


def _settle(home: Home, folder: Path) -> TrainingLog:
    record = read_json(folder / "training.json")
    log = TrainingLog(home, folder, record["training_id"], None)
    groups = log.unsettled([225, 62])
    recipe = recipe_from_values(record["recipe_values"], "test")
    with log.opened(recipe, find_dataset(home), record["seed"], groups):
        for number in groups:
            log.settle(number)
    return log


def test_a_store_that_was_down_gets_everything_later(trained_home: Home, caplog: pytest.LogCaptureFixture) -> None:
    (folder,) = trained_home.trainings.iterdir()
    trained_home.mlflow.write_text("a file where the store should be")
    with caplog.at_level(logging.WARNING):
        failed = _settle(trained_home, folder)
    assert failed.runs["settled"] == []
    assert failed.runs["children"] == {}
    assert len([r for r in caplog.records if "event=tracking_failed" in r.message]) == 1, "one warning, not many"
    trained_home.mlflow.unlink()
    settled = _settle(trained_home, folder)
    assert sorted(settled.runs["settled"]) == [62, 225]
    assert TrainingLog(trained_home, folder, "again", None).unsettled([225, 62]) == []
    client = MlflowClient(settled.tracker.uri)
    for number in (62, 225):
        run_id = settled.runs["children"][str(number)]
        assert client.get_run(run_id).info.status == "FINISHED"
        assert [point.step for point in client.get_metric_history(run_id, "generator_loss")] == [2, 4, 6]
        assert client.get_model_version_by_alias(registered_name(number), MODEL_ALIAS).run_id == run_id


def test_a_run_that_the_store_lost_is_made_anew_with_all_its_epochs(trained_home: Home) -> None:
    (folder,) = trained_home.trainings.iterdir()
    runs = _settle(trained_home, folder).runs
    runs |= {"uri": Tracker(trained_home).uri, "settled": [225], "children": {"62": "0" * 32}, "parent": "1" * 32}
    write_json(folder / RUNS, runs)
    log = _settle(trained_home, folder)
    client = MlflowClient(log.tracker.uri)
    assert len(client.get_metric_history(log.runs["children"]["62"], "generator_loss")) == 3


def test_runs_of_a_stopped_command_are_marked_and_continued(trained_home: Home) -> None:
    (folder,) = trained_home.trainings.iterdir()
    record = read_json(folder / "training.json")
    log = TrainingLog(trained_home, folder, record["training_id"], None)
    recipe = recipe_from_values(record["recipe_values"], "test")
    with pytest.raises(KeyboardInterrupt), log.opened(recipe, find_dataset(trained_home), 3, [225, 62]):
        log.settle(225)
        raise KeyboardInterrupt
    client = MlflowClient(log.tracker.uri)
    statuses = {key: client.get_run(run_id).info.status for key, run_id in log.runs["children"].items()}
    assert statuses == {"225": "FINISHED", "62": "KILLED"}
    assert client.get_run(log.runs["parent"]).info.status == "KILLED"
    again = _settle(trained_home, folder)
    assert again.runs["children"] == log.runs["children"]
    assert client.get_run(again.runs["children"]["62"]).info.status == "FINISHED"


def test_an_interrupted_run_is_continued_not_repeated(trained_home: Home) -> None:
    (folder,) = trained_home.trainings.iterdir()
    first = _settle(trained_home, folder)
    runs = read_json(folder / RUNS)
    write_json(folder / RUNS, runs | {"settled": []})
    second = _settle(trained_home, folder)
    assert second.runs["children"] == first.runs["children"]
    client = MlflowClient(second.tracker.uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert len(client.search_runs([experiment.experiment_id])) == 3
    assert len(client.get_metric_history(second.runs["children"]["62"], "generator_loss")) == 3
