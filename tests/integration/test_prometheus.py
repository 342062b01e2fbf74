"""A real Prometheus over a real home and a real Ray: figures as SQL counts them, rules that hold, panels with answers.

Long: `make prometheus` runs it, and installs Debian's Prometheus where it is missing.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import real_commands
from dashboard import METRICS, expressions, label_queries, rules
from debian_packages import require_programs
from real_postgresql import free_port
from small_metrics import add_work

from crystalforge.catalog.query import open_catalog
from crystalforge.generation.plan import GenerationPlan
from crystalforge.home import Home
from crystalforge.jobs.generate import draw_here, generate
from crystalforge.jobs.generation_plans import plan_generation
from crystalforge.jobs.trained_models import find_models

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]
logger = logging.getLogger(__name__)

N_MORE = 600
START_S = 180


@pytest.fixture(scope="module")
def programs() -> dict[str, str]:
    return require_programs(("prometheus", "promtool"), ("prometheus",))


def test_configuration_and_rules_are_sound_and_the_alerts_do_what_their_tests_say(programs: dict[str, str]) -> None:
    for words in (
        ("check", "config", METRICS / "prometheus.yml"),
        ("check", "rules", "--lint-fatal", METRICS / "crystalforge.rules.yml"),
        ("test", "rules", METRICS / "crystalforge.rules.test.yml"),
    ):
        done = subprocess.run([programs["promtool"], *map(str, words)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def home(candidates: tuple[Home, GenerationPlan], tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home.locate(shutil.copytree(candidates[0].path, tmp_path_factory.mktemp("watched") / "home"))
    add_work(home)
    return home


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def ask(self, path: str, **query: str) -> Any:
        """The data of an answer of its API."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
            found = json.load(answer)
        assert found["status"] == "success", found
        return found["data"]

    def values(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Series of an instant query by their labels."""
        rows = self.ask("query", query=expression)["result"]
        return {tuple(sorted(row["metric"].items())): float(row["value"][1]) for row in rows}

    def wait_for(self, expression: str, what: str) -> None:
        """Until an expression has an answer."""
        deadline = time.monotonic() + START_S
        while not self.values(expression):
            assert time.monotonic() < deadline, what
            time.sleep(0.5)


@contextlib.contextmanager
def running(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
        process.wait()


@contextlib.contextmanager
def ray_head(log: Path) -> Iterator[Path]:
    """A Ray of its own, ended with all it started; gives the file in which it lists where its figures are."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # short: Ray's sockets lie in it
    ports = {"port": free_port(), "dashboard-port": free_port(), "metrics-export-port": free_port()}
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--temp-dir={folder}"]
    command += ["--num-cpus=1", "--include-dashboard=true", "--dashboard-host=127.0.0.1", "--disable-usage-stats"]
    command += [f"--{name}={port}" for name, port in ports.items()]
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "t" * 64, "RAY_agent_register_timeout_ms": "150000"}
    nodes = folder / "prom_metrics_service_discovery.json"
    node = f':{ports["metrics-export-port"]}"'  # whatever address of this machine Ray takes
    try:
        with running(command, log, env=os.environ | environment) as process:
            deadline = time.monotonic() + START_S
            while not (nodes.is_file() and node in nodes.read_text()):
                assert process.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() < deadline, log.read_text()[-2000:]
                time.sleep(0.5)
            yield nodes
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def exporter(home: Home) -> Iterator[str]:
    """Host and port of `platform metrics`."""
    process = real_commands.start("metrics", "--home", home.path, "--port", 0)
    try:
        assert process.stdout is not None
        yield urllib.parse.urlsplit(process.stdout.readline().decode().strip()).netloc
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def watching(home: Home, programs: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus with the configuration of infra/metrics, but for addresses, the path of Ray's file and the pace."""
    folder = tmp_path_factory.mktemp("prometheus")
    with ray_head(folder / "ray.log") as nodes, exporter(home) as target:
        text = (METRICS / "prometheus.yml").read_text()
        for plain, here in (
            ("127.0.0.1:5090", target),
            ("/tmp/ray/prom_metrics_service_discovery.json", str(nodes)),
            ("15s", "1s"),
        ):
            assert plain in text
            text = text.replace(plain, here)
        (folder / "prometheus.yml").write_text(text)
        rule_text = (METRICS / "crystalforge.rules.yml").read_text()
        (folder / "crystalforge.rules.yml").write_text(rule_text)
        port = free_port()
        command = [programs["prometheus"], f"--config.file={folder / 'prometheus.yml'}"]
        command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
        with running(command, folder / "prometheus.log"):
            prometheus = Prometheus(f"http://127.0.0.1:{port}")
            deadline = time.monotonic() + START_S
            while True:
                try:
                    prometheus.ask("status/buildinfo")
                    break
                except OSError:
                    assert time.monotonic() < deadline, (folder / "prometheus.log").read_text()
                    time.sleep(0.3)
            prometheus.wait_for('up{job="crystalforge"} == 1', "the figures of the home")
            prometheus.wait_for('up{job="ray"} == 1', "the figures of Ray")
            yield prometheus


def of_sql(home: Home) -> dict[tuple[tuple[str, str], ...], float]:
    sql = "SELECT generation_id, space_group_number, status, count(*) AS count FROM samples GROUP BY ALL"
    with open_catalog(home) as catalog:
        rows = catalog.query(sql).to_pylist()
    return {
        tuple(sorted((key, str(value)) for key, value in row.items() if key != "count")): float(row["count"])
        for row in rows
    }


def test_a_generation_is_seen_as_it_is_drawn(home: Home, watching: Prometheus) -> None:
    counts = "sum by (generation_id, space_group_number, status) (crystalforge_samples_total) > 0"
    before = of_sql(home)
    assert watching.values(counts) == before
    models = find_models(home)
    plan = plan_generation(models, N_MORE, seed=5, shard_size=20, min_contact_ratio=0.75)
    of_plan = f'generation_id="{plan.generation_id}"'
    rates: list[float] = []

    def drawn(rows: int, planned: int, accepted: int) -> None:
        time.sleep(0.2)
        if rows % 100 == 0:
            rate = watching.values(
                f'sum(rate(crystalforge_samples_total{{generation_id="{plan.generation_id}"}}[30s]))'
            )
            rates.extend(rate.values())

    generate(home, plan, draw=draw_here, progress=drawn)
    expected = of_sql(home)
    assert sum(expected.values()) == sum(before.values()) + N_MORE
    deadline = time.monotonic() + 60
    while watching.values(counts) != expected:
        assert time.monotonic() < deadline, (watching.values(counts), expected)
        time.sleep(0.5)
    logger.info("event=rates samples_per_second=%s", [round(rate, 1) for rate in rates])
    assert max(rates) > 5
    watching.wait_for(f"crystalforge:samples_per_second{{{of_plan}}} > 0", "the rule")


def test_states_are_those_of_sql(home: Home, watching: Prometheus) -> None:
    with open_catalog(home) as catalog:
        rows = catalog.query("SELECT recipe, state, count(*) AS count FROM validations GROUP BY ALL").to_pylist()
    expected = {(("recipe", row["recipe"]), ("state", row["state"])): float(row["count"]) for row in rows}
    assert len(expected) >= 3
    assert watching.values("sum by (recipe, state) (crystalforge_calculations) > 0") == expected


def test_every_panel_has_an_answer(home: Home, watching: Prometheus) -> None:
    watching.wait_for("ray_object_store_memory", "Ray's own figures")
    watching.wait_for("ray_node_cpu_utilization", "Ray's own figures")
    empty = [(title, text) for title, text in expressions() if not watching.values(text)]
    assert not empty


def test_every_choice_of_the_dashboard_has_values(watching: Prometheus) -> None:
    for series, label in label_queries():
        assert watching.ask(f"label/{label}/values", **{"match[]": series}), (series, label)


def test_every_rule_is_evaluated_without_an_error(watching: Prometheus) -> None:
    deadline = time.monotonic() + 60
    while True:
        found = [rule for group in watching.ask("rules")["groups"] for rule in group["rules"]]
        if all(rule["health"] != "unknown" for rule in found):
            break
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert [(rule["name"], rule.get("lastError")) for rule in found if rule["health"] != "ok"] == []
    assert len(found) == len(rules())
    for rule in rules():
        if "record" in rule:
            assert watching.values(rule["record"]), rule["record"]
