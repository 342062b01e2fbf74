"""What ``evaluate`` and ``export`` would do: the commands that make results of what the home holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crystalforge.cli.dry_runs import DryRun
from crystalforge.evaluation.plan import EvaluationPlan
from crystalforge.export import CrystalQuery, FormatName
from crystalforge.export.writing import plan_export
from crystalforge.home import Home
from crystalforge.jobs.expected_times import ExpectedTime, expected_evaluation


def dry_evaluation(home: Home, plan: EvaluationPlan) -> DryRun:
    """Of ``evaluate``: a shard is a source that is judged."""
    drawn, sizes = plan.drawn, plan.sizes
    return DryRun(
        what=f"Would judge {len(drawn.samples):,} samples of generation {drawn.generation_id}.",
        name=drawn.generation_id,
        plan={
            "reference": plan.real.reference,
            "set_aside_unseen": plan.real.held_out,
            "sources": sizes,
        },
        shards=len(sizes),
        shards_done=0,
        expected=expected_evaluation(home, sizes),
        folder=str(plan.path),
        notes=["an earlier evaluation there would be replaced"] if plan.path.exists() else [],
    )


def dry_export(home: Home, query: CrystalQuery, file_format: FormatName, out: Path | None, **choices: Any) -> DryRun:
    """Of ``export``: a shard is a file."""
    found = plan_export(home, query, file_format, out, **choices)
    target = found.target
    notes = [f"{count:,} rows fit, but are left out: {reason}" for reason, count in found.left_out.items()]
    return DryRun(
        what=f"Would write {found.crystals:,} crystals of {query.table} as {file_format}.",
        name=str(target.path),
        plan={
            "where": query.where or "all",
            "order": query.order_by or query.source.order,
            "structure": query.structure or "as the table has it",
            "cell": choices["cell"],
        },
        shards=found.files,
        shards_done=0,
        expected=ExpectedTime(None, "as exports leave no record of their time: thousands of crystals take seconds"),
        folder=str(target.path),
        notes=[*notes, *(["the earlier export there would be replaced"] if target.manifest.exists() else [])],
    )
