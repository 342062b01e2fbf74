"""Fixtures that all tests share: the real crystals, and one Ray for the whole session."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from crystalforge.dataset import build_dataset, find_dataset
from crystalforge.home import Home

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_VARIABLE = "CRYSTALFORGE_SHARED"


def shared_folder() -> Path:
    """The folder of real crystals that is not part of the repository."""
    return Path(os.environ.get(SHARED_VARIABLE) or REPOSITORY.parent / "shared") / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real crystals; without them the test is skipped, and the end of the run says so."""
    folder = shared_folder()
    if not folder.is_dir():
        pytest.skip(f"no real crystals at {folder}: set {SHARED_VARIABLE}")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly that the tests on real crystals did not run."""
    folder = shared_folder()
    if not folder.is_dir():
        terminalreporter.write_sep("!", "TESTS ON REAL CRYSTALS DID NOT RUN", red=True, bold=True)
        terminalreporter.write_line(f"{folder} does not exist. Set {SHARED_VARIABLE} to the folder that holds data/.")


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One local Ray for all tests that need it."""
    from crystalforge.jobs.cluster import connected

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = connected(num_cpus=2)
        context.__enter__()
    yield
    context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def bundled_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the bundled dataset, real crystals of all 12 space groups. Tests only read it."""
    home = Home.locate(tmp_path_factory.mktemp("bundled") / "home")
    build_dataset(home, "bundled")
    return home


@pytest.fixture(scope="session")
def bundled_materials(bundled_home: Home) -> pa.Table:
    """The bundled crystals, schema ``materials``."""
    return find_dataset(bundled_home).materials()
