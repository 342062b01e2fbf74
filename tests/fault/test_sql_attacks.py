"""Fault 7: SQL that would write, reach out, run for ever or take all memory; through the real command."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from small_catalog import Place, digest, place_to_attack

from crystalforge.catalog.query import open_catalog
from crystalforge.errors import QueryError, UsageError

PLATFORM = [sys.executable, "-c", "from crystalforge.cli import main; main()"]
DEAF = "SELECT list_sum(list_transform(range(30000000), lambda x: x % 7))"
"""One call that never looks for DuckDB's interrupt: interrupted at 0.5 s, it went on to 6 s."""
JOIN = "SELECT count(*) FROM range(100000) a, range(10000) b, range(1000) c WHERE hash(a.range, b.range, c.range) = 7"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place_to_attack(tmp_path_factory.mktemp("attacked"), memory_limit="200MB") as found:
        yield found


def platform_sql(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PLATFORM, "sql", *arguments, "--home", str(place.home.path)],
        capture_output=True,
        text=True,
        cwd=place.folder,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("COPY samples TO 'stolen.csv'", "Expected a SELECT, got COPY"),
        ("SELECT * FROM 'secret.csv'", "reaches for a file"),
        ("SELECT 1; ATTACH 'other.duckdb'", "Expected one SQL statement, got 2"),
    ],
)
def test_the_command_refuses_and_leaves_everything_as_it_was(place: Place, statement: str, message: str) -> None:
    result = platform_sql(place, statement)
    assert (result.returncode, result.stdout) == (1, "")
    assert message in result.stderr
    assert digest(place.folder) == place.before


def test_quotes_in_a_parameter_are_a_value(place: Place) -> None:
    hostile = "x'); COPY samples TO 'stolen.csv'; --"
    result = platform_sql(
        place, "SELECT $f AS f, count(*) AS n FROM samples WHERE formula = $f", "--json", "--param", f"f={hostile}"
    )
    assert json.loads(result.stdout) == [{"f": hostile, "n": 0}]
    assert digest(place.folder) == place.before


@pytest.mark.parametrize("statement", [DEAF, JOIN])
def test_a_query_ends_at_its_time_limit(place: Place, statement: str) -> None:
    with open_catalog(place.home) as catalog:
        catalog.query("SELECT 1")
        start = time.monotonic()
        with pytest.raises(QueryError, match=r"stopped after 1 s.*--timeout"):
            catalog.query(statement, time_limit_s=1)
        assert time.monotonic() - start < 3, "the process is killed, not asked"
        assert catalog.query("SELECT count(*) AS n FROM samples")["n"].to_pylist() == [20], (
            "and another takes its place"
        )
    assert digest(place.folder) == place.before


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT length(repeat('x', 1500000000))",
        "SELECT list_sum(range(200000000))",
        "SELECT length(string_agg(repeat('x', 100000000), '')) FROM range(20)",
        "SELECT x FROM range(100000000) t(x) ORDER BY hash(x)",
        "SELECT repeat('x', 100000000) FROM range(10)",
    ],
)
def test_a_query_ends_at_its_memory_limit(place: Place, statement: str) -> None:
    """DuckDB's own limit of 500 MB let ``repeat`` take 2.9 GB: the kernel's does not."""
    with pytest.raises(QueryError, match="--memory-limit"):
        place.catalog.query(statement, time_limit_s=30)
    used = [0]
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # one that has just ended takes no memory
            used.append(child.memory_info().rss if "query_worker" in " ".join(child.cmdline()) else 0)
    assert max(used) < 800e6
    assert place.catalog.query("SELECT count(*) AS n FROM samples")["n"].to_pylist() == [20]
    assert digest(place.folder) == place.before, "nothing is spilled"


def test_the_process_of_sql_cannot_write_a_file(place: Place) -> None:
    worker = _worker_of(psutil.Process())
    limits = Path(f"/proc/{worker.pid}/limits")
    if not limits.exists():
        pytest.skip("limits are read from /proc")
    (line,) = [line for line in limits.read_text().splitlines() if line.startswith("Max file size")]
    assert line.split()[3:5] == ["0", "0"]


def test_the_process_of_sql_ends_with_a_command_that_was_killed(place: Place) -> None:
    command = [*PLATFORM, "sql", JOIN, "--timeout", "60", "--home", str(place.home.path)]
    platform = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parent = psutil.Process(platform.pid)
    deadline = time.monotonic() + 30
    while not _is_asking(parent):
        assert time.monotonic() < deadline, "the query never began"
        time.sleep(0.05)
    worker = _worker_of(parent)
    os.kill(platform.pid, signal.SIGKILL)
    platform.wait()
    assert psutil.wait_procs([worker], timeout=5)[1] == [], "it would compute for nobody"


def test_parameters_that_are_no_values_are_a_message(place: Place) -> None:
    with pytest.raises(UsageError, match="Expected parameters as JSON has them"):
        place.catalog.query("SELECT $x", {"x": object()})
    with pytest.raises(QueryError):
        place.catalog.query("SELECT '\udcff'")
    assert place.catalog.query("SELECT $x AS x", {"x": None})["x"].to_pylist() == [None]


def test_no_module_is_taken_from_the_folder_where_the_user_stands(place: Place, tmp_path: Path) -> None:
    for name in ("duckdb", "pyarrow", "json", "queue"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w')")
    result = subprocess.run(
        [sys.executable, "-P", *PLATFORM[1:], "sql", "SELECT 1 AS one", "--json", "--home", str(place.home.path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert json.loads(result.stdout) == [{"one": 1}]
    assert not (tmp_path / "ran").exists()


def _worker_of(parent: psutil.Process) -> psutil.Process:
    (worker,) = [child for child in parent.children() if any("query_worker" in part for part in child.cmdline())]
    return worker


def _is_asking(parent: psutil.Process) -> bool:
    """Whether its worker computes: more processor time than imports take on any machine of ours."""
    workers = [child for child in parent.children() if any("query_worker" in part for part in child.cmdline())]
    return bool(workers) and workers[0].cpu_times().user > 1.0
