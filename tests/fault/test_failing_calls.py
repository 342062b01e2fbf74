"""The k-th write, flush or rename fails: a message with path and free space, nothing damaged, and the rerun is clean.

A host process with the failing library draws a generation in a fork for each k. At night a dataset is built in the same
way, and the whole commands run with Ray, for generation and training.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from failing_calls import OUTCOMES, FailingCalls, has_compiler

from crystalforge.files import read_lines
from crystalforge.home import Home

logger = logging.getLogger(__name__)

pytestmark = pytest.mark.skipif(not has_compiler(), reason="no C compiler to build the failing library with")
HOST = Path(__file__).with_name("failing_calls_host.py")
K_MAX = 40
MESSAGE = re.compile(r"^Error: .*No space left to write /\S+: [\d.]+ MiB free\.", re.MULTILINE)


def _outcomes(home: Home, folder: Path, what: str, ks: range, timeout: int) -> list[dict]:
    """What came of each k, as the host tells it."""
    root = folder / "root"
    root.mkdir()
    calls = FailingCalls.build(folder, root)
    command = [sys.executable, "-W", "ignore", HOST, what, home.path, folder, str(ks.start), str(ks.stop)]
    environment = {**os.environ, **calls.environment, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    outcomes = read_lines(folder / OUTCOMES)
    n_failed = sum(outcome["code"] != 0 for outcome in outcomes)
    logger.info("event=failing_calls of=%s n=%d exit_1=%d", what, len(outcomes), n_failed)
    return outcomes


def _assert_survived(outcomes: list[dict], *, may_succeed: bool = False) -> None:
    for outcome in outcomes:
        assert outcome["calls"] >= outcome["k"], "it came to the k-th call"
        if outcome["code"] or not may_succeed:
            assert outcome["code"] == 1, outcome
            assert MESSAGE.search(outcome["log"]), outcome
            assert "Traceback" not in outcome["log"], outcome
        assert outcome["damaged"] == [], outcome
        assert outcome["rerun_code"] == 0, outcome
        assert outcome["rerun_same"], outcome


def test_a_generation_survives_each_failing_call(trained_home: Home, tmp_path: Path) -> None:
    outcomes = _outcomes(trained_home, tmp_path, "generation", range(1, K_MAX + 1), 200)
    assert [outcome["k"] for outcome in outcomes] == list(range(1, K_MAX + 1))
    _assert_survived(outcomes)


@pytest.mark.nightly
def test_a_dataset_build_survives_each_failing_call(bundled_home: Home, tmp_path: Path) -> None:
    """A build makes fewer calls than 40; the host stops at the first k that none reaches."""
    outcomes = _outcomes(bundled_home, tmp_path, "dataset", range(1, K_MAX + 1), 200)
    assert len(outcomes) > 8
    _assert_survived(outcomes)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("what", ["generate", "train-all"])
def test_a_command_survives_each_failing_call(trained_home: Home, tmp_path: Path, what: str) -> None:
    """Of a training some calls are MLflow's, which fail without harm, or Ray Train's, which tries again."""
    outcomes = _outcomes(trained_home, tmp_path, what, range(1, K_MAX + 1), 3500)
    _assert_survived(outcomes, may_succeed=what == "train-all")
