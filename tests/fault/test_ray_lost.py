"""Ray that does not start: a clear error, at once. A node that is lost midway: the generation is complete."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from real_commands import assert_complete, digests, finish, manifest_lines, start, stop, wait_until

from crystalforge.home import Home
from crystalforge.jobs.cluster import TRAINER_SLOT
from crystalforge.jobs.generate import draw_here, generate
from crystalforge.jobs.generation_plans import load_plan

logger = logging.getLogger(__name__)

COMMAND = ["generate", "--shard-size", 40, "--space-groups", "225,62"]
COUNT = 12000
"""So many shards that the node is lost in the middle, however quick the machine is."""
PORT = 27379


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RAY_ADDRESS": "127.0.0.1:9"}, r"does not start at RAY_ADDRESS=127\.0\.0\.1:9: .*refused.*unset RAY_ADDRESS"),
        ({"RAY_TMPDIR": "/proc/no-folder"}, r"does not start on this machine: .*/proc/no-folder.*temporary folder"),
    ],
)
def test_ray_that_does_not_start_is_told(trained_home: Home, environment: dict[str, str], message: str) -> None:
    process = start(
        *COMMAND, "--count", 200, "--home", trained_home.path, environment={"RAY_ADDRESS": "", **environment}
    )
    _, log = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(message, log.decode()), log.decode()
    assert "Traceback" not in log.decode()
    (folder,) = trained_home.generations.iterdir()
    generate(trained_home, load_plan(trained_home, folder.name), draw=draw_here)
    assert_complete(trained_home, load_plan(trained_home, folder.name).counts)


def _ray(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "ray.scripts.scripts", "start", "--block", *arguments]


@pytest.fixture
def two_nodes(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Ray of two nodes on this machine; the second one, to be killed."""
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    head = _ray(
        "--head", f"--port={PORT}", "--num-cpus=1", "--include-dashboard=false", f'--resources={{"{TRAINER_SLOT}": 1}}'
    )
    nodes: list[subprocess.Popen[bytes]] = []
    logs = [(tmp_path / name).open("wb") for name in ("head", "second")]

    def begin(command: list[str], n_raylets: int) -> None:
        log = logs[len(nodes)]
        nodes.append(subprocess.Popen(command, start_new_session=True, stdout=log, stderr=log, env=environment))
        deadline = time.monotonic() + 90
        while sum(len(_raylets(node)) for node in nodes) < n_raylets:
            assert nodes[-1].poll() is None, Path(log.name).read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)

    try:
        begin(head, 1)
        begin(_ray(f"--address=127.0.0.1:{PORT}", "--num-cpus=2"), 2)
        yield nodes[1]
    finally:
        for node in nodes:
            _kill_node(node)
        for log in logs:
            log.close()


def _raylets(node: subprocess.Popen[bytes]) -> list[psutil.Process]:
    if node.poll() is not None:
        return []
    family = psutil.Process(node.pid).children(recursive=True)
    return [process for process in family if process.name() == "raylet"]


def _kill_node(node: subprocess.Popen[bytes]) -> None:
    """As if its machine had lost its power: every process of it at once."""
    if node.poll() is None:
        family = psutil.Process(node.pid).children(recursive=True)
        for process in [psutil.Process(node.pid), *family]:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(family, timeout=10)
    node.wait()


@pytest.mark.timeout(400)
def test_a_lost_node_costs_no_shard(trained_home: Home, two_nodes: subprocess.Popen[bytes]) -> None:
    environment = {"RAY_ADDRESS": f"127.0.0.1:{PORT}"}
    process = start(*COMMAND, "--count", COUNT, "--home", trained_home.path, environment=environment)
    wait_until(lambda: len(manifest_lines(trained_home)) >= 3, process)
    _kill_node(two_nodes)
    committed = len(manifest_lines(trained_home))
    assert committed < COUNT // 40, "it was lost in the middle"
    try:
        _, log = process.communicate(timeout=200)
    except subprocess.TimeoutExpired:
        pytest.fail(stop(process, signal.SIGKILL))
    logger.info("event=node_lost exit=%d committed_before=%d", process.returncode, committed)
    if process.returncode:
        assert process.returncode == 1, log.decode()
        assert "The same command" in log.decode() or "the same command" in log.decode()
        finish(*COMMAND, "--count", COUNT, "--home", trained_home.path, environment=environment)
    (folder,) = trained_home.generations.iterdir()
    plan = load_plan(trained_home, folder.name)
    assert_complete(trained_home, plan.counts)
    after = digests(trained_home)
    (folder / "manifest.jsonl").unlink()
    generate(trained_home, plan, draw=draw_here)
    assert digests(trained_home) == after
