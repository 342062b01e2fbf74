"""The page's server as a real process over a real home: what it answers, what it refuses, and that it only reads."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import signal
import socket
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow.parquet as pq
import pytest
from explored import Explored, all_crystals, explored, screen_some
from small_catalog import add_dataset, add_generation, digest
from typer.testing import CliRunner

from crystalforge.cli.app import app
from crystalforge.explore.downloads import DOWNLOAD
from crystalforge.explore.parameters import FILTERS, NAME, PAGE
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home

Row = dict[str, Any]
ATTACKS = (
    "' OR '1'='1",
    "'; DROP TABLE samples; --",
    "1) UNION SELECT * FROM read_text('/etc/passwd') --",
    "../../../../etc/passwd",
    "\x00",
    "$source",
    "-1",
    "1e999",
    "NaN",
    "९",
    "[]{}%",
    "x" * 5000,
    "<script>alert(1)</script>",
)
SQL_ATTACKS = (
    "source_id IN (SELECT content FROM read_text('{secret}'))",
    "EXISTS (SELECT * FROM read_csv('{secret}'))",
    "true) UNION SELECT * FROM read_text('{secret}') --",
    "true; COPY crystals TO '{secret}'",
    "1 = (WITH x AS (COPY samples TO '{secret}') SELECT 1)",
    "getenv('HOME') = ''",
    "list_sum(range(100000000000)) > 0",
)
"""Each is refused: by the sandbox, or because it runs too long."""


@pytest.fixture(scope="module")
def home(candidates: tuple[Home, GenerationPlan], tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Real candidates, some of them judged."""
    copy = Home.locate(shutil.copytree(candidates[0].path, tmp_path_factory.mktemp("explored") / "home"))
    screen_some(copy)
    return copy


@pytest.fixture(scope="module")
def page(home: Home) -> Iterator[Explored]:
    with explored(home) as running:
        yield running


@pytest.fixture(scope="module")
def rows(home: Home) -> list[Row]:
    return all_crystals(home)


