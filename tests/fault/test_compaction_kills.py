"""A compaction killed before each of its calls to the file system: all rows stay, and the same command ends it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from real_commands import finish, start, stop

from crystalforge.catalog.compaction import compact_generation
from crystalforge.catalog.query import open_catalog
from crystalforge.catalog.shards import ShardManifest, ShardRecord, read_shard
from crystalforge.files import write_bytes
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home
from crystalforge.integrity import verify_home
from crystalforge.schemas import SAMPLES

logger = logging.getLogger(__name__)

CALLS = ("open", "os.rename", "os.link", "os.remove", "os.mkdir")
"""What Python tells its audit hooks; a flush and a write lie between two of them."""


def _compact_until(folder: Path, k: int) -> bool:
    """Compact in a fork that kills itself before its k-th call that names a file of the folder; False if it ends."""
    child = os.fork()
    if child == 0:
        left = k

        def count(event: str, arguments: tuple) -> None:
            nonlocal left
            if event in CALLS and str(folder) in str(arguments[0]):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        code = 1
        try:
            compact_generation(folder)
            code = 0
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status != 0


def _rows(folder: Path) -> dict[int, list[str]]:
    """Identifiers of the samples of each space group, as a reader finds them."""
    found: dict[int, list[str]] = {}
    for line in ShardManifest(folder).records():
        table = read_shard(folder, ShardRecord.from_line(line), SAMPLES)
        found.setdefault(line["space_group_number"], []).extend(table["sample_id"].to_pylist())
    return {number: sorted(names) for number, names in sorted(found.items())}


def _content(folder: Path) -> dict[str, bytes]:
    """Every file but the lock, which has the process id."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.nightly)])
def test_a_compaction_survives_a_kill_before_each_of_its_calls(
    drawn: tuple[Home, GenerationPlan], tmp_path: Path, every: int
) -> None:
    source = drawn[0].generations / drawn[1].generation_id
    expected = _rows(source)
    undisturbed = Path(shutil.copytree(source, tmp_path / "undisturbed"))
    compact_generation(undisturbed)
    for k in range(1, 1000, every):
        folder = Path(shutil.copytree(source, tmp_path / f"killed-{k}"))
        if not _compact_until(folder, k):
            break
        assert _rows(folder) == expected, k
        compact_generation(folder)
        assert _content(folder) == _content(undisturbed), k
        shutil.rmtree(folder)
    logger.info("event=compaction_kills n=%d", (k - 1) // every)
    assert 40 < k < 900, "it was killed in every part of its work"


def test_readers_find_all_rows_while_files_are_merged(drawn_home: Home, drawn: tuple[Home, GenerationPlan]) -> None:
    """One process compacts, then puts the shards back, again and again; others read."""
    folder = drawn_home.generations / drawn[1].generation_id
    merging = multiprocessing.get_context("fork").Process(target=_merge_and_undo, args=(folder,))
    merging.start()
    counts: list[int] = []
    try:
        while len(counts) < 12:
            with open_catalog(drawn_home) as catalog:
                counts += catalog.query("SELECT count(DISTINCT sample_id) AS n FROM samples")[0].to_pylist()
                time.sleep(0.05)
                counts += catalog.query('SELECT count("index") AS n FROM samples')[0].to_pylist()
    finally:
        merging.terminate()
        merging.join()
    assert set(counts) == {80}


def _merge_and_undo(folder: Path) -> None:
    """Compact for ever; each time the shards are written and committed again as they were drawn."""
    lines = ShardManifest(folder).records()
    content = {line["file"]: (folder / line["file"]).read_bytes() for line in lines}
    while True:
        compact_generation(folder)
        for name, data in content.items():
            write_bytes(folder / name, data)
        ShardManifest(folder).replace(lines)


@pytest.mark.parametrize("sent", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.nightly)])
def test_the_command_goes_on_after_it_was_stopped(
    drawn_home: Home, drawn: tuple[Home, GenerationPlan], sent: signal.Signals
) -> None:
    folder = drawn_home.generations / drawn[1].generation_id
    expected = _rows(folder)
    process = start("compact", folder.name, "--home", drawn_home.path)
    while process.poll() is None and not list(folder.glob("*/.bundle-*")) and not list(folder.glob("*/bundle-*")):
        time.sleep(0.001)
    stop(process, sent)
    assert _rows(folder) == expected
    assert "80 rows" in finish("compact", folder.name, "--home", drawn_home.path)
    assert _rows(folder) == expected
    assert verify_home(drawn_home, remake=0).findings == []
