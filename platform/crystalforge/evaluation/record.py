"""Sends the figures of an evaluation to MLflow: a run of its own, whose failure harms nothing."""

from __future__ import annotations

import time
from typing import Any

from crystalforge.evaluation.evaluate import Evaluation
from crystalforge.evaluation.figures import draw_occurrences, draw_shares
from crystalforge.home import Home
from crystalforge.tracking import RunStatus, Tracker

ARTIFACTS = "evaluation"


def record(home: Home, evaluation: Evaluation) -> str | None:
    """Log every figure as ``metric/source`` or ``metric/source/group``, both files and two plots.

    Returns:
        the run's id; None where the store took nothing, which is no error.
    """
    tracker = Tracker(home)
    drawn, real = evaluation.drawn, evaluation.real
    params: dict[str, Any] = {
        "generation_id": drawn.generation_id,
        "training_id": drawn.training_id,
        "recipe": drawn.recipe,
        "reference": real.reference,
        "held_out": real.held_out,
        "n_samples": len(drawn.samples),
        "n_set_aside": len(real.set_aside),
    }
    tags = {"generation_id": drawn.generation_id, "training_id": drawn.training_id, "kind": "evaluation"}
    run_id = tracker.start_run(f"evaluate {drawn.generation_id}", params, tags, parent=None)
    if run_id is None:
        return None
    tracker.log_metrics(run_id, [(0, time.time(), metric_values(evaluation))])
    tracker.log_figure(run_id, lambda: draw_shares(evaluation.figures), f"{ARTIFACTS}/shares.png")
    tracker.log_figure(run_id, lambda: draw_occurrences(evaluation.occurrences), f"{ARTIFACTS}/templates.png")
    tracker.log_files(run_id, [evaluation.path], ARTIFACTS)
    tracker.end_run(run_id, RunStatus.FINISHED)
    return run_id


def metric_values(evaluation: Evaluation) -> dict[str, float]:
    """Figures under the names that MLflow allows: no colon."""
    values = {}
    for row in evaluation.figures.select(["metric", "source", "space_group_number", "value"]).to_pylist():
        if row["value"] is not None:
            group = f"/{row['space_group_number']}" if row["space_group_number"] is not None else ""
            values[f"{row['metric']}/{row['source'].replace(':', '-')}{group}"] = row["value"]
    return values
