"""MLflow's server on a real PostgreSQL, as infra/mlflow has it: killed in the middle of trainings, it loses nothing.

Long: `make mlflow-postgres` runs it, and installs Debian's PostgreSQL where it is missing.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow.tracking import MlflowClient
from real_commands import start
from real_postgresql import Cluster, TrackingServer, postgresql, tracking_server
from small_training import GROUPS, small_forge_recipe, write_recipe

from crystalforge.files import read_json, read_lines, write_json, write_lines
from crystalforge.home import Home
from crystalforge.jobs.training_log import RUNS, SUMMARY_TERMS
from crystalforge.tracking import EXPERIMENT, MODEL_ALIAS, Tracker, registered_name

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]
logger = logging.getLogger(__name__)

N_EPOCHS = 12
N_AT_ONCE = 12
EPOCHS_AT_ONCE = 100
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with postgresql() as running:
        yield running


@pytest.fixture(scope="module")
def server(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    begun = time.monotonic()
    with tracking_server(cluster, tmp_path_factory.mktemp("server")) as running:
        logger.info("event=server_ready seconds=%.1f", time.monotonic() - begun)
        yield running


@pytest.fixture(scope="module")
def home(bundled_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home.locate(shutil.copytree(bundled_home.path, tmp_path_factory.mktemp("trained") / "home"))


def wait_for(ready: Callable[[], object], what: str, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)


Point = tuple[str, int, float, int]
"""Key, step, value, time in ms."""


def points_of_store(client: MlflowClient, run_id: str) -> list[Point]:
    """Every point of a run, sorted: one that stands twice is seen."""
    keys = client.get_run(run_id).data.metrics
    points = [(m.key, m.step, m.value, m.timestamp) for key in keys for m in client.get_metric_history(run_id, key)]
    return sorted(points)


def points_of_training(folder: Path, number: str) -> list[Point]:
    """Every point that the training itself noted; of an epoch that was repeated, the last."""
    lines = {line["epoch"]: line for line in read_lines(folder / f"space_group_number={number}" / "progress.jsonl")}
    return sorted(
        (key, line["generator_steps"], value, int(line["time"] * 1000))
        for line in lines.values()
        for key, value in line["terms"].items()
    )


def compare(client: MlflowClient, folder: Path) -> int:
    """The store has of a training exactly what its log has: points, models, ends. Returns the number of points."""
    runs = read_json(folder / RUNS)
    assert set(runs["children"]) == {str(number) for number in runs["settled"]}
    summary: list[Point] = []
    n_points = 0
    for number, run_id in runs["children"].items():
        expected = points_of_training(folder, number)
        assert points_of_store(client, run_id) == expected, f"space group {number} of {folder.name}"
        n_points += len(expected)
        summary += [(f"{key}/{number}", *rest) for key, *rest in expected if key in SUMMARY_TERMS]  # type: ignore[misc]
        run = client.get_run(run_id)
        assert (run.info.status, "seed" in run.data.params) == ("FINISHED", True)
        files = {file.path for file in client.list_artifacts(run_id, "checkpoint")}
        assert "checkpoint/model.safetensors" in files
        (version,) = client.search_model_versions(f"run_id = '{run_id}'")
        assert version.name == registered_name(int(number))
    assert points_of_store(client, runs["parent"]) == sorted(summary)
    assert client.get_run(runs["parent"]).info.status == "FINISHED"
    return n_points + len(summary)


def test_nothing_of_it_listens_beyond_this_machine_and_no_password_is_on_a_command_line(
    cluster: Cluster, server: TrackingServer
) -> None:
    assert server.process is not None
    family = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
    postmaster = psutil.Process(int((cluster.data / "postmaster.pid").read_text().split()[0]))
    listening = [
        connection.laddr.ip
        for process in (*family, postmaster)
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert set(listening) == {"127.0.0.1"}
    for process in (*family, postmaster, *postmaster.children()):
        assert cluster.password not in " ".join(process.cmdline())
    assert cluster.password not in server.log.read_text()
    assert cluster.password not in (cluster.folder / "log").read_text()
    assert cluster.ask("SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = 'mlflow'") == "f"
    assert cluster.ask("SELECT version_num FROM alembic_version")


def test_another_host_name_is_refused(server: TrackingServer) -> None:
    def status(host: str) -> int:
        with contextlib.closing(HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
            connection.request("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", headers={"host": host})
            return connection.getresponse().status

    assert status(f"127.0.0.1:{server.port}") == 200
    assert status("10.evil.example") == 403
    assert status("evil.example") == 403


def test_a_wrong_password_is_refused_and_a_password_file_that_others_may_read(
    server: TrackingServer, tmp_path: Path
) -> None:
    wrong = tmp_path / "pgpass"
    wrong.write_text(Path(server.environment["PGPASSFILE"]).read_text())
    wrong.chmod(0o640)
    command = [str(REPOSITORY / "infra" / "mlflow" / "serve.sh")]
    done = subprocess.run(
        command, env=server.environment | {"PGPASSFILE": str(wrong)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "has mode 640: expected 600" in done.stderr) == (2, True)
    ask = "import psycopg2; psycopg2.connect('', connect_timeout=10)"
    environment = server.environment | {"PGPASSFILE": "/dev/null", "PGPASSWORD": "wrong", "PGUSER": "mlflow"}
    refused = subprocess.run(
        [sys.executable, "-c", ask],
        env=environment | {"PGDATABASE": "mlflow"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "password authentication failed" in refused.stderr


def test_without_a_server_the_database_is_written_and_the_artifacts_stay_in_the_home(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.ask("CREATE DATABASE direct OWNER mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql+psycopg2:///direct")
    for name, value in {
        "HOST": "127.0.0.1",
        "PORT": cluster.port,
        "USER": "mlflow",
        "PASSWORD": cluster.password,
    }.items():
        monkeypatch.setenv(f"PG{name}", str(value))
    home = Home.locate(tmp_path / "home")
    tracker = Tracker(home)
    run_id = tracker.start_run("one", {"a": 1}, {}, parent=None)
    assert run_id
    assert tracker.log_metrics(run_id, [(1, 2.0, {"loss": 3.0})])
    (tmp_path / "model").write_text("weights")
    assert tracker.log_files(run_id, [tmp_path / "model"], "checkpoint")
    (kept,) = home.mlflow.glob("artifacts/**/checkpoint/model")
    assert kept.read_text() == "weights"
    assert points_of_store(tracker.client, run_id) == [("loss", 1, 3.0, 2000)]


def test_train_all_loses_nothing_when_the_server_and_then_postgresql_are_ended_in_the_middle(
    home: Home, cluster: Cluster, server: TrackingServer, tmp_path: Path
) -> None:
    steps = 2 * N_EPOCHS
    path = write_recipe(tmp_path / "small.toml", small_forge_recipe(generator_steps=steps))
    command = ["train-all", "--recipe", path, "--home", home.path]
    environment = {"MLFLOW_TRACKING_URI": server.uri, "OMP_NUM_THREADS": "1"}
    begun = time.monotonic()

    def happened(event: str) -> None:
        logger.info("event=%s seconds=%.1f models=%d", event, time.monotonic() - begun, models())

    def models() -> int:
        return len(list(home.trainings.glob("*/*/model.json")))

    with (tmp_path / "log").open("wb") as log:
        process = start(*command, environment=environment)
        try:
            wait_for(lambda: process.poll() is not None or models() >= 2, "two models")
            server.kill()
            happened("server_killed")
            server.start()
            happened("server_back")
            wait_for(lambda: process.poll() is not None or models() >= 7, "seven models")
            cluster.stop("immediate")
            happened("postgresql_ended")
            time.sleep(10)
            cluster.start()
            happened("postgresql_back")
            _, said = process.communicate(timeout=400)
        finally:
            process.kill()
        log.write(said)
    happened("train_all_ended")
    assert process.returncode == 0, said.decode()
    assert models() == 12
    assert said.decode().count("event=tracking_failed") == 1, said.decode()

    again = start(*command, "--json", environment=environment)
    output, said = again.communicate(timeout=200)
    assert again.returncode == 0, said.decode()
    summary = json.loads(output)
    assert (len(summary["already_trained"]), summary["trained"], summary["not_tracked"]) == (12, [], [])
    (folder,) = home.trainings.iterdir()
    client = MlflowClient(server.uri)
    n_points = compare(client, folder)
    logger.info("event=compared points=%d", n_points)
    assert n_points > 12 * N_EPOCHS * 8
    for number in read_json(folder / RUNS)["settled"]:
        assert client.get_model_version_by_alias(registered_name(number), MODEL_ALIAS)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment.artifact_location.startswith("mlflow-artifacts:"), "artifacts go through the server"
    n_runs = len(client.search_runs([experiment.experiment_id]))
    assert n_runs == 13, "no run is left over that the store made and did not confirm"
    assert int(cluster.ask("SELECT count(*) FROM metrics")) == n_points


def trainings_at_once(trained: Home, folder: Path) -> Home:
    """Twelve trainings of one space group each, whose epochs are still to come; copies of one that was trained."""
    (source,) = trained.trainings.iterdir()
    home = Home.locate(folder / "home")
    home.path.mkdir()
    (home.path / "datasets").symlink_to(trained.datasets)
    record = read_json(source / "training.json")
    for place in range(N_AT_ONCE):
        number = GROUPS[place % len(GROUPS)]
        training = home.trainings / f"at-once-{place}"
        group = training / f"space_group_number={number}"
        shutil.copytree(source / group.name, group)
        lines = read_lines(group / "progress.jsonl")
        epochs: list[dict[str, Any]] = [
            {**lines[(epoch - 1) % len(lines)], "epoch": epoch, "generator_steps": 2 * epoch}
            for epoch in range(1, EPOCHS_AT_ONCE + 1)
        ]
        write_lines(group / "to_come.jsonl", epochs)
        (group / "progress.jsonl").unlink()
        write_json(training / "training.json", record | {"training_id": training.name, "space_groups": [number]})
    return home


def follow(home: Home, uri: str, pace_s: float, names: list[str]) -> list[subprocess.Popen[str]]:
    program = [sys.executable, "-W", "ignore", str(REPOSITORY / "tests" / "log_training.py"), str(home.path)]
    environment = os.environ | {"MLFLOW_TRACKING_URI": uri, "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [*program, name, str(pace_s)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for name in names
    ]


def test_twelve_trainings_at_once_lose_nothing(
    trained: Home, cluster: Cluster, server: TrackingServer, tmp_path: Path
) -> None:
    """Twelve drivers, each with a connection of its own, that begin in the same moment."""
    copy = trainings_at_once(trained, tmp_path)
    before = int(cluster.ask("SELECT count(*) FROM metrics"))
    begun = time.monotonic()

    def sent() -> int:
        return int(cluster.ask("SELECT count(*) FROM metrics")) - before

    names = sorted(folder.name for folder in copy.trainings.iterdir())
    processes = follow(copy, server.uri, 0.25, names)
    try:
        wait_for(lambda: sent() > 600, "some points of the trainings")
        logger.info("event=server_killed seconds=%.1f points=%d", time.monotonic() - begun, sent())
        server.kill()
        time.sleep(3)
        server.start()
        logger.info("event=server_back seconds=%.1f points=%d", time.monotonic() - begun, sent())
        at = sent()
        wait_for(lambda: sent() > at or all(p.poll() is not None for p in processes), "more points")
        cluster.stop()
        time.sleep(3)
        cluster.start()
        logger.info("event=postgresql_back seconds=%.1f points=%d", time.monotonic() - begun, sent())
        ends = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * N_AT_ONCE, ends
    lacking = [name for name, (end, _) in zip(names, ends, strict=True) if json.loads(end)["lacking"]]
    logger.info("event=ended seconds=%.1f points=%d lacking=%d", time.monotonic() - begun, sent(), len(lacking))
    again = [process.communicate(timeout=300) for process in follow(copy, server.uri, 0, lacking)]
    assert all(json.loads(end)["lacking"] == [] for end, _ in again), again
    client = MlflowClient(server.uri)
    n_points = sum(compare(client, folder) for folder in sorted(copy.trainings.iterdir()))
    logger.info("event=compared seconds=%.1f points=%d", time.monotonic() - begun, n_points)
    assert sent() == n_points >= N_AT_ONCE * EPOCHS_AT_ONCE * 10
    (experiment_id,) = [each.experiment_id for each in client.search_experiments() if each.name == EXPERIMENT]
    runs = client.search_runs([experiment_id], "tags.training_id LIKE 'at-once-%'", max_results=1000)
    assert len(runs) == 2 * N_AT_ONCE, "a parent and a child for each, none left over"
