"""`train-all` through real Ray Train and a real MLflow store."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from small_training import GROUPS, small_recipe

from crystalforge.dataset import find_dataset
from crystalforge.errors import BusyError, UsageError
from crystalforge.files import read_json, read_lines
from crystalforge.gan.checkpoint import model_of, open_checkpoint
from crystalforge.home import Home
from crystalforge.jobs.train_all import TrainingSummary, train_all, training_id_of
from crystalforge.jobs.trained_models import find_models
from crystalforge.locks import exclusive
from crystalforge.tracking import EXPERIMENT, MODEL_ALIAS, registered_name

pytestmark = pytest.mark.ray

TERMS = {
    "wasserstein_distance",
    "gradient_penalty",
    "generator_loss",
    "physics_distance_inter",
    "physics_distance_intra",
    "physics_cell",
    "accepted_share",
    "accepted_share_null",
    "crystals_per_second",
}


@pytest.fixture(scope="module")
def trained_by_ray(
    bundled_home: Home, tmp_path_factory: pytest.TempPathFactory, ray_session: None
) -> tuple[Home, TrainingSummary]:
    """A home with a finished training of space groups 225 and 62, and what it returned."""
    home = Home.locate(shutil.copytree(bundled_home.path, tmp_path_factory.mktemp("trained") / "home"))
    return home, train_all(home, find_dataset(home), small_recipe(), seed=3, space_groups=GROUPS)


def _runs(home: Home, summary: TrainingSummary) -> dict[str, list]:
    client = MlflowClient(summary.tracking_uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    return {"parents": parents, "children": children}


def test_every_group_has_a_committed_model(trained_by_ray: tuple[Home, TrainingSummary]) -> None:
    home, summary = trained_by_ray
    assert summary.failed == {}
    assert sorted(record["space_group_number"] for record in summary.trained) == sorted(GROUPS)
    models = find_models(home)
    assert models.training_id == summary.training_id
    for number in GROUPS:
        checkpoint = open_checkpoint(models.checkpoint_folder(number))
        assert checkpoint.model_checksum == models.checksum(number)
        assert checkpoint.record["generator_steps"] == 6
        assert model_of(checkpoint).space_group_number == number


def test_every_epoch_is_in_the_spool(trained_by_ray: tuple[Home, TrainingSummary]) -> None:
    _, summary = trained_by_ray
    for number in GROUPS:
        lines = read_lines(summary.folder / f"space_group_number={number}" / "progress.jsonl")
        assert [line["generator_steps"] for line in lines] == [2, 4, 6]
        assert all(set(line["terms"]) == TERMS for line in lines)
        assert all(math.isfinite(value) for line in lines for value in line["terms"].values())


def test_mlflow_holds_a_parent_and_a_child_for_each_group(trained_by_ray: tuple[Home, TrainingSummary]) -> None:
    home, summary = trained_by_ray
    runs = _runs(home, summary)
    (parent,) = runs["parents"]
    assert len(runs["children"]) == len(GROUPS)
    assert parent.info.status == "FINISHED"
    terms = ("accepted_share", "accepted_share_null", "wasserstein_distance")
    assert set(parent.data.metrics) == {f"{term}/{number}" for term in terms for number in GROUPS}
    assert {run.info.run_name for run in runs["children"]} == {"225 Fm-3m", "62 Pnma"}
    client = MlflowClient(summary.tracking_uri)
    dataset = find_dataset(home)
    for run in runs["children"]:
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.status == "FINISHED"
        assert run.data.params["dataset_checksum"] == dataset.checksum
        assert run.data.params["wasserstein.gradient_penalty"] == "10.0"
        assert set(run.data.metrics) == TERMS
        steps = [point.step for point in client.get_metric_history(run.info.run_id, "accepted_share")]
        assert steps == [2, 4, 6]
        artifacts = {item.path for item in client.list_artifacts(run.info.run_id)}
        assert artifacts == {"checkpoint", "distributions.png"}


def test_every_model_is_registered_under_the_alias(trained_by_ray: tuple[Home, TrainingSummary]) -> None:
    home, summary = trained_by_ray
    client = MlflowClient(summary.tracking_uri)
    models = find_models(home)
    for number in GROUPS:
        version = client.get_model_version_by_alias(registered_name(number), MODEL_ALIAS)
        assert version.tags["model_checksum"] == models.checksum(number)
        folder = client.download_artifacts(version.run_id, "checkpoint")
        assert open_checkpoint(Path(folder)).model_checksum == models.checksum(number)


def test_distributions_stand_beside_their_null(trained_by_ray: tuple[Home, TrainingSummary]) -> None:
    _, summary = trained_by_ray
    distributions = read_json(summary.folder / "space_group_number=225" / "distributions.json")
    assert set(distributions) == {"a", "volume_per_atom", "min_contact_ratio"}
    for sources in distributions.values():
        assert set(sources) == {"real", "sampled", "null"}
    assert len(distributions["a"]["real"]) == 181


def test_the_same_command_again_trains_nothing(trained_by_ray: tuple[Home, TrainingSummary]) -> None:
    home, first = trained_by_ray
    again = train_all(home, find_dataset(home), small_recipe(), seed=3, space_groups=GROUPS)
    assert (again.trained, again.failed, sorted(again.already_trained)) == ([], {}, sorted(GROUPS))
    assert again.training_id == first.training_id


def test_another_configuration_is_another_training(trained_by_ray: tuple[Home, TrainingSummary]) -> None:
    home, summary = trained_by_ray
    dataset = find_dataset(home)
    identifiers = {
        training_id_of(recipe, dataset, seed)
        for recipe, seed in [(small_recipe(), 3), (small_recipe(), 4), (small_recipe(batch_size=9), 3)]
    }
    assert len(identifiers) == 3
    assert summary.training_id in identifiers


def test_a_group_that_diverges_ends_with_its_own_error(trained_home: Home, ray_session: None) -> None:
    reports = []
    summary = train_all(
        trained_home,
        find_dataset(trained_home),
        small_recipe(critic_learning_rate=1e30),
        space_groups=[62],
        progress=lambda *report: reports.append(report),
    )
    assert list(summary.failed) == [62]
    assert "The training of space group 62 diverged between generator steps 0 and 2" in summary.failed[62]
    assert not (summary.folder / "space_group_number=62" / "model.json").exists()
    client = MlflowClient(summary.tracking_uri)
    runs = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    assert {run.info.status for run in runs} == {"FAILED"}


def test_a_group_without_crystals_is_refused(trained_home: Home) -> None:
    with pytest.raises(UsageError, match=r"at least 2 crystals of each space group, but 63 has 0.*225 \(181\)"):
        train_all(trained_home, find_dataset(trained_home), small_recipe(), space_groups=[63, 225])


def test_a_training_in_use_is_busy(trained_by_ray: tuple[Home, TrainingSummary]) -> None:
    home, summary = trained_by_ray
    with exclusive(summary.folder, "The test"), pytest.raises(BusyError, match=f"The training {summary.training_id}"):
        train_all(home, find_dataset(home), small_recipe(), seed=3, space_groups=GROUPS)
