"""The driver's reading of the trainings: spools to MLflow and to the progress display, models to the registry."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystalforge.dataset import Dataset
from crystalforge.errors import StorageError
from crystalforge.files import read_json, read_lines, write_json
from crystalforge.gan.recipe import Recipe
from crystalforge.home import MODEL_RECORD, Home, group_folder_name
from crystalforge.jobs.train_group import DISTRIBUTIONS, PROGRESS
from crystalforge.secrecy import hide_secrets
from crystalforge.symmetry import space_group
from crystalforge.tracking import RunStatus, Tracker

if TYPE_CHECKING:
    from crystalforge.jobs.train_all import Progress

logger = logging.getLogger(__name__)

RUNS = "mlflow_runs.json"
"""What the store holds of a training: it survives restarts of the command and failures of the store."""
SUMMARY_TERMS = ("accepted_share", "accepted_share_null", "wasserstein_distance")
"""Terms that the parent run holds too, as ``accepted_share/225``: all groups side by side in one chart."""
CHECKPOINT_ARTIFACT = "checkpoint"
FIGURE_ARTIFACT = "distributions.png"


class TrainingLog:
    """Follows the spools of one training.

    ``runs`` holds the store's address, the ids of the parent run and of a child for each group, the last epoch of each
    that was sent, and the groups that are settled: model registered, artifacts kept, run ended. ``log_id`` marks the
    runs as those of this home's training, as others may log the same configuration to the same store; ``closed`` says
    whether the parent run was ended.
    """

    def __init__(self, home: Home, folder: Path, training_id: str, progress: Progress | None) -> None:
        self.folder = folder
        self.training_id = training_id
        self.progress = progress
        self.tracker = Tracker(home)
        self.runs: dict[str, Any] = {
            "uri": self.tracker.shown_uri,
            "log_id": secrets.token_hex(8),
            "parent": None,
            "children": {},
            "epochs_sent": {},
            "settled": [],
            "closed": True,
        } | self._known_runs()
        self.lines_read: dict[int, int] = {}
        self.groups: list[int] = []
        self.running: set[int] = set()
        self.ended: dict[int, dict[str, Any]] = {}
        """Records of the groups that ended, until the store has all of them."""
        self.any_failed = False
        self._params: dict[str, Any] = {}

    def _known_runs(self) -> dict[str, Any]:
        path = self.folder / RUNS
        known: dict[str, Any] = read_json(path) if path.is_file() else {}
        same = hide_secrets(known.get("uri") or "") == self.tracker.shown_uri
        return known | {"uri": self.tracker.shown_uri} if same else {}

    def _save(self) -> None:
        """Note what the store has. A full disk harms no training here: the next time, or the next command, notes it."""
        try:
            write_json(self.folder / RUNS, self.runs)
        except StorageError as error:
            logger.warning("event=runs_not_noted %s", error)

    def unsettled(self, groups: list[int]) -> list[int]:
        """Which trained groups the store does not hold: it failed, or the command was stopped before."""
        return [number for number in groups if number not in self.runs["settled"]]

    @property
    def is_closed(self) -> bool:
        """Whether the store knows that the training ended, or knows nothing of it."""
        return bool(self.runs["closed"])

    @contextlib.contextmanager
    def opened(self, recipe: Recipe, dataset: Dataset, seed: int, groups: list[int]) -> Iterator[None]:
        """Have a parent run and a child for each group, new or continued, as long as the ``with`` lasts.

        At its end the store is offered once more what it did not take. Runs that have not ended when it is left by an
        exception are marked as killed.
        """
        self.groups = groups
        self.running = set(groups)
        self._params = _parameters(recipe, dataset, seed)
        self.runs["closed"] = False
        # A command that is killed in the next lines made runs that its successor finds by the log_id.
        write_json(self.folder / RUNS, self.runs)
        self._open()
        try:
            yield
        except BaseException:
            for number in self.running:
                if run_id := self.runs["children"].get(str(number)):
                    self.tracker.end_run(run_id, RunStatus.KILLED)
            self._end_parent(RunStatus.KILLED)
            raise
        if self.ended:
            self.tracker.try_again()
            self._catch_up()
        self._end_parent(RunStatus.FAILED if self.any_failed else RunStatus.FINISHED)

    def _open(self) -> None:
        parent = self.runs["parent"]
        if not (parent and self.tracker.continue_run(parent)):
            self._open_parent()
        for number in self.groups:
            known = self.runs["children"].get(str(number))
            if not (known and self.tracker.continue_run(known)):
                self._open_child(number)
        self._save()

    def _open_parent(self) -> None:
        name, tags, mark = f"train-all {self.training_id}", {"training_id": self.training_id}, self.runs["log_id"]
        made = self.tracker.start_run(name, self._params, tags, mark=mark, parent=None)
        self.runs["parent"] = made or self.runs["parent"]

    def _open_child(self, number: int) -> None:
        """Make a group's run, which then gets all epochs of the spool."""
        name = f"{number} {space_group(number).international_symbol}"
        tags = {"training_id": self.training_id, "space_group_number": str(number)}
        mark = f"{self.runs['log_id']}-{number}"
        made = self.tracker.start_run(name, self._params, tags, mark=mark, parent=self.runs["parent"])
        if made:
            self.runs["children"][str(number)] = made
            self.runs["epochs_sent"][str(number)] = 0

    def poll(self) -> None:
        """Read what the workers noted since the last poll, and bring the store what it has missed."""
        for number in self.groups:
            self._poll_group(number)
        if not self.tracker.is_silent:
            self._catch_up()

    def _catch_up(self) -> None:
        """Make the runs that the store did not make, and bring it the groups that ended while it was away."""
        missing = [number for number in self.groups if str(number) not in self.runs["children"]]
        if missing and not self.runs["parent"]:
            self._open_parent()
        if self.runs["parent"]:
            for number in missing:
                self._open_child(number)
        if missing:
            self._save()
        for number in list(self.ended):
            self._bring(number)

    def _poll_group(self, number: int) -> None:
        lines = read_lines(self.folder / group_folder_name(number) / PROGRESS)
        for line in lines[self.lines_read.get(number, 0) :]:
            if self.progress:
                self.progress(number, line["generator_steps"], line["terms"])
        self.lines_read[number] = len(lines)
        self._send(str(number), lines)

    def _send(self, key: str, lines: list[dict[str, Any]]) -> None:
        run_id, sent = self.runs["children"].get(key), self.runs["epochs_sent"].get(key, 0)
        # An epoch that a restarted worker repeated stands twice in the spool; its last line counts.
        new = {line["epoch"]: line for line in lines if line["epoch"] > sent}
        if not run_id or not new:
            return
        points = [(line["generator_steps"], line["time"], line["terms"]) for line in new.values()]
        summary = [
            (step, time, {f"{term}/{key}": terms[term] for term in SUMMARY_TERMS if term in terms})
            for step, time, terms in points
        ]
        parent = self.runs["parent"]
        if self.tracker.log_metrics(run_id, points) and (not parent or self.tracker.log_metrics(parent, summary)):
            self.runs["epochs_sent"][key] = max(new)
            self._save()

    def settle(self, number: int) -> None:
        """Bring a group that an earlier command trained into the store."""
        self.group_ended(number, read_json(self.folder / group_folder_name(number) / MODEL_RECORD))

    def group_ended(self, number: int, record: dict[str, Any]) -> None:
        """Bring the store what a group came to, now or as soon as it answers again."""
        self.any_failed |= "error" in record
        self.ended[number] = record
        self._bring(number)

    def _bring(self, number: int) -> None:
        """Keep a group's last epochs, checkpoint and figure, register its model, end its run."""
        self._poll_group(number)
        run_id, record = self.runs["children"].get(str(number)), self.ended[number]
        if not run_id:
            return
        succeeded = "error" not in record
        kept = not succeeded or self._keep_model(number, run_id, record)
        if not (kept and self.tracker.end_run(run_id, RunStatus.FINISHED if succeeded else RunStatus.FAILED)):
            return
        del self.ended[number]
        self.running.discard(number)
        if succeeded and number not in self.runs["settled"]:
            self.runs["settled"].append(number)
            self._save()

    def _keep_model(self, number: int, run_id: str, record: dict[str, Any]) -> bool:
        """Whether the store took all of it."""
        from crystalforge.gan.checkpoint import model_files
        from crystalforge.generation.distributions import draw_distributions

        group = self.folder / group_folder_name(number)

        def figure() -> Any:
            title = f"Space group {number}: sampled, real and noise"
            return draw_distributions(read_json(group / DISTRIBUTIONS), title)

        tags = {"model_checksum": record["model_checksum"], "training_id": self.training_id}
        return bool(
            self.tracker.log_files(run_id, model_files(group / record["checkpoint"]), CHECKPOINT_ARTIFACT)
            and self.tracker.log_figure(run_id, figure, FIGURE_ARTIFACT)
            and self.tracker.register_model(number, run_id, CHECKPOINT_ARTIFACT, tags)
        )

    def _end_parent(self, status: RunStatus) -> None:
        if self.runs["parent"] and self.tracker.end_run(self.runs["parent"], status):
            self.runs["closed"] = True
            self._save()


def _parameters(recipe: Recipe, dataset: Dataset, seed: int) -> dict[str, Any]:
    values = {"seed": seed, "dataset_id": dataset.dataset_id, "dataset_checksum": dataset.checksum}
    for part, content in recipe.model_dump().items():
        fields = content if isinstance(content, dict) else {"": content}
        values |= {f"{part}.{key}".rstrip("."): value for key, value in fields.items()}
    return values
