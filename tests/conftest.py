"""Fixtures that all tests share: the real crystals, and one Ray for the whole session."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from real_browser import NO_BROWSER
from s3_server import BUCKET, LEFT_OUT, S3Server, s3_server
from small_candidates import add_candidates
from small_generation import add_small_generation
from trained_here import train_here

from crystalforge.dataset import build_dataset, find_dataset
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home

# A shell that starts the tests in the background lets them ignore Ctrl-C, and so would every program they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parent.parent

# The settings of who runs the tests are not those of the tests; other programs write into this folder too.
SETTINGS = tempfile.TemporaryDirectory(prefix="crystalforge-settings-", ignore_cleanup_errors=True)
atexit.register(SETTINGS.cleanup)
os.environ["XDG_CONFIG_HOME"] = SETTINGS.name
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
    """Say loudly that the tests on real crystals, or those in a browser, did not run."""
    folder = shared_folder()
    if not folder.is_dir():
        terminalreporter.write_sep("!", "TESTS ON REAL CRYSTALS DID NOT RUN", red=True, bold=True)
        terminalreporter.write_line(f"{folder} does not exist. Set {SHARED_VARIABLE} to the folder that holds data/.")
    if any(NO_BROWSER in str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])):
        terminalreporter.write_sep("!", "TESTS OF THE PAGES IN A BROWSER DID NOT RUN", red=True, bold=True)
        terminalreporter.write_line("Install Chromium: apt-get install --no-install-recommends chromium.")


@pytest.fixture(scope="session")
def s3_session() -> Iterator[S3Server]:
    """One S3 server for all tests that need it."""
    with s3_server() as server:
        yield server


@pytest.fixture
def s3(s3_session: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> S3Server:
    """That server, as the environment of this test names it; what it was asked before is forgotten."""
    for name in LEFT_OUT:
        monkeypatch.delenv(name, raising=False)
    for name, value in s3_session.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CRYSTALFORGE_LOCAL_STATE", str(tmp_path / "state"))
    s3_session.requests()
    return s3_session


@pytest.fixture
def store_home(s3: S3Server, tmp_path: Path) -> Home:
    """An empty home on that server, of this test alone."""
    return Home.locate(f"s3://{BUCKET}/{tmp_path.parent.name}-{tmp_path.name}", store=True)


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


@pytest.fixture(scope="session")
def drawn(bundled_home: Home, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, GenerationPlan]:
    """A home with a training whose networks took no step, and a generation drawn by them. Tests only read it."""
    home = Home.locate(shutil.copytree(bundled_home.path, tmp_path_factory.mktemp("drawn") / "home"))
    return home, add_small_generation(home)


@pytest.fixture(scope="session")
def candidates(bundled_home: Home, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, GenerationPlan]:
    """A home with some 200 real candidates of groups 62, 221 and 225, copies of known crystals. Tests only read it."""
    home = Home.locate(shutil.copytree(bundled_home.path, tmp_path_factory.mktemp("candidates") / "home"))
    return home, add_candidates(home)


@pytest.fixture
def drawn_home(drawn: tuple[Home, GenerationPlan], tmp_path: Path) -> Home:
    """A copy of that home that a test may change."""
    return Home.locate(shutil.copytree(drawn[0].path, tmp_path / "home"))


@pytest.fixture(scope="session")
def trained(bundled_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a finished training of space groups 225 and 62, of which no store knows. Tests only read it."""
    home = Home.locate(shutil.copytree(bundled_home.path, tmp_path_factory.mktemp("trained") / "home"))
    train_here(home)
    return home


@pytest.fixture
def trained_home(trained: Home, tmp_path: Path) -> Home:
    """A copy of the trained home that a test may change."""
    return Home.locate(shutil.copytree(trained.path, tmp_path / "home"))
