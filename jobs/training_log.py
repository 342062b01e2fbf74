"""The driver's reading of the trainings: spools to MLflow and to the progress display, models to the registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystalforge.dataset import Dataset
from crystalforge.files import read_json, write_json
from crystalforge.gan.recipe import Recipe
from crystalforge.home import Home
from crystalforge.jobs.train_group import DISTRIBUTIONS, PROGRESS, group_folder_name
from crystalforge.tracking import Tracker

if TYPE_CHECKING:
    from crystalforge.jobs.train_all import Progress

RUNS = "mlflow_runs.json"
"""Ids of the parent run and its children, and how many epochs of each were sent: they survive restarts."""
CHECKPOINT_ARTIFACT = "checkpoint"


class TrainingLog:
    """Follows the spools of one training."""

    def __init__(self, home: Home, folder: Path, training_id: str, progress: Progress | None) -> None:
        self.folder = folder
        self.training_id = training_id
        self.progress = progress
        self.tracker = Tracker(home)
        self.runs: dict[str, Any] = {"uri": self.tracker.uri, "parent": None, "children": {}, "epochs_sent": {}}
        self.lines_read: dict[int, int] = {}
        self.groups: list[int] = []

    def open(self, recipe: Recipe, dataset: Dataset, seed: int, groups: list[int]) -> None:
        """Make the parent run and a child for each group, or continue those of an earlier command."""
        self.groups = groups
        path = self.folder / RUNS
        if path.is_file():
            known = read_json(path)
            if known["uri"] == self.tracker.uri:
                self.runs = known
        params = _parameters(recipe, dataset, seed)
        self.runs["parent"] = self._run(self.runs["parent"], f"train-all {self.training_id}", params, None, {})
        for number in groups:
            key = str(number)
            tags = {"space_group_number": key}
            self.runs["children"][key] = self._run(
                self.runs["children"].get(key), group_folder_name(number), params, self.runs["parent"], tags
            )
        write_json(path, self.runs)

    def _run(
        self, run_id: str | None, name: str, params: dict[str, Any], parent: str | None, tags: dict[str, str]
    ) -> str | None:
        if run_id and self.tracker.continue_run(run_id):
            return run_id
        return self.tracker.start_run(name, params, {"training_id": self.training_id, **tags}, parent)

    def poll(self) -> None:
        """Read what the workers noted since the last poll."""
        for number in self.groups:
            self._poll_group(number)

    def _poll_group(self, number: int) -> None:
        lines = _read_spool(self.folder / group_folder_name(number) / PROGRESS)
        for line in lines[self.lines_read.get(number, 0) :]:
            if self.progress:
                self.progress(number, line["generator_steps"], line["terms"])
        self.lines_read[number] = len(lines)
        self._send(number, lines)

    def _send(self, number: int, lines: list[dict[str, Any]]) -> None:
        key = str(number)
        run_id, sent = self.runs["children"].get(key), self.runs["epochs_sent"].get(key, 0)
        # An epoch that a restarted worker repeated stands twice in the spool; its last line counts.
        new = {line["epoch"]: line for line in lines if line["epoch"] > sent}
        if not run_id or not new:
            return
        points = [(line["generator_steps"], line["time"], line["terms"]) for line in new.values()]
        if self.tracker.log_metrics(run_id, points):
            self.runs["epochs_sent"][key] = max(new)
            write_json(self.folder / RUNS, self.runs)

    def group_ended(self, number: int, record: dict[str, Any]) -> None:
        """Keep a group's checkpoint and figure, register its model, end its run."""
        self._poll_group(number)
        run_id = self.runs["children"].get(str(number))
        if not run_id:
            return
        succeeded = "error" not in record
        if succeeded:
            self._keep_model(number, run_id, record)
        self.tracker.end_run(run_id, succeeded=succeeded)

    def _keep_model(self, number: int, run_id: str, record: dict[str, Any]) -> None:
        from crystalforge.generation.distributions import draw_distributions

        group = self.folder / group_folder_name(number)
        self.tracker.log_files(run_id, group / record["checkpoint"], CHECKPOINT_ARTIFACT)
        title = f"Space group {number}: sampled, real and noise"
        self.tracker.log_figure(
            run_id, draw_distributions(read_json(group / DISTRIBUTIONS), title), "distributions.png"
        )
        tags = {"model_checksum": record["model_checksum"], "training_id": self.training_id}
        self.tracker.register_model(number, run_id, CHECKPOINT_ARTIFACT, tags)

    def close(self, failed: dict[int, str]) -> None:
        """End the parent run."""
        if self.runs["parent"]:
            self.tracker.end_run(self.runs["parent"], succeeded=not failed)


def _parameters(recipe: Recipe, dataset: Dataset, seed: int) -> dict[str, Any]:
    values = {"seed": seed, "dataset_id": dataset.dataset_id, "dataset_checksum": dataset.checksum}
    for part, content in recipe.model_dump().items():
        values |= (
            {f"{part}.{key}": value for key, value in content.items()} if isinstance(content, dict) else {part: content}
        )
    return values


def _read_spool(path: Path) -> list[dict[str, Any]]:
    """All whole lines; a line that a killed worker left half-written and a later one went on with is passed over."""
    if not path.is_file():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines
