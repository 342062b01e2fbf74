"""The worker of a generation: what goes wrong with a shard comes back in its line, so that Ray does not try again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from crystalforge.generation.plan import GenerationPlan
from crystalforge.jobs.shard_worker import MAX_ATTEMPTS, Attempts, ShardWorker

PLAN = GenerationPlan("training", "dataset", 1, 10, {225: 10}, {225: "c" * 64})


def test_a_shard_that_killed_its_worker_too_often_is_not_begun_again(tmp_path: Path) -> None:
    worker = ShardWorker(str(tmp_path), PLAN.to_json(), {225: str(tmp_path / "no-model")})
    (shard,) = PLAN.shards()
    for _ in range(MAX_ATTEMPTS):
        assert "is no checkpoint" in worker(asdict(shard))["error"]
    assert Attempts(tmp_path, f"225-{shard.number}").file.stat().st_size == MAX_ATTEMPTS
    line = worker(asdict(shard))
    assert line["error"] == f"its worker died {MAX_ATTEMPTS} times while drawing it."
    assert (line["file"], line["rows"], line["sha256"]) == (shard.file, 0, "")
