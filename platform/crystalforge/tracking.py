"""MLflow tracking, such that its failure never harms a training. The only code that imports mlflow.

Workers know nothing of MLflow: they append metrics to a spool beside their checkpoints. The driver alone reads the
spools and writes to the store, in batches, so that one process owns it; what the store did not take is offered again
at the next poll, or by the next run of the same command.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from crystalforge.files import TEMPORARY_SUFFIX
from crystalforge.home import MLFLOW_DATABASE, Home
from crystalforge.local_disk import require_local_disk
from crystalforge.object_store import on_store
from crystalforge.secrecy import hide_secrets
from crystalforge.settings import shared_setting

logger = logging.getLogger(__name__)

EXPERIMENT = "crystalforge"
MODEL_ALIAS = "champion"
MARK = "log_id"
"""Tag by which a run is found again whose making the store did not confirm."""
CLIENT_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""MLflow's own defaults wait for minutes, and print addresses of runs where our results go."""
RETRY_SECONDS = 30.0
"""After a failure the store is left alone for so long: each call to one that is gone waits for its time-out."""
METRICS_PER_CALL = 1000
"""The store refuses more in one batch."""
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
"""Schemes of stores without a server, which keeps no artifacts: these go into the home."""


class RunStatus(StrEnum):
    """How a run ended, in MLflow's words."""

    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"
    """The command was stopped; the same command continues the run."""


P = ParamSpec("P")
R = TypeVar("R")


def tracking_uri(home: Home) -> str:
    """The store: the setting ``mlflow_tracking_uri`` if there is one, else the SQLite file in the home.

    It may hold a password: ``hide_secrets`` before it is shown or kept.

    Raises:
        StorageError: there is no such setting, and the home is where no SQLite file can be.
    """
    if setting := shared_setting("mlflow_tracking_uri"):
        return str(setting.value)
    require_local_disk(
        home.mlflow,
        "MLflow's own SQLite store",
        "Set MLFLOW_TRACKING_URI to that of a server, as http://mlflow.example.org:5000, or to a local file, as "
        "sqlite:////var/lib/crystalforge/mlflow.db",
    )
    return f"sqlite:///{home.mlflow / MLFLOW_DATABASE}"


def registered_name(space_group_number: int) -> str:
    """Name of a space group's model in the registry."""
    return f"crystalforge-{space_group_number}"


