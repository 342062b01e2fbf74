"""A small home with real shards that tests of several rooms ask or damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_catalog import add_dataset, add_generation, digest

from crystalforge.home import Home


@pytest.fixture(scope="session")
def _home_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home.locate(tmp_path_factory.mktemp("template") / "home")
    add_dataset(home)
    add_generation(home, "older", "2026-01-02T00:00:00Z")
    add_generation(home, "later", "2026-01-03T00:00:00Z")
    return home.path


@pytest.fixture
def catalog_home(_home_template: Path, tmp_path: Path) -> Home:
    """A home of the test's own: generation ``later`` sorts before ``older`` and was started after it; 20 rows each."""
    return Home.locate(shutil.copytree(_home_template, tmp_path / "home"))


@pytest.fixture
def home_digest(catalog_home: Home) -> dict[str, str]:
    """Every file of the home before the test touched it."""
    return digest(catalog_home.path)