def run(*arguments: str) -> str:
    """The output of a command that must succeed."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def energy(row: Row) -> float:
    value = row["energy_above_hull"]
    return float("inf") if value is None else value


def counted(row: Row) -> int:
    return row["n_atoms_primitive"]


FILTERED: list[tuple[dict[str, str], Callable[[Row, str, str], bool]]] = [
    ({}, lambda row, one, two: True),
    ({"elements": "ONE"}, lambda row, one, two: one in row["elements"]),
    ({"elements": "ONE,TWO"}, lambda row, one, two: {one, two} <= set(row["elements"])),
    ({"elements": "TWO ONE", "only": "1"}, lambda row, one, two: set(row["elements"]) == {one, two}),
    ({"without": "ONE,TWO"}, lambda row, one, two: not {one, two} & set(row["elements"])),
    ({"formula": "ABX3"}, lambda row, one, two: row["anonymous_formula"] == "ABX3"),
    ({"space_groups": "62"}, lambda row, one, two: row["space_group_number"] == 62),
    ({"space_groups": "62,225,1"}, lambda row, one, two: row["space_group_number"] in (62, 225)),
    ({"max_energy_above_hull": "0.1"}, lambda row, one, two: energy(row) <= 0.1),
    ({"screened": "1"}, lambda row, one, two: energy(row) < 9),
    ({"covered": "1", "screened": "1"}, lambda row, one, two: energy(row) < 9 and not row["systems_without_reference"]),
    ({"computed": "1"}, lambda row, one, two: False),
    ({"new": "1"}, lambda row, one, two: not row["is_known"]),
    ({"min_atoms": "5", "max_atoms": "9"}, lambda row, one, two: 5 <= row["n_atoms_primitive"] <= 9),
    ({"origin": "nowhere"}, lambda row, one, two: False),
    ({"where": "density > 5 -- and no more"}, lambda row, one, two: row["density"] > 5),
    (
        {"elements": "ONE", "where": "a < 6 OR a > 7"},
        lambda row, one, two: one in row["elements"] and not 6 <= row["a"] <= 7,
    ),
]
"""What is asked, with ONE for the most frequent element and TWO for the one most often beside it; and what fits."""


@pytest.fixture(scope="module")
def pair(rows: list[Row]) -> tuple[str, str]:
    """The most frequent element, and the one that is most often beside it."""
    one = Counter(element for row in rows for element in row["elements"]).most_common(1)[0][0]
    beside = Counter(other for row in rows if one in row["elements"] for other in row["elements"] if other != one)
    return one, beside.most_common(1)[0][0]


@pytest.mark.parametrize("place", range(len(FILTERED)), ids=lambda place: "&".join(FILTERED[place][0]))
def test_a_filter_gives_the_rows_that_fit(page: Explored, rows: list[Row], pair: tuple[str, str], place: int) -> None:
    asked, fits = FILTERED[place]
    asked = {name: text.replace("ONE", pair[0]).replace("TWO", pair[1]) for name, text in asked.items()}
    expected = [row for row in rows if fits(row, *pair)]
    answer = page.ask("/api/crystals", limit=500, **asked)
    assert answer["total"] == len(expected)
    assert {row["source_id"] for row in answer["rows"]} == {row["source_id"] for row in expected}
    elements = dict(map(tuple, page.ask("/api/facets", **asked)["elements"]))
    assert elements == Counter(element for row in expected for element in row["elements"])


def test_the_filters_tell_rows_apart(rows: list[Row], pair: tuple[str, str]) -> None:
    """Or the test above would compare nothing with nothing."""
    counts = [sum(fits(row, *pair) for row in rows) for _, fits in FILTERED]
    assert sum(0 < count < len(rows) for count in counts) >= 11, counts


def test_a_formula_is_found_in_any_order(page: Explored, rows: list[Row]) -> None:
    row = next(row for row in rows if row["multiplicities"] == [4, 4, 4])
    asked = "".join(f"{element}2" for element in reversed(row["elements"]))
    answer = page.ask("/api/crystals", formula=asked)
    assert row["source_id"] in {found["source_id"] for found in answer["rows"]}
    assert all(set(found["elements"]) == set(row["elements"]) for found in answer["rows"])


@pytest.mark.parametrize("sort", ["energy_above_hull", "density", "formula"])
@pytest.mark.parametrize("descending", ["0", "1"])
def test_pages_follow_one_another(page: Explored, rows: list[Row], sort: str, descending: str) -> None:
    """Every row once, in order, those without a value last."""
    asked = {"sort": sort, "descending": descending, "limit": "40"}
    found: list[Row] = []
    while part := page.ask("/api/crystals", offset=len(found), **asked)["rows"]:
        found += part
    values = [row[sort] for row in found if row[sort] is not None]
    assert values == sorted(values, reverse=descending == "1")
    assert all(row[sort] is None for row in found[len(values) :])
    assert sorted(row["source_id"] for row in found) == sorted(row["source_id"] for row in rows)


def test_the_copied_commands_give_what_is_seen(page: Explored, tmp_path: Any) -> None:
    asked = {"without": "O,F", "space_groups": "225", "where": "density > 2 -- 'quoted'", "limit": "7", "offset": "3"}
    answer = page.ask("/api/crystals", **asked)
    assert len(answer["rows"]) == 7
    program, *arguments = shlex.split(answer["command"])
    printed = json.loads(run(*arguments, "--json"))
    assert (program, printed) == ("platform", [{key: row[key] for key in printed[0]} for row in answer["rows"]])
    _, *arguments = shlex.split(answer["export"])
    run(*arguments, "--format", "parquet", "--out", str(tmp_path / "all.parquet"))
    with pq.ParquetFile(tmp_path / "all.parquet") as file:
        assert file.metadata.num_rows == answer["total"]


def test_a_crystal_comes_with_its_atoms_and_its_origin(page: Explored, home: Home, rows: list[Row]) -> None:
    row = next(row for row in rows if row["energy_above_hull"] == -0.05)
    name = {"source": "candidates", "origin": row["origin"], "id": row["source_id"]}
    answer = page.ask("/api/crystal", **name)
    assert answer["row"] == json.loads(json.dumps(row))
    cells = answer["scene"]["cells"]
    assert len(cells["conventional"]["species"]) == row["n_atoms_conventional"]
    assert cells["relaxed"]["species"] == ["Cu", "Au"]
    assert [one["energy_above_hull"] for one in answer["stabilities"]] == [-0.05]
    lineage = page.ask("/api/lineage", **name)
    assert row["source_id"] in {sample["sample_id"] for sample in lineage["samples"]}
    (training,), (dataset,) = lineage["trainings"], lineage["datasets"]
    assert (training["recipe"], dataset["source"]) == ("donor", "bundled")
    assert lineage["neighbours"]
    scope: dict[str, Any] = {}
    exec(answer["python"], scope)
    assert len(scope["structure"]) == row["n_atoms_conventional"]


def test_files_hold_the_same_crystals(page: Explored, rows: list[Row]) -> None:
    from ase.io import read
    from pymatgen.core import Composition, Structure

    row = rows[0]
    cif = page.get("/api/download", id=row["source_id"], format="cif")
    assert cif.headers["content-disposition"].startswith("attachment; filename=")
    structure = Structure.from_str(cif.content.decode(), fmt="cif")
    assert structure.composition.reduced_formula == Composition(row["formula"]).reduced_formula
    assert structure.get_space_group_info()[1] == row["space_group_number"]
    names = [one["source_id"] for one in rows[:3]]
    archive = zipfile.ZipFile(io.BytesIO(page.get("/api/download", id=names, format="cif").content))
    assert len(archive.namelist()) == 3
    assert archive.namelist() == sorted(archive.namelist())
    frames = read(io.StringIO(page.get("/api/download", format="extxyz", screened="1").content.decode()), ":", "extxyz")
    assert [len(frame) for frame in frames] == [
        one["n_atoms_conventional"] for one in sorted(rows, key=energy) if one["energy_above_hull"] is not None
    ]
    table = page.get("/api/download", format="csv", space_groups="62").content.decode().splitlines()
    assert len(table) == 1 + sum(one["space_group_number"] == 62 for one in rows)


def test_parameters_are_no_way_in(page: Explored, home: Home) -> None:
    """Every attack on every parameter is refused or finds nothing; nothing is written, and the page goes on."""
    before = digest(home.path)
    places = [("/api/crystals", one.name) for one in (*FILTERS, *PAGE)]
    places += [("/api/crystal", one.name) for one in NAME] + [("/api/lineage", "id")]
    places += [("/api/download", one.name) for one in DOWNLOAD] + [("/api/download", "id"), ("/api/facets", "origin")]
    for path, name in places:
        for attack in ATTACKS:
            answer = page.get(path, **{name: attack})
            assert answer.status in (200, 400), (path, name, attack, answer.content[:300])
            assert b"root:" not in answer.content
            assert answer.headers["content-type"] == "application/json", (path, name)
            if answer.status == 400:
                assert set(answer.value) == {"error"}
                assert "Traceback" not in answer.value["error"]
    assert digest(home.path) == before
    assert page.ask("/api/crystals", limit=1)["rows"]


def test_a_condition_is_no_way_out(page: Explored, home: Home, tmp_path: Any) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("name\nhidden\n")
    before = digest(home.path)
    for attack in SQL_ATTACKS:
        answer = page.get("/api/crystals", where=attack.format(secret=secret))
        assert answer.status == 400, (attack, answer.content[:300])
        assert b"hidden" not in answer.content
    assert (digest(home.path), secret.read_text()) == (before, "name\nhidden\n")
    assert page.ask("/api/crystals", limit=1)["rows"], "a query that was ended leaves the page alive"


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        ("/api/crystals", {"element": "O"}, "No parameter 'element'"),
        ("/api/crystals", {"elements": ["O", "Li"]}, "elements is given twice"),
        ("/api/crystals", {"elements": "Xx"}, "elements: 'Xx' is no element"),
        ("/api/crystals", {"space_groups": "231"}, "space_groups: "),
        ("/api/crystals", {"formula": "LiO"}, "no formula of three elements"),
        ("/api/crystals", {"limit": "501"}, "limit: expected a whole number from 1 to 500"),
        ("/api/crystals", {"sort": "elements; DROP"}, "sort: expected one of formula"),
        ("/api/crystals", {"where": "nosuch > 1"}, "nosuch"),
        ("/api/crystal", {}, "id is missing"),
        ("/api/crystal", {"id": "nobody"}, "No crystal 'nobody' among the candidates"),
        ("/api/crystal", {"id": "nobody", "source": "materials"}, "among the materials"),
        ("/api/download", {"id": "nobody"}, "No crystal 'nobody'"),
        ("/api/download", {"format": "exe"}, "format: expected one of cif"),
        ("/api/download", {"origin": "nowhere"}, "nothing to download"),
        ("/api/download", {"id": [str(i) for i in range(501)]}, "expected at most 500"),
        ("/api/state", {"x": "1"}, "No parameter 'x'"),
    ],
)
def test_a_wrong_request_is_told_what_was_expected(page: Explored, path: str, query: dict[str, Any], said: str) -> None:
    answer = page.get(path, **query)
    assert answer.status == 400
    assert said in answer.value["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/../../../etc/passwd",
        "/page/../../../../etc/passwd",
        "/page/%2e%2e/%2e%2e/etc/passwd",
        "/page/..%5capp.py",
        "//etc/passwd",
        "/page/",
        "/page/main.js/",
        "/page/app.py",
        "/api/crystals/x",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_address_names_a_file(page: Explored, path: str) -> None:
    answer = page.get(path)
    assert answer.status == 404
    assert answer.value["error"].startswith("Nothing at this address")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "127.0.0.1@evil.example",
        "127.0.0.1, evil.example",
        "127.0.0.1/x",
        "127.0.0.1:port",
        "192.168.0.1",
        "",
    ],
)
def test_a_foreign_host_name_is_refused(page: Explored, host: str) -> None:
    """A website whose name is made to point here (DNS rebinding) sends its own name."""
    for path in ("/", "/api/crystals", "/page/main.js"):
        assert page.get(path, headers={"host": host}).status in (400, 421)


def test_only_this_page_may_ask(page: Explored) -> None:
    port = page.url.rstrip("/").rpartition(":")[2]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "LOCALHOST", f"[::1]:{port}"):
        assert page.get("/api/state", headers={"host": host}).status == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        assert page.get("/api/crystals", method=method).status == 405
    for site in ("cross-site", "same-site"):
        assert page.get("/api/crystals", headers={"sec-fetch-site": site}).status == 403
    answer = page.get("/api/crystals", headers={"origin": "http://evil.example", "sec-fetch-site": "same-origin"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    for path in ("/", "/api", "/api/state", "/page/main.js", "/nothing"):
        headers = page.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe-eval" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
        assert "server" not in headers


def test_the_api_page_names_every_parameter(page: Explored) -> None:
    text = page.get("/api").content.decode()
    for parameter in (*FILTERS, *PAGE, *NAME, *DOWNLOAD):
        assert f"<code>{parameter.name}</code>" in text


def test_a_page_lives_with_its_home(tmp_path: Any) -> None:
    """New rows are told of and taken on reload, damage leaves the old rows, and Ctrl-C ends it with 130."""
    home = Home.locate(tmp_path / "home")
    with explored(home) as page:
        assert page.ask("/api/home")["totals"] == {}, "a home that does not exist yet"
        add_dataset(home)
        folder = add_generation(home, "older", "2026-01-02T00:00:00Z", count=3)
        assert page.ask("/api/state") == {"snapshot": 1, "changed": True, "problem": None}
        assert page.ask("/api/crystals")["total"] == 0, "pages of one list are of one snapshot"
        told = page.ask("/api/home")
        assert (told["snapshot"], told["changed"]) == (2, False)
        assert told["totals"]["candidates"]["crystals"] == page.ask("/api/crystals")["total"] == 10
        shard = next(folder.rglob("*.parquet"))
        shard.write_bytes(shard.read_bytes()[::-1])
        add_generation(home, "later", "2026-01-03T00:00:00Z")
        told = page.ask("/api/home")
        assert (told["snapshot"], told["changed"]) == (2, True)
        assert "is damaged" in told["problem"]
        assert page.ask("/api/crystals")["total"] == 10
        page.process.send_signal(signal.SIGINT)
        page.process.communicate(timeout=30)
        assert page.process.returncode == 130
    assert not list(home.path.glob(".*.json")), "nothing is written into the home"


def test_a_port_that_is_taken_is_named(tmp_path: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["explore", "--home", str(tmp_path), "--port", str(port), "--no-open"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Cannot listen on 127.0.0.1 port {port}: Address already in use. Give another with --port" in result.stderr


def test_another_address_is_warned_of_and_still_checked(tmp_path: Any) -> None:
    with explored(Home.locate(tmp_path / "home"), "--host", "0.0.0.0") as page:
        assert page.url.startswith("http://127.0.0.1:")
        assert page.get("/api/state", headers={"host": "192.168.0.7:80"}).status == 200, "an address cannot be rebound"
        assert page.get("/api/state", headers={"host": "evil.example"}).status == 421
        page.process.send_signal(signal.SIGINT)
        _, log = page.process.communicate(timeout=30)
    assert "everyone who can reach 0.0.0.0 can read this home" in log.decode()