def _harmless(call: Callable[Concatenate[Tracker, P], R]) -> Callable[Concatenate[Tracker, P], R | None]:
    """Let a call fail without harm: one warning for the whole run, and ``None``."""

    @wraps(call)
    def attempt(self: Tracker, *args: P.args, **kwargs: P.kwargs) -> R | None:
        if self.is_silent:
            return None
        try:
            return call(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the named boundary: tracking must not stop a training
            if not self.warned:
                logger.warning(
                    "event=tracking_failed call=%s uri=%s error=%s: the training goes on, metrics are kept for later",
                    call.__name__,
                    self.shown_uri,
                    hide_secrets(repr(error)),
                )
                self.warned = True
            self.silent_until = time.monotonic() + RETRY_SECONDS
            return None

    return attempt


@contextmanager
def _unless_there() -> Iterator[None]:
    """Pass over that something is there already: another training may have made it in the same moment."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


class Tracker:
    """Writes runs, metrics, artifacts and models to one MLflow store; made once, in the driver."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.uri = tracking_uri(home)
        self.shown_uri = hide_secrets(self.uri)
        self.warned = False
        self.silent_until = 0.0
        self._client: Any = None

    @property
    def is_silent(self) -> bool:
        """Whether the store failed a short while ago and is left alone."""
        return time.monotonic() < self.silent_until

    def try_again(self) -> None:
        """Ask the store at the next call, whenever it failed."""
        self.silent_until = 0.0

    @property
    def client(self) -> Any:
        """The MLflow client, made on first use: a new SQLite store takes some seconds of migrations."""
        if self._client is None:
            for name, value in CLIENT_SETTINGS.items():
                os.environ.setdefault(name, value)
            from mlflow.tracking import MlflowClient

            # It tells of every table it makes, and prints the traceback of an error that we report ourselves.
            logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
            self.home.mlflow.mkdir(parents=True, exist_ok=True)
            self._make_store()
            self._client = MlflowClient(tracking_uri=self.uri)
        return self._client

    def _make_store(self) -> None:
        """Make a new SQLite store under another name: one cut short in its migrations would never work again."""
        from mlflow.tracking import MlflowClient

        database = self.home.mlflow / MLFLOW_DATABASE
        if self.uri != f"sqlite:///{database}" or database.is_file():
            return
        for left_over in self.home.mlflow.glob(f".{MLFLOW_DATABASE}.*{TEMPORARY_SUFFIX}"):
            left_over.unlink(missing_ok=True)
        # A name of its own for each attempt: MLflow keeps its connection to a file that failed.
        partial = database.with_name(f".{MLFLOW_DATABASE}.{time.time_ns()}{TEMPORARY_SUFFIX}")
        MlflowClient(tracking_uri=f"sqlite:///{partial}").search_experiments()
        partial.replace(database)

    def _experiment_id(self) -> str:
        if self.client.get_experiment_by_name(EXPERIMENT) is None:
            local = self.uri.partition(":")[0].partition("+")[0] in DATABASES
            location = self._artifacts() if local else None
            with _unless_there():
                self.client.create_experiment(EXPERIMENT, artifact_location=location)
        return str(self.client.get_experiment_by_name(EXPERIMENT).experiment_id)

    def _artifacts(self) -> str:
        """Where a store without a server keeps artifacts: in the home; of a home on an object store, beside SQLite."""
        folder = self.home.mlflow / "artifacts"
        if not on_store(folder):
            return folder.as_uri()
        if self.uri.startswith("sqlite:///"):
            return (Path(self.uri.removeprefix("sqlite:///")).parent / "artifacts").as_uri()
        return str(folder)

    @_harmless
    def start_run(
        self, name: str, params: Mapping[str, Any], tags: Mapping[str, str], *, parent: str | None, mark: str = ""
    ) -> str:
        """Make a run and return its id.

        Args:
            name: shown to people.
            params: its parameters.
            tags: its tags.
            parent: run that it belongs below; None for none.
            mark: a tag that no other run has. A run that has it is taken: the store failed after it had made it.
        """
        from mlflow.entities import Param

        more = {"mlflow.parentRunId": parent, MARK: mark}
        tags = {**tags, **{key: value for key, value in more.items() if value}}
        experiment_id = self._experiment_id()
        found = mark and self.client.search_runs([experiment_id], f"tags.{MARK} = '{mark}'", max_results=1)
        run = found[0] if found else self.client.create_run(experiment_id, run_name=name, tags=tags)
        run_id = str(run.info.run_id)
        self.client.log_batch(run_id, params=[Param(key, str(value)) for key, value in params.items()])
        return run_id

    @_harmless
    def continue_run(self, run_id: str) -> bool:
        """Mark a run of an earlier command as running again; false if the store has lost it."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.update_run(run_id, status="RUNNING")
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
        return True

    @_harmless
    def log_metrics(self, run_id: str, points: Iterable[tuple[int, float, Mapping[str, float]]]) -> bool:
        """Log metrics of several steps in one batch.

        Args:
            run_id: the run.
            points: step, time (seconds since the epoch) and values of each.

        Returns:
            True when the store took them all; None (falsy) otherwise.
        """
        from mlflow.entities import Metric

        metrics = [
            Metric(key, value, int(time * 1000), step) for step, time, values in points for key, value in values.items()
        ]
        for first in range(0, len(metrics), METRICS_PER_CALL):
            self.client.log_batch(run_id, metrics=metrics[first : first + METRICS_PER_CALL])
        return True

    @_harmless
    def log_files(self, run_id: str, files: Iterable[Path], artifact_path: str) -> bool:
        """Keep files as artifacts of a run."""
        for file in files:
            self.client.log_artifact(run_id, str(file), artifact_path)
        return True

    @_harmless
    def log_figure(self, run_id: str, draw: Callable[[], Any], name: str) -> bool:
        """Draw a matplotlib figure and keep it as an artifact of a run."""
        self.client.log_figure(run_id, draw(), name)
        return True

    @_harmless
    def register_model(self, space_group_number: int, run_id: str, artifact_path: str, tags: Mapping[str, str]) -> str:
        """Register a run's checkpoint under the space group's name and move the alias to it; returns the version."""
        name = registered_name(space_group_number)
        with _unless_there():
            self.client.create_registered_model(name, description=f"Generator of space group {space_group_number}")
        found = self.client.search_model_versions(f"name = '{name}' AND run_id = '{run_id}'", max_results=1)
        source = f"runs:/{run_id}/{artifact_path}"
        made = found or [self.client.create_model_version(name, source=source, run_id=run_id, tags=dict(tags))]
        version = str(made[0].version)
        self.client.set_registered_model_alias(name, MODEL_ALIAS, version)
        return version

    @_harmless
    def end_run(self, run_id: str, status: RunStatus) -> bool:
        """Mark a run as finished, failed or killed."""
        self.client.set_terminated(run_id, str(status))
        return True
