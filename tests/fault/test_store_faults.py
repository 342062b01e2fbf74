"""A generation on an object store: the bytes of a local home, whatever happens to the store or to the driver."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from s3_server import ENVIRONMENT, S3Server, copy_up

from crystalforge import object_store
from crystalforge.catalog.manifest_lines import LINES_FOLDER
from crystalforge.catalog.query import open_catalog
from crystalforge.catalog.shards import MANIFEST_NAME, ShardManifest
from crystalforge.errors import CrystalforgeError
from crystalforge.files import read_lines, sha256_of_file
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home
from crystalforge.jobs.generate import draw_here, generate

PER_GROUP, SHARD_SIZE = 160, 20
PROGRAM = """
import sys
from crystalforge.home import Home
from crystalforge.jobs.generate import draw_here, generate
from crystalforge.jobs.generation_plans import load_plan
home = Home.locate(sys.argv[1], store=True)
generate(home, load_plan(home, sys.argv[2]), draw=draw_here)
"""


@pytest.fixture(scope="module")
def plan(drawn: tuple[Home, GenerationPlan]) -> GenerationPlan:
    """Sixteen small shards."""
    return replace(
        drawn[1], count=2 * PER_GROUP, counts=dict.fromkeys(drawn[1].counts, PER_GROUP), shard_size=SHARD_SIZE
    )


@pytest.fixture(scope="module")
def expected(
    drawn: tuple[Home, GenerationPlan], plan: GenerationPlan, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """SHA-256 of each shard in a local home."""
    home = Home.locate(tmp_path_factory.mktemp("local") / "home")
    for room in ("datasets", "trainings"):
        (home.path / room).parent.mkdir(exist_ok=True)
        (home.path / room).symlink_to(drawn[0].path / room)
    generate(home, plan, draw=draw_here)
    return digests(home, plan)


@pytest.fixture
def begun(store_home: Home, drawn: tuple[Home, GenerationPlan], plan: GenerationPlan, s3: S3Server) -> Home:
    """A home on the store with dataset and training, and the plan of the generation."""
    for room in ("datasets", "trainings"):
        copy_up(drawn[0].path / room, store_home.path / room)
    generate(store_home, plan, draw=lambda *_: iter(()))
    s3.requests()
    return store_home


def digests(home: Home, plan: GenerationPlan) -> dict[str, str]:
    """SHA-256 of each committed shard, whose file must be what its line says."""
    folder = home.generations / plan.generation_id
    lines = {line["file"]: line["sha256"] for line in ShardManifest(folder).records()}
    assert {name: sha256_of_file(folder / name) for name in lines} == lines
    return lines


def test_the_bytes_are_those_of_a_local_home_at_two_requests_a_shard(
    begun: Home, plan: GenerationPlan, expected: dict[str, str], s3: S3Server
) -> None:
    summary = generate(begun, plan, draw=draw_here)
    asked = s3.requests()
    assert (summary.rows, summary.shards_written) == (plan.count, len(expected))
    puts = [each["path"] for each in asked if each["method"] == "PUT"]
    assert len(puts) == 2 * len(expected) + 1, "each shard, its line, and at the end the sum of the lines"
    assert not [each for each in asked if each["method"] == "GET" and each["path"].endswith(".parquet")]
    assert digests(begun, plan) == expected

    s3.requests()
    again = generate(begun, plan, draw=draw_here)
    assert (again.shards_written, again.shards_kept) == (0, len(expected))
    assert len(s3.requests()) < len(expected), "what is there is listed, not read"

    with open_catalog(begun) as catalog:
        table = catalog.query("SELECT count(*) AS n, count(DISTINCT sample_id) AS different FROM samples")
    assert table.to_pylist() == [{"n": plan.count, "different": plan.count}]
    s3.requests()
    with open_catalog(begun) as catalog:
        catalog.query("SELECT count(*) FROM candidates")
    read = [each["path"] for each in s3.requests() if each["method"] == "GET"]
    assert not [path for path in read if path.endswith(".parquet")], "copies are brought once"


def test_a_driver_that_is_killed_goes_on(begun: Home, plan: GenerationPlan, expected: dict[str, str]) -> None:
    lines = begun.generations / plan.generation_id / LINES_FOLDER
    process = start(begun, plan)
    try:
        wait_for(lambda: len(list(lines.iterdir())) >= 3, process)
    finally:
        process.kill()
        process.communicate()
    committed = digests(begun, plan)
    assert 3 <= len(committed) < len(expected)
    assert committed.items() <= expected.items()
    summary = generate(begun, plan, draw=draw_here)
    assert summary.shards_kept == len(committed)
    assert digests(begun, plan) == expected


def test_two_machines_that_draw_the_same_do_no_harm(
    begun: Home, plan: GenerationPlan, expected: dict[str, str], tmp_path: Path
) -> None:
    """No lock holds for both, and none is needed: equal plans give equal bytes, and equal lines have one name."""
    lines = begun.generations / plan.generation_id / LINES_FOLDER
    other = start(begun, plan, state=tmp_path / "another machine")
    try:
        wait_for(lambda: list(lines.iterdir()), other)
        generate(begun, plan, draw=draw_here)
        log = other.communicate(timeout=280)[1].decode()
    finally:
        other.kill()
        other.communicate()
    assert other.returncode == 0, log
    assert digests(begun, plan) == expected
    assert len(list(lines.iterdir())) == len(expected)
    assert len(read_lines(lines.parent / MANIFEST_NAME)) == len(expected)


def test_a_store_that_is_busy_is_asked_again(
    begun: Home, plan: GenerationPlan, expected: dict[str, str], s3: S3Server
) -> None:
    s3.fail(times=4)
    generate(begun, plan, draw=draw_here)
    assert digests(begun, plan) == expected


def test_a_store_that_hangs_for_seconds_is_waited_for(
    begun: Home, plan: GenerationPlan, expected: dict[str, str], s3: S3Server
) -> None:
    s3.pause()
    waking = threading.Timer(4, s3.go_on)
    waking.start()
    try:
        generate(begun, plan, draw=draw_here)
    finally:
        waking.cancel()
        s3.go_on()
    assert digests(begun, plan) == expected


def test_a_store_that_refuses_shards_leaves_nothing_half_committed(
    begun: Home, plan: GenerationPlan, expected: dict[str, str], s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "MAX_ATTEMPTS", 1)
    impatient = Home.locate(str(begun.path), store=True)
    s3.fail(times=3, methods=["PUT"], path="/space_group_number=")
    with pytest.raises(CrystalforgeError, match=r"3 shards .* failed.*SLOW_DOWN.*same command tries these again"):
        generate(impatient, plan, draw=draw_here)
    committed = digests(begun, plan)
    assert len(committed) == len(expected) - 3
    assert committed.items() <= expected.items()
    generate(begun, plan, draw=draw_here)
    assert digests(begun, plan) == expected


def test_a_store_that_refuses_lines_ends_the_command_and_what_is_committed_stays(
    begun: Home, plan: GenerationPlan, expected: dict[str, str], s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "MAX_ATTEMPTS", 1)
    impatient = Home.locate(str(begun.path), store=True)
    s3.fail(times=1, methods=["PUT"], path=f"/{LINES_FOLDER}/")
    with pytest.raises(CrystalforgeError, match=r"SLOW_DOWN.*What is committed is kept; the same command goes on"):
        generate(impatient, plan, draw=draw_here)
    assert digests(begun, plan).items() <= expected.items()
    generate(begun, plan, draw=draw_here)
    assert digests(begun, plan) == expected


def start(home: Home, plan: GenerationPlan, state: Path | None = None) -> subprocess.Popen[bytes]:
    """Draw in a process of its own, as on a machine whose local state is elsewhere."""
    environment = os.environ | ENVIRONMENT | ({"CRYSTALFORGE_LOCAL_STATE": str(state)} if state else {})
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(home.path), plan.generation_id]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(ready: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has come far enough."""
    deadline = time.monotonic() + 280
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
