"""The driver's reading of the trainings: spools to MLflow and to the progress display, models to the registry."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystalforge.dataset import Dataset
from crystalforge.files import read_json, read_lines, write_json
from crystalforge.gan.recipe import Recipe
from crystalforge.home import MODEL_RECORD, Home, group_folder_name
from crystalforge.jobs.train_group import DISTRIBUTIONS, PROGRESS
from crystalforge.symmetry import space_group
from crystalforge.tracking import RunStatus, Tracker

if TYPE_CHECKING:
    from crystalforge.jobs.train_all import Progress

RUNS = "mlflow_runs.json"
"""What the store holds of a training: it survives restarts of the command and failures of the store."""
SUMMARY_TERMS = ("accepted_share", "accepted_share_null", "wasserstein_distance")
"""Terms that the parent run holds too, as ``accepted_share/225``: all groups side by side in one chart."""
CHECKPOINT_ARTIFACT = "checkpoint"
FIGURE_ARTIFACT = "distributions.png"


class TrainingLog:
    """Follows the spools of one training.

    ``runs`` holds the store's address, the ids of the parent run and of a child for each group, the last epoch of each
    that was sent, and the groups that are settled: model registered, artifacts kept, run ended.
    """

    def __init__(self, home: Home, folder: Path, training_id: str, progress: Progress | None) -> None:
        self.folder = folder
        self.training_id = training_id
        self.progress = progress
        self.tracker = Tracker(home)
        self.runs: dict[str, Any] = self._known_runs() or {
            "uri": self.tracker.uri,
            "parent": None,
            "children": {},
            "epochs_sent": {},
            "settled": [],
        }
        self.lines_read: dict[int, int] = {}
        self.groups: list[int] = []
        self.running: set[int] = set()
        self.any_failed = False

    def _known_runs(self) -> dict[str, Any] | None:
        path = self.folder / RUNS
        known: dict[str, Any] = read_json(path) if path.is_file() else {"uri": None}
        return known if known["uri"] == self.tracker.uri else None

    def _save(self) -> None:
        write_json(self.folder / RUNS, self.runs)

    def unsettled(self, groups: list[int]) -> list[int]:
        """Which trained groups the store does not hold: it failed, or the command was stopped before."""
        return [number for number in groups if number not in self.runs["settled"]]

    @contextlib.contextmanager
    def opened(self, recipe: Recipe, dataset: Dataset, seed: int, groups: list[int]) -> Iterator[None]:
        """Have a parent run and a child for each group, new or continued, as long as the ``with`` lasts.

        Runs that have not ended when it is left by an exception are marked as killed.
        """
        self._open(recipe, dataset, seed, groups)
        try:
            yield
        except BaseException:
            for number in self.running:
                if run_id := self.runs["children"].get(str(number)):
                    self.tracker.end_run(run_id, RunStatus.KILLED)
            self._end_parent(RunStatus.KILLED)
            raise
        self._end_parent(RunStatus.FAILED if self.any_failed else RunStatus.FINISHED)

    def _open(self, recipe: Recipe, dataset: Dataset, seed: int, groups: list[int]) -> None:
        self.groups = groups
        self.running = set(groups)
        params = _parameters(recipe, dataset, seed)
        tags = {"training_id": self.training_id}
        parent = self.runs["parent"]
        if not (parent and self.tracker.continue_run(parent)):
            name = f"train-all {self.training_id}"
            self.runs["parent"] = self.tracker.start_run(name, params, tags, parent=None) or parent
        for number in groups:
            self._open_child(number, params, tags | {"space_group_number": str(number)})
        self._save()

    def _open_child(self, number: int, params: dict[str, Any], tags: dict[str, str]) -> None:
        """Continue a group's run, or make one, which then gets all epochs of the spool."""
        key = str(number)
        known = self.runs["children"].get(key)
        if known and self.tracker.continue_run(known):
            return
        name = f"{number} {space_group(number).international_symbol}"
        made = self.tracker.start_run(name, params, tags, self.runs["parent"])
        if made:
            self.runs["children"][key] = made
            self.runs["epochs_sent"][key] = 0

    def poll(self) -> None:
        """Read what the workers noted since the last poll."""
        for number in self.groups:
            self._poll_group(number)

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
        """Keep a group's checkpoint and figure, register its model, end its run."""
        self._poll_group(number)
        run_id = self.runs["children"].get(str(number))
        if not run_id:
            return
        succeeded = "error" not in record
        self.any_failed |= not succeeded
        kept = succeeded and self._keep_model(number, run_id, record)
        ended = self.tracker.end_run(run_id, RunStatus.FINISHED if succeeded else RunStatus.FAILED)
        self.running.discard(number)
        if ended and kept and number not in self.runs["settled"]:
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
        if self.runs["parent"]:
            self.tracker.end_run(self.runs["parent"], status)


def _parameters(recipe: Recipe, dataset: Dataset, seed: int) -> dict[str, Any]:
    values = {"seed": seed, "dataset_id": dataset.dataset_id, "dataset_checksum": dataset.checksum}
    for part, content in recipe.model_dump().items():
        fields = content if isinstance(content, dict) else {"": content}
        values |= {f"{part}.{key}".rstrip("."): value for key, value in fields.items()}
    return values
