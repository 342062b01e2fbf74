"""``platform dataset build optimade:…``, stopped by Ctrl-C and by a kill, fetches only what is missing."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from crystal_servers import CrystalServer, optimade_server, some_of_each_group
from real_commands import finish, start, stop, wait_until

from crystalforge.dataset.servers import unfinished_downloads
from crystalforge.home import Home
from crystalforge.integrity import verify_home

INTERRUPTED = 130
PAGE_SIZE = 20


@pytest.fixture(scope="module")
def rows(bundled_materials: pa.Table) -> list[dict[str, Any]]:
    return some_of_each_group(bundled_materials, 5)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> Iterator[CrystalServer]:
    with optimade_server(tmp_path_factory.mktemp("optimade"), rows) as running:
        yield running


def n_pages(home: Home) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in home.downloads.glob("*/*/pages.jsonl"))


def test_a_stopped_build_goes_on_with_the_next_page(
    server: CrystalServer, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    home = Home.locate(tmp_path / "home")
    command = ["dataset", "build", f"optimade:{server.url}", "--name", "served", "--home", home.path]
    server.fail(*({"path": f"page_offset={n * PAGE_SIZE}", "kind": "hang", "seconds": 30} for n in (1, 2)))
    for n, (sent, said) in enumerate(
        [(signal.SIGINT, "The same command does what is missing"), (signal.SIGKILL, "")], 1
    ):
        process = start(*command)
        wait_until(lambda n=n: n_pages(home) == n and f"page_offset={n * PAGE_SIZE}" in _latest(server), process)
        assert said in stop(process, sent)
        assert process.returncode == (INTERRUPTED if sent == signal.SIGINT else -signal.SIGKILL)
        assert not list(home.datasets.glob("*/manifest.json"))
    (unfinished,) = unfinished_downloads(home)
    assert (unfinished[0], unfinished[2].n_entries) == (f"optimade:{server.url}", 2 * PAGE_SIZE)
    SEEN.clear()
    manifest = json.loads(finish(*command, "--json"))
    _latest(server)
    assert [url.rpartition("page_offset=")[2] for url in SEEN if "page_offset=" in url] == ["40", "60"]
    assert not list(unfinished_downloads(home))
    assert manifest["n_materials"] == len(rows)
    assert manifest["origin"]["n_pages"] == n_pages(home) == 4
    report = verify_home(home)
    assert (report.problems, report.counts["pages"]) == ([], 4)
    next(home.downloads.glob("*/*/pages/00001.json.gz")).write_bytes(b"")
    assert [problem.kind.value for problem in verify_home(home).problems] == ["damaged"]


SEEN: list[str] = []
"""What the server was asked, since this was last emptied."""


def _latest(server: CrystalServer) -> str:
    SEEN.extend(server.asked())
    return SEEN[-1] if SEEN else ""
