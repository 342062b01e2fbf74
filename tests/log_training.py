"""One training that logs to MLflow as the driver of ``train-all`` does, in a process of its own.

The epochs of a spool that was written before come at the pace of a training, so that the store, not the CPU, is tried.
Run again, it brings the store what it lacks.

    python tests/log_training.py HOME TRAINING_ID SECONDS_PER_EPOCH
"""

from __future__ import annotations

import json
import sys
import time

from crystalforge import tracking
from crystalforge.dataset import find_dataset
from crystalforge.files import append_line, read_json, read_lines
from crystalforge.gan.recipe import recipe_from_values
from crystalforge.home import MODEL_RECORD, TRAINING_RECORD, Home, group_folder_name
from crystalforge.jobs.train_group import PROGRESS
from crystalforge.jobs.training_log import TrainingLog

TO_COME = "to_come.jsonl"
"""The epochs before they happened."""


def main(home: Home, training_id: str, pace_s: float) -> dict[str, list[int]]:
    """Follow the training; which groups the store has and lacks."""
    tracking.RETRY_SECONDS = 2.0  # 30 in earnest: the test is short
    folder = home.trainings / training_id
    record = read_json(folder / TRAINING_RECORD)
    (number,) = record["space_groups"]
    group = folder / group_folder_name(number)
    log = TrainingLog(home, folder, training_id, None)
    recipe = recipe_from_values(record["recipe_values"], training_id)
    with log.opened(recipe, find_dataset(home), record["seed"], [number]):
        known = len(read_lines(group / PROGRESS))
        for line in read_lines(group / TO_COME)[known:]:
            append_line(group / PROGRESS, line | {"time": time.time()})
            log.poll()
            time.sleep(pace_s)
        log.group_ended(number, read_json(group / MODEL_RECORD))
    return {"settled": log.runs["settled"], "lacking": sorted(log.ended)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Home.locate(sys.argv[1]), sys.argv[2], float(sys.argv[3]))) + "\n")
