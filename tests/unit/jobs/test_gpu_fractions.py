"""Trainings that share GPUs: what the option takes, what each gets, and that Ray places so many."""

from __future__ import annotations

import pytest

from crystalforge.errors import UsageError
from crystalforge.jobs.resources import TrainerResources, fitting, gpu_share, plan_resources


@pytest.mark.parametrize(
    ("text", "cpu", "gpu"),
    [
        ("CPU=1,GPU=0.25", 1, 0.25),
        ("gpu=0.0833", 1, 0.0833),
        ("GPU=1", 1, 1),
        ("GPU=2,CPU=4", 4, 2),
        ("CPU=0.5", 0.5, 0),
    ],
)
def test_fractions_of_a_gpu_are_read(text: str, cpu: float, gpu: float) -> None:
    assert TrainerResources.parse(text) == TrainerResources(cpu, gpu)


@pytest.mark.parametrize("text", ["GPU=1.5", "CPU=1,GPU=2.25"])
def test_more_than_one_gpu_comes_whole(text: str) -> None:
    """Ray itself raises in the middle of a run."""
    with pytest.raises(UsageError, match="expected a fraction of one GPU, or whole ones"):
        TrainerResources.parse(text)


@pytest.mark.parametrize(
    ("gpus", "share", "at_once"),
    [(1, 0.25, 4), (1, 0.0833, 12), (3, 0.4, 6), (2, 0.7, 2), (4, 1, 4), (4, 2, 2), (1, 0.1, 10)],
)
def test_a_share_lies_on_one_gpu(gpus: int, share: float, at_once: int) -> None:
    assert fitting({"CPU": 64, "GPU": gpus}, {"CPU": 1, "GPU": share}) == at_once
    assert plan_resources({"CPU": 64, "GPU": gpus}, 12, TrainerResources(gpu=share)).concurrency == at_once


@pytest.mark.parametrize("n", range(1, 60))
@pytest.mark.parametrize("gpus", [1, 2, 4, 8])
def test_as_many_as_share_the_gpus_fit_on_them(n: int, gpus: int) -> None:
    """The share is rounded down to what Ray counts, so that none of them waits."""
    assert fitting({"GPU": gpus}, {"GPU": gpu_share(gpus, n)}) >= n
