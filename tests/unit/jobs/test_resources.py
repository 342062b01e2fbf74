"""Sharing a cluster among trainers."""

from __future__ import annotations

import pytest

from crystalforge.errors import CrystalforgeError, UsageError
from crystalforge.jobs.cluster import TRAINER_SLOT
from crystalforge.jobs.resources import TrainerResources, plan_resources

SLOT = {TRAINER_SLOT: 1.0}


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
    share = plan_resources(cluster | SLOT, n_groups, None)
    assert share.worker == worker
    assert share.concurrency == concurrency
    assert 1 - 1e-3 < share.slot * concurrency <= 1


def test_what_the_user_asks_for_comes_first() -> None:
    share = plan_resources({"CPU": 16, "GPU": 2} | SLOT, 12, TrainerResources.parse("cpu=2, GPU=0.5"))
    assert share.worker == {"CPU": 2, "GPU": 0.5}
    assert share.concurrency == 4
    assert plan_resources({"CPU": 16, "GPU": 2} | SLOT, 12, TrainerResources.parse("CPU=4")).worker == {"CPU": 4}


@pytest.mark.parametrize("text", ["", "CPU", "CPU=x", "TPU=1", "CPU=-1", "CPU=1,GPU=nan", "CPU=0", "1"])
def test_amounts_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--resources"):
        TrainerResources.parse(text)


def test_a_cluster_that_is_too_small_is_named() -> None:
    with pytest.raises(CrystalforgeError, match="needs 4 CPU, but the cluster has 2 CPU"):
        plan_resources({"CPU": 2} | SLOT, 3, TrainerResources(cpu=4))
    with pytest.raises(CrystalforgeError, match="needs 1 CPU, 1 GPU, but the cluster has 2 CPU, 0 GPU"):
        plan_resources({"CPU": 2} | SLOT, 3, TrainerResources(gpu=1))


def test_a_cluster_without_the_slot_is_told_how_to_declare_it() -> None:
    with pytest.raises(CrystalforgeError, match=r"ray start --head --resources '\{\"trainer_slot\": 1\}'"):
        plan_resources({"CPU": 8}, 12, None)
