"""Sharing a cluster among trainers."""

from __future__ import annotations

import pytest

from crystalforge.errors import ClusterError, UsageError
from crystalforge.jobs.resources import TrainerResources, fitting, plan_resources


@pytest.mark.parametrize(
    ("cluster", "n_groups", "worker", "concurrency"),
    [
        ({"CPU": 2}, 12, {"CPU": 1}, 2),
        ({"CPU": 64}, 12, {"CPU": 1}, 12),
        ({"CPU": 16, "GPU": 1}, 12, {"CPU": 1, "GPU": 0.0833}, 12),
        ({"CPU": 4, "GPU": 1}, 12, {"CPU": 1, "GPU": 0.0833}, 4),
        ({"CPU": 64, "GPU": 8}, 12, {"CPU": 1, "GPU": 0.5}, 12),
        ({"CPU": 64, "GPU": 16}, 12, {"CPU": 1, "GPU": 1}, 12),
    ],
)
def test_the_cluster_is_shared(cluster: dict, n_groups: int, worker: dict, concurrency: int) -> None:
    share = plan_resources(cluster, n_groups, None)
    assert share.worker == worker
    assert share.concurrency == concurrency


def test_room_follows_the_nodes_that_come_and_go() -> None:
    worker = plan_resources({"CPU": 4, "GPU": 1}, 12, None).worker
    assert [fitting({"CPU": cpus, "GPU": 1}, worker) for cpus in (0, 1, 4, 6)] == [0, 1, 4, 6]
    assert fitting({"CPU": 4}, worker) == 0


def test_what_the_user_asks_for_comes_first() -> None:
    share = plan_resources({"CPU": 16, "GPU": 2}, 12, TrainerResources.parse("cpu=2, GPU=0.5"))
    assert share.worker == {"CPU": 2, "GPU": 0.5}
    assert share.concurrency == 4
    assert plan_resources({"CPU": 16, "GPU": 2}, 12, TrainerResources.parse("CPU=4")).worker == {"CPU": 4}


@pytest.mark.parametrize("text", ["", "CPU", "CPU=x", "TPU=1", "CPU=-1", "CPU=1,GPU=nan", "CPU=0", "1"])
def test_amounts_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--resources"):
        TrainerResources.parse(text)


def test_a_cluster_that_is_too_small_is_named() -> None:
    with pytest.raises(ClusterError, match="needs 4 CPU, but the cluster has 2 CPU"):
        plan_resources({"CPU": 2}, 3, TrainerResources(cpu=4))
    with pytest.raises(ClusterError, match="needs 1 CPU, 1 GPU, but the cluster has 2 CPU, 0 GPU"):
        plan_resources({"CPU": 2}, 3, TrainerResources(gpu=1))
