"""The worker process that relaxes shards of a screening."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crystalforge.catalog.shards import ShardRecord, read_shard, write_shard
from crystalforge.errors import CrystalforgeError, ScreeningError
from crystalforge.jobs.shard_worker import Attempts
from crystalforge.object_store import as_path
from crystalforge.screening.plan import INPUTS_FILE, ScreeningPlan, ScreeningShard
from crystalforge.screening.potentials import Potential, load_potential

SPARE_TIME_S = 120.0
"""For loading and for a step that runs over, on top of the limits of a shard's crystals, before its worker is ended."""


def same_potential(plan: ScreeningPlan) -> Potential:
    """The plan's potential, in the version that it was made for.

    Raises:
        MissingDependencyError: its package is not installed.
        ScreeningError: it is of another version.
    """
    potential = load_potential(plan.potential, Path(plan.model) if plan.model else None)
    if potential.version != plan.potential_version:
        raise ScreeningError(
            f"Screening {plan.screening_id} was begun with {plan.potential} {plan.potential_version}, installed is "
            f"{potential.version}: energies of two versions never share a table. Start a new screening."
        )
    return potential


class ScreeningWorker:
    """Relaxes shards in a worker process; keeps the potential it has loaded."""

    def __init__(self, folder: str, plan: dict[str, Any], attempts: str | None = None) -> None:
        import torch

        torch.set_num_threads(1)
        self.folder = as_path(folder)
        self.attempts = Path(attempts) if attempts else self.folder
        self.plan = ScreeningPlan.from_json(plan)
        record = ShardRecord(INPUTS_FILE, self.plan.count, self.plan.inputs_sha256, 0)
        self.inputs = read_shard(self.folder, record, repair="Start a new screening.")
        self.calculator = same_potential(self.plan).calculator()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Relax and write one shard; what goes wrong comes back in the line, so that Ray does not end the run."""
        from crystalforge.screening.rows import relax_shard

        shard = ScreeningShard(**row)
        attempts = Attempts(self.attempts, str(shard.number))
        timeout_s = SPARE_TIME_S + shard.n_crystals * self.plan.limits.max_seconds
        try:
            attempts.begin(timeout_s)
            with attempts.watched(timeout_s):
                record = write_shard(
                    self.folder, shard.file, relax_shard(self.inputs, self.plan, shard, self.calculator)
                )
            attempts.forget()
            return {"shard": shard.number, **vars(record), "error": ""}
        except CrystalforgeError as error:
            nothing = {"file": shard.file, "rows": 0, "sha256": "", "bytes": 0, "schema": ""}
            return {"shard": shard.number, **nothing, "error": str(error)}
