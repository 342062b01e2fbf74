"""Crystals from a real OPTIMADE server on this machine, over a network that fails on purpose."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from crystal_servers import CrystalServer, optimade_server, some_of_each_group

from crystalforge.dataset import BuildRequest, FetchOptions, Filters, Patience, build_or_find, find_dataset
from crystalforge.dataset.servers.download import Download
from crystalforge.dataset.servers.download_record import DownloadRecord
from crystalforge.dataset.servers.fetch import fetch
from crystalforge.dataset.servers.optimade import read_entry
from crystalforge.dataset.servers.optimade_client import base_url
from crystalforge.dataset.servers.optimade_filters import server_fields
from crystalforge.errors import MissingDependencyError, SourceError, UsageError
from crystalforge.home import Home
from crystalforge.symmetry import SPACE_GROUPS

QUICK = Patience(timeout=2.0, attempts=3, first_wait=0.01, pause=0.0)
N_PAGES = 4
PAGE = "/structures?filter"


@pytest.fixture(scope="module")
def rows(bundled_materials: pa.Table) -> list[dict[str, Any]]:
    """The crystals that the server holds, besides some of no use."""
    return some_of_each_group(bundled_materials, 5)


@pytest.fixture(scope="module")
def running_server(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> Iterator[CrystalServer]:
    with optimade_server(tmp_path_factory.mktemp("optimade"), rows) as server:
        yield server


@pytest.fixture
def server(running_server: CrystalServer) -> CrystalServer:
    """The server, without faults, its requests forgotten."""
    running_server.fail()
    running_server.asked()
    return running_server


def fetched(
    home: Home, server: CrystalServer, filters: Filters | None = None, **options: Any
) -> tuple[Download, DownloadRecord]:
    choices = FetchOptions(**{"patience": QUICK} | options)
    return fetch(home, f"optimade:{server.url}", filters or Filters(), SPACE_GROUPS, choices)


def names(download: Download) -> list[str]:
    return sorted(entry["id"] for _, entry in download.entries())


def pages_asked(server: CrystalServer) -> int:
    """Requests of pages, without those that were refused for being too long."""
    return sum(PAGE in url and "page_limit" not in url for url in server.asked())


def test_crystals_of_a_server_are_those_of_the_file(
    home: Home, server: CrystalServer, rows: list[dict[str, Any]]
) -> None:
    told: list[tuple[int, int]] = []
    request = BuildRequest(f"optimade:{server.url}", "served", fetching=FetchOptions(patience=QUICK))
    outcome = build_or_find(home, request, fetched=lambda done, total: told.append((done, total)))
    found = {row["material_id"]: row for row in find_dataset(home).materials().to_pylist()}
    for row in rows:
        assert found[row["material_id"]]["crystal_id"] == row["crystal_id"]
        for name in ("formation_energy_per_atom", "energy_above_hull", "band_gap"):
            assert found[row["material_id"]][name] == row[name]
    manifest = outcome.manifest
    assert manifest.exclusion_counts == {"bad_cell": 2, "disordered": 2, "unknown_element": 1}
    assert len(found) + manifest.n_exclusions == manifest.origin["matched"] == told[-1][0] == told[-1][1]
    assert manifest.origin["available"] == server.n_crystals
    assert (manifest.licence, manifest.source_kind) == ("CC-BY-4.0", "optimade")
    assert "A server of the tests" in manifest.attribution
    server.asked()
    again = build_or_find(home, request)
    assert (again.was_built, server.asked()) == (False, [])
    other = build_or_find(home, BuildRequest(request.source, "other", [225], fetching=request.fetching))
    assert other.manifest.counts == {225: 5}


def test_what_is_asked_is_sent_and_checked(home: Home, server: CrystalServer, rows: list[dict[str, Any]]) -> None:
    filters = Filters(("O",), ("Ti",), 0.05)
    download, record = fetched(home, server, filters)
    asked = next(url for url in server.asked() if PAGE in url)
    for part in (
        "nelements",
        "HAS%20ALL",
        "NOT%20elements",
        "_alexandria_space_group%3D225",
        "_hull_distance%3C%3D0.05",
    ):
        assert part in asked
    fitting = {
        row["material_id"]
        for row in rows
        if "O" in row["elements"] and "Ti" not in row["elements"] and not (row["energy_above_hull"] or 0.0) > 0.05
    }
    assert {name for name in names(download) if name.startswith(("mp-", "mvc-", "crystal-"))} == fitting
    assert record.query["not_sent"] == []


FAULTS = {
    "time_out": {"kind": "hang", "seconds": 0.8},
    "server_error": {"kind": "status", "status": 500},
    "bad_gateway_twice": {"kind": "status", "status": 502, "times": 2},
    "too_many_requests": {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}},
    "no_json": {"kind": "garbage"},
    "half_a_page": {"kind": "broken_page"},
    "connection_cut": {"kind": "cut"},
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_bad_moment_is_outlived(home: Home, server: CrystalServer, rows: list[dict[str, Any]], name: str) -> None:
    server.fail({"path": "page_offset=40", **FAULTS[name]})
    begun = time.monotonic()
    patience = Patience(timeout=0.4 if name == "time_out" else 5.0, attempts=3, first_wait=0.01, pause=0.0)
    download, record = fetched(home, server, patience=patience)
    assert (record.n_pages, record.n_entries) == (N_PAGES, len(rows) + 5)
    assert len(set(names(download))) == record.n_entries
    assert pages_asked(server) == N_PAGES + FAULTS[name].get("times", 1)
    if name == "too_many_requests":
        assert time.monotonic() - begun >= 1.0


def test_an_interrupted_download_goes_on(home: Home, server: CrystalServer, rows: list[dict[str, Any]]) -> None:
    server.fail({"path": "page_offset=40", "kind": "status", "status": 503, "times": 99})
    with pytest.raises(
        SourceError, match=r"3 attempts failed, the last with HTTP 503.* 40 crystals in 2 pages are kept"
    ):
        fetched(home, server)
    server.fail()
    server.asked()
    download, record = fetched(home, server)
    assert pages_asked(server) == N_PAGES - 2
    assert len(set(names(download))) == record.n_entries == len(rows) + 5


def test_pages_of_two_versions_of_the_data_are_not_mixed(home: Home, server: CrystalServer) -> None:
    server.fail({"path": "page_offset=40", "kind": "status", "status": 503, "times": 99})
    with pytest.raises(SourceError):
        fetched(home, server)
    begun = next(home.downloads.glob("*/snapshot-1/request.json"))
    begun.write_text(begun.read_text(encoding="utf-8").replace('"database_version": "', '"database_version": "0.'))
    server.fail()
    server.asked()
    download, record = fetched(home, server)
    assert (download.folder.name, record.n_pages, pages_asked(server)) == ("snapshot-2", N_PAGES, N_PAGES)


def test_links_that_expired_begin_anew(home: Home, server: CrystalServer) -> None:
    expired = {"path": "page_offset=40", "kind": "status", "status": 404}
    server.fail(expired)
    with pytest.raises(SourceError, match=r"refused a page in the middle: HTTP 404.* 40 crystals in 2 pages are kept"):
        fetched(home, server)
    server.fail(expired)
    download, record = fetched(home, server)
    assert (download.folder.name, record.n_pages) == ("snapshot-2", N_PAGES)


def test_pages_of_two_sizes_are_not_mixed(home: Home, server: CrystalServer) -> None:
    refused = {"path": "page_limit=40", "kind": "status", "status": 403}
    server.fail(refused, {"path": "page_offset=20", "kind": "status", "status": 503, "times": 99})
    with pytest.raises(SourceError, match="20 crystals in 1 pages are kept"):
        fetched(home, server, limit=40)
    server.fail()
    server.asked()
    download, record = fetched(home, server, limit=40)
    assert (record.n_pages, record.n_entries, len(set(names(download)))) == (2, 40, 40)
    assert [url for url in server.asked() if "page_limit" in url] == []


def test_a_damaged_page_alone_is_fetched_again(home: Home, server: CrystalServer) -> None:
    download, record = fetched(home, server)
    page = download.folder / download.pages[2].file
    page.write_bytes(page.read_bytes()[:-7])
    server.asked()
    again, record_again = fetched(home, server)
    assert pages_asked(server) == 1
    assert (again.folder, record_again.n_entries) == (download.folder, record.n_entries)
    assert len(set(names(again))) == record.n_entries


def test_a_server_that_asks_to_come_back_much_later_is_obeyed(home: Home, server: CrystalServer) -> None:
    server.fail({"path": PAGE, "skip": 4, "kind": "status", "status": 429, "headers": {"Retry-After": "7200"}})
    with pytest.raises(SourceError, match=r"asks to wait for 7200 s \(Retry-After\)"):
        fetched(home, server)


def test_pages_in_a_circle_end(home: Home, server: CrystalServer) -> None:
    server.fail({"path": "page_offset=20", "kind": "circle", "times": 9})
    with pytest.raises(SourceError, match="go in a circle"):
        fetched(home, server)


def test_what_a_server_refuses_is_asked_more_modestly(
    home: Home, server: CrystalServer, rows: list[dict[str, Any]]
) -> None:
    server.fail({"path": "space_group_it_number", "kind": "status", "status": 501, "times": 99})
    download, record = fetched(home, server)
    assert record.query["filter"] == "nelements=3"
    assert len(record.query["not_sent"]) == 2
    assert set(names(download)) >= {row["material_id"] for row in rows}
    server.fail({"path": PAGE, "kind": "status", "status": 400, "times": 99})
    with pytest.raises(SourceError, match=r"refuses the query: HTTP 400.*on purpose"):
        fetched(home, server, limit=7)


def test_crystals_that_a_server_keeps_back_are_missed(home: Home, server: CrystalServer) -> None:
    server.fail({"path": "page_offset=60", "kind": "canned", "body": {"data": [], "meta": {"data_returned": 65}}})
    _, record = fetched(home, server)
    assert record.warnings == ["The server says that 65 crystals match, and gave 60."]


def test_what_is_no_optimade_server_is_told(home: Home, server: CrystalServer) -> None:
    server.fail({"path": "/v1/info", "kind": "garbage", "times": 99})
    with pytest.raises(SourceError, match="does not answer as an OPTIMADE server does"):
        fetched(home, server)
    server.fail({"path": "/v1/info", "kind": "canned", "body": {"data": {}, "meta": {}}, "times": 99})
    with pytest.raises(SourceError, match="is no OPTIMADE server"):
        fetched(home, server)


def test_limit_own_filter_and_refresh(home: Home, server: CrystalServer) -> None:
    own = 'elements HAS "O" AND nsites<20'
    download, record = fetched(home, server, limit=5, own_filter=own)
    assert (record.limit, record.n_entries) == (5, 5)
    assert record.query["filter"].startswith(f"nelements=3 AND ({own})")
    anew, _ = fetched(home, server, limit=5, own_filter=own, refresh=True)
    assert [download.folder.name, anew.folder.name] == ["snapshot-1", "snapshot-2"]
    assert names(download) == names(anew)


def test_providers_are_looked_up(home: Home, server: CrystalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(name: str, kind: str) -> dict[str, Any]:
        about = {"name": name, "description": name, "homepage": None, "base_url": server.url, "link_type": kind}
        return {"id": name, "type": "links", "attributes": about}

    links = [link("crystals", "child"), link("others", "child"), link("root", "root")]
    server.fail({"path": "/v1/links", "kind": "canned", "body": {"data": links}, "times": 99})
    monkeypatch.setattr("optimade.utils.PROVIDER_LIST_URLS", (f"{server.url}/v1/links",))
    options = FetchOptions(limit=5, patience=QUICK)

    def ask(given: str) -> DownloadRecord:
        return fetch(home, given, Filters(), [225], options)[1]

    assert (ask("optimade:crystals/others").endpoint, ask("optimade:crystals/others").name) == (
        server.url,
        "optimade-crystals/others",
    )
    with pytest.raises(UsageError, match="has 2 databases: expected one of optimade:crystals/crystals"):
        ask("optimade:crystals")
    with pytest.raises(UsageError, match="Did you mean 'crystals'"):
        ask("optimade:crystal")
    monkeypatch.setattr("optimade.utils.PROVIDER_LIST_URLS", ("http://127.0.0.1:9/v1/links",))
    with pytest.raises(SourceError, match="Give the URL of one instead"):
        ask("optimade:mp")


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ("optimade:", {}, "is no server"),
        ("optimade:ftp://example.org", {}, "is no server"),
        ("optimade:https://me:secret@example.org", {}, "user or a password"),
        ("optimade:https://example.org", {"own_filter": "elements HAS"}, "not in OPTIMADE's filter language"),
        ("optimade:https://example.org", {"limit": 0}, "must be 1 or more"),
        ("materials-project", {"own_filter": "nsites<20"}, "goes with optimade"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(home: Home, given: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        fetch(home, given, Filters(), [225], FetchOptions(**options))
    assert "secret" not in str(caught.value)
    assert not home.downloads.exists()


@pytest.mark.parametrize(
    ("given", "module", "extra"),
    [
        ("optimade:https://example.org", "optimade.client", "optimade"),
        ("optimade:mp", "optimade.utils", "optimade"),
        ("materials-project", "mp_api.client", "materials-project"),
    ],
)
def test_a_client_that_is_not_installed_is_named(
    home: Home, monkeypatch: pytest.MonkeyPatch, given: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("MP_API_KEY", "x" * 32)
    with pytest.raises(MissingDependencyError, match=rf"pip install 'crystalforge\[{extra}\]'"):
        fetch(home, given, Filters(), [225], FetchOptions())


def test_options_of_servers_do_not_go_with_files(home: Home) -> None:
    with pytest.raises(UsageError, match="bundled is no server"):
        build_or_find(home, BuildRequest("bundled", fetching=FetchOptions(limit=3)))


def test_the_materials_projects_nested_energies_and_urls_of_every_kind() -> None:
    fields = server_fields({"_mp_stability", "nelements"})
    assert "_mp_stability" in fields.response_fields()
    kinds = {
        "r2scan": {"energy_above_hull": 9.0},
        "gga_gga+u": {"energy_above_hull": 0.1, "formation_energy_per_atom": -2},
    }
    attributes = {
        "lattice_vectors": [[4, 0, 0], [0, 4, 0], [0, 0, 4]],
        "cartesian_site_positions": [[0, 0, 0], [2, 2, 2]],
        "species": [{"name": name, "chemical_symbols": [name], "concentration": [1.0]} for name in ("Cs", "Cl")],
        "species_at_sites": ["Cs", "Cl"],
        "_mp_stability": kinds,
    }
    cell, energies = read_entry(fields, {"id": "mp-1", "attributes": attributes})
    assert (cell.atomic_numbers, cell.frac_coords[1]) == ([55, 17], [0.5, 0.5, 0.5])
    assert energies == {"energy_above_hull": 0.1, "formation_energy_per_atom": -2.0}
    for given in ("https://a.org/x", "https://a.org/x/", "https://a.org/x/v1", "https://a.org/x/v1.2/structures?a=1"):
        assert base_url(given) == "https://a.org/x"


def test_a_record_holds_nothing_of_this_machine_but_the_server(
    home: Home, server: CrystalServer, tmp_path: Path
) -> None:
    download, record = fetched(home, server, limit=5)
    assert str(tmp_path) not in json.dumps(record.to_json())
    assert str(tmp_path) not in (download.folder / "pages.jsonl").read_text(encoding="utf-8")
