"""`platform metrics` as a real process: what a scrape gets, whom it refuses, where it listens, and how it ends."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import real_commands
from explored import Answer, Explored
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from crystalforge.catalog.query import open_catalog
from crystalforge.cli.app import app
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture(scope="module")
def served(candidates: tuple[Home, GenerationPlan]) -> Iterator[Explored]:
    process = real_commands.start("metrics", "--home", candidates[0].path, "--port", 0, "--json")
    try:
        assert process.stdout is not None
        address = json.loads(b"".join(process.stdout.readline() for _ in range(3)))["url"]
        assert urlsplit(address).path == "/metrics"
        yield Explored(address, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.communicate()


def scraped(answer: Answer) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(answer.content.decode())
    return {
        (sample.labels["space_group_number"], sample.labels["status"]): sample.value
        for family in families
        for sample in family.samples
        if sample.name == "crystalforge_samples_total"
    }


def test_a_scrape_has_the_counts_of_sql(served: Explored, candidates: tuple[Home, GenerationPlan]) -> None:
    answer = served.get("/metrics")
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    with open_catalog(candidates[0]) as catalog:
        sql = "SELECT space_group_number AS n, status, count(*) AS count FROM samples GROUP BY ALL"
        rows: list[dict[str, Any]] = catalog.query(sql).to_pylist()
    assert rows
    expected = {(str(row["n"]), row["status"]): row["count"] for row in rows}
    assert {labels: value for labels, value in scraped(answer).items() if value} == expected


def test_openmetrics_is_given_where_it_is_asked_for(served: Explored) -> None:
    answer = served.get("/metrics", headers={"accept": OPENMETRICS})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    names = {family.name for family in openmetrics.text_string_to_metric_families(answer.content.decode())}
    assert "crystalforge_samples" in names


def test_the_command_prints_the_same_once(served: Explored, candidates: tuple[Home, GenerationPlan]) -> None:
    words = ["metrics", "--once", "--home", str(candidates[0].path)]
    printed = CliRunner().invoke(app, words)
    assert printed.exit_code == 0

    def steady(text: str) -> list[str]:
        return [line for line in text.splitlines() if "read_seconds" not in line and "free_bytes" not in line]

    assert steady(printed.stdout) == steady(served.get("/metrics").content.decode())
    rows = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert {row["name"] for row in rows} >= {"crystalforge_samples_total", "crystalforge_info"}


@pytest.mark.parametrize("host", ["evil.example", "10.evil.example", "localhost.evil.example", ""])
def test_a_foreign_host_name_is_refused(served: Explored, host: str) -> None:
    assert served.get("/metrics", headers={"host": host}).status in (400, 421)


def test_it_is_only_read_and_not_by_other_sites(served: Explored) -> None:
    assert served.get("/metrics", method="POST").status == 405
    assert served.get("/metrics", headers={"sec-fetch-site": "cross-site"}).status == 403
    assert served.get("/other").status == 404


def test_it_listens_on_this_machine_only(served: Explored) -> None:
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(served.process.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]
