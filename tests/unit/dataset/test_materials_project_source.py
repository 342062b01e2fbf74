"""Crystals through mp-api from a local server with the part of the Materials Project's API that mp-api uses.

The real service cannot be reached from the tests: what is proved here is what is asked, what is made of the answers,
and that the key goes nowhere else.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pytest
import requests
from crystal_servers import CrystalServer, materials_project_server, some_of_each_group

from crystalforge.dataset import BuildRequest, FetchOptions, Filters, Patience, build_or_find, find_dataset
from crystalforge.dataset.servers import materials_project
from crystalforge.dataset.servers.download import Download
from crystalforge.dataset.servers.download_record import DownloadRecord
from crystalforge.dataset.servers.fetch import fetch
from crystalforge.dataset.servers.transport import Transport
from crystalforge.errors import SourceError, UsageError
from crystalforge.home import Home

KEY = "0123456789abcdefghijABCDEFGHIJ!?"
GROUPS = (221, 225)
PAGE = "/materials/summary/"
QUICK = Patience(timeout=20.0, attempts=3, first_wait=0.01, pause=0.0)


@pytest.fixture(scope="module")
def rows(bundled_materials: pa.Table) -> list[dict[str, Any]]:
    return [row for row in some_of_each_group(bundled_materials, 7) if row["space_group_number"] in GROUPS]


@pytest.fixture(scope="module")
def running_server(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> Iterator[CrystalServer]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mp-api's dependencies warn when they are loaded
        import mp_api.client  # noqa: F401
    with materials_project_server(tmp_path_factory.mktemp("materials-project"), rows, KEY) as server:
        yield server


@pytest.fixture
def server(running_server: CrystalServer, monkeypatch: pytest.MonkeyPatch) -> CrystalServer:
    """The server, without faults; the client is pointed to it, with pages of three crystals."""
    running_server.fail()
    running_server.asked()
    monkeypatch.setenv("MP_API_KEY", KEY)
    monkeypatch.setenv("MP_API_ENDPOINT", running_server.url)
    monkeypatch.setattr(materials_project, "CHUNK_SIZE", 3)
    return running_server


def fetched(home: Home, filters: Filters | None = None, **options: Any) -> tuple[Download, DownloadRecord]:
    choices = FetchOptions(**{"patience": QUICK} | options)
    return fetch(home, "materials-project", filters or Filters(), GROUPS, choices)


def asked_pages(server: CrystalServer) -> list[dict[str, str]]:
    urls = [urlsplit(url) for url in server.asked()]
    return [{k: v[0] for k, v in parse_qs(url.query).items()} for url in urls if url.path == PAGE]


def test_crystals_of_the_service_are_those_of_the_file(
    home: Home, server: CrystalServer, rows: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    request = BuildRequest("materials-project", space_groups=GROUPS, fetching=FetchOptions(patience=QUICK))
    manifest = build_or_find(home, request).manifest
    found = {row["material_id"]: row for row in find_dataset(home).materials().to_pylist()}
    assert {name: row["crystal_id"] for name, row in found.items()} == {
        row["material_id"]: row["crystal_id"] for row in rows
    }
    for row in rows:
        assert found[row["material_id"]]["energy_above_hull"] == row["energy_above_hull"]
    assert manifest.exclusion_counts == {"licence": 1}
    assert (manifest.name, manifest.licence) == ("materials-project", "CC-BY-4.0")
    assert "2026.01.01" in manifest.attribution
    assert "Jain" in manifest.attribution
    pages = asked_pages(server)
    assert len(pages) == manifest.origin["n_pages"] == 6
    assert {page["nelements_min"] + page["nelements_max"] for page in pages} == {"33"}
    assert {page["spacegroup_number"] for page in pages} == {"221", "225"}
    assert {(page["deprecated"], page["batch_id_not_eq"]) for page in pages} == {("False", "gnome_r2scan_statics")}
    again = build_or_find(home, request)
    assert (again.was_built, server.asked()) == (False, [])
    written = [path for path in home.path.rglob("*") if path.is_file()]
    assert written
    assert not any(KEY.encode() in path.read_bytes() for path in written)
    assert KEY not in caplog.text


def test_filters_are_sent(home: Home, server: CrystalServer, rows: list[dict[str, Any]]) -> None:
    download, record = fetched(home, Filters(("O",), ("Ti",), 0.05))
    fitting = {
        row["material_id"]
        for row in rows
        if "O" in row["elements"] and "Ti" not in row["elements"] and (row["energy_above_hull"] or 0.0) <= 0.05
    }
    assert fitting
    assert fitting <= {entry["material_id"] for _, entry in download.entries()} <= fitting | {"not-for-all"}
    assert record.matched == record.n_entries


def test_an_interrupted_download_goes_on(home: Home, server: CrystalServer, rows: list[dict[str, Any]]) -> None:
    server.fail({"path": "spacegroup_number=225", "skip": 1, "kind": "status", "status": 500, "times": 99})
    with pytest.raises(SourceError, match="3 attempts failed, the last with HTTP 500") as caught:
        fetched(home)
    assert KEY not in str(caught.value)
    server.fail({"path": PAGE, "kind": "cut"})
    server.asked()
    download, record = fetched(home)
    assert record.n_entries == len(rows) + 1
    assert len({entry["material_id"] for _, entry in download.entries()}) == record.n_entries
    assert len(asked_pages(server)) == 3  # two that were missing, one of them twice


def test_a_limit_is_kept(home: Home, server: CrystalServer) -> None:
    _, record = fetched(home, limit=5)
    assert (record.n_entries >= 5, len(asked_pages(server))) == (True, 2)


def test_a_wrong_key_is_told_without_the_key(
    home: Home, server: CrystalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = KEY[::-1]
    monkeypatch.setenv("MP_API_KEY", wrong)
    with pytest.raises(UsageError, match=r"refuses the key in MP_API_KEY \(HTTP 403") as caught:
        fetched(home)
    assert wrong not in str(caught.value)


@pytest.mark.parametrize("key", ["", "short"])
def test_a_key_is_needed(home: Home, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("MP_API_KEY", key)
    with pytest.raises(UsageError, match="expected 32 characters in the environment variable MP_API_KEY"):
        fetched(home)


def test_the_key_never_goes_in_the_clear(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MP_API_KEY", KEY)
    monkeypatch.setenv("MP_API_ENDPOINT", "http://example.org")
    with pytest.raises(UsageError, match="must not go over the network in the clear"):
        fetched(home)


def test_the_key_does_not_follow_a_redirect_to_another_host(tmp_path: Path) -> None:
    session = Transport(Download(tmp_path), lambda _: False).session_class()()
    response = requests.Response()
    response.request = requests.Request("GET", "https://api.materialsproject.org/a").prepare()
    for url, kept in {"https://api.materialsproject.org/b": True, "https://example.org/b": False}.items():
        redirected = requests.Request("GET", url, headers={"x-api-key": KEY}).prepare()
        session.rebuild_auth(redirected, response)
        assert ("x-api-key" in redirected.headers) == kept
