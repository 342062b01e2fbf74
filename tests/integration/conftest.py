"""A real training of two space groups through Ray Train, made once and shared by the tests that only read it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_training import GROUPS, small_recipe

from crystalforge.dataset import find_dataset
from crystalforge.home import Home
from crystalforge.jobs.train_all import TrainingSummary, train_all


@pytest.fixture(scope="session")
def trained(
    bundled_home: Home, tmp_path_factory: pytest.TempPathFactory, ray_session: None
) -> tuple[Home, TrainingSummary]:
    """A home with a finished training of space groups 225 and 62."""
    home = Home.locate(shutil.copytree(bundled_home.path, tmp_path_factory.mktemp("trained") / "home"))
    summary = train_all(home, find_dataset(home), small_recipe(), seed=3, space_groups=GROUPS)
    return home, summary


@pytest.fixture
def trained_home(trained: tuple[Home, TrainingSummary], tmp_path: Path) -> Home:
    """A copy of the trained home that a test may change; without the MLflow store."""
    ignore = shutil.ignore_patterns("mlflow", "generations")
    return Home.locate(shutil.copytree(trained[0].path, tmp_path / "home", ignore=ignore))
