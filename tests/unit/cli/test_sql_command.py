from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import Result
from typer.testing import CliRunner

from crystalforge.cli.app import app
from crystalforge.cli.sql import parse_parameter
from crystalforge.errors import UsageError
from crystalforge.home import Home

COUNTS = "SELECT space_group_number, status, count(*) AS n FROM samples GROUP BY ALL ORDER BY ALL"


@pytest.fixture
def sql(catalog_home: Home):
    def run(*arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(app, ["sql", *arguments, "--home", str(catalog_home.path)], input=text)

    return run


def test_the_table_is_readable(sql) -> None:
    result = sql(COUNTS)
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["space_group_number", "status", "n"]
    assert ["225", "accepted", "16"] in lines
    assert result.stderr == "4 rows\n"


def test_a_long_result_is_cut_and_says_so(sql) -> None:
    result = sql("SELECT * FROM samples", "--max-rows", "3")
    assert len(result.stdout.splitlines()) == 5
    assert result.stderr == "40 rows (the first 3 are shown: --max-rows, --csv, --json)\n"
    assert max(map(len, result.stdout.splitlines())) > 400, "nothing is folded in a pipe"


def test_json_csv_and_parquet(sql, tmp_path: Path) -> None:
    expected = [(62, "accepted", 16), (62, "rejected", 4), (225, "accepted", 16), (225, "rejected", 4)]
    assert [tuple(row.values()) for row in json.loads(sql(COUNTS, "--json").stdout)] == expected
    rows = list(csv.reader(io.StringIO(sql(COUNTS, "--csv").stdout)))
    assert [(int(group), status, int(n)) for group, status, n in rows[1:]] == expected
    result = sql(COUNTS, "--parquet", str(tmp_path / "out.parquet"))
    assert (result.stdout, result.stderr) == ("", f"4 rows written to {tmp_path / 'out.parquet'}\n")
    assert [tuple(row.values()) for row in pq.read_table(tmp_path / "out.parquet").to_pylist()] == expected


def test_everything_can_be_written_as_json_and_csv(sql) -> None:
    assert len(json.loads(sql("SELECT * FROM samples", "--json").stdout)) == 40
    assert len(list(csv.reader(io.StringIO(sql("SELECT * FROM samples", "--csv").stdout)))) == 41


EVERY_TYPE = (
    "SELECT DATE '2026-01-01', now(), INTERVAL 1 DAY, uuid(), MAP {'a': 1}, {'x': [1.5]}, 1::HUGEINT, 'a'::BLOB, true, "
    "'1'::BIT, 'x'::ENUM('x'), TIME '10:00', NULL, [NULL], 1.50::DECIMAL(9, 2), 'nan'::DOUBLE"
)


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)])
def test_every_type_of_duckdb_can_be_shown(sql, form: tuple[str, ...]) -> None:
    result = sql(EVERY_TYPE, *form)
    assert result.exit_code == 0, result.exception


def test_a_type_that_parquet_lacks_is_a_message(sql, tmp_path: Path) -> None:
    result = sql("SELECT INTERVAL 1 DAY AS i", "--parquet", str(tmp_path / "out.parquet"))
    assert result.exit_code == 1
    assert "CAST it to VARCHAR" in result.stderr
    assert not (tmp_path / "out.parquet").exists()


def test_two_formats_at_once_are_refused(sql) -> None:
    result = sql(COUNTS, "--json", "--csv")
    assert (result.exit_code, result.stderr) == (2, "Error: Expected at most one of --json, --csv and --parquet.\n")


def test_parameters_and_generations(sql) -> None:
    query = "SELECT count(*) AS n FROM samples WHERE space_group_number = $g AND status = $s"
    assert json.loads(sql(query, "--json", "--param", "g=62", "--param", "$s=accepted").stdout) == [{"n": 16}]
    narrow = sql(query, "--json", "--param", "g=62", "--param", "s=accepted", "--generation", "later")
    assert json.loads(narrow.stdout) == [{"n": 8}]
    assert sql(query, "--generation", "nosuch").exit_code == 2


def test_the_statement_may_come_from_stdin(sql) -> None:
    assert json.loads(sql("-", "--json", text="SELECT 1 AS one").stdout) == [{"one": 1}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("COPY samples TO 'x'",), "Expected a SELECT, got COPY"),
        (("SELECT 1; SELECT 2",), "Expected one SQL statement, got 2"),
        (("SELECT * FROM read_text('/etc/hostname')",), "reaches for a file"),
        (("SELECT nosuch FROM samples",), "nosuch"),
        (
            (
                "SELECT count(*) FROM range(100000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 3",
                "--time-limit",
                "0.2",
            ),
            "",
        ),
    ],
)
def test_refusals_exit_with_1(sql, arguments: tuple[str, ...], message: str) -> None:
    result = sql(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert result.stdout == ""


def test_ctrl_c_stops_a_query_at_once(tmp_path: Path) -> None:
    slow = "SELECT count(*) FROM range(100000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 3"
    code = (
        "import os, signal, threading; from crystalforge.cli import main; "
        "threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start(); main()"
    )
    arguments = ["sql", slow, "--home", str(tmp_path), "--time-limit", "20"]
    start = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert time.monotonic() - start < 10
    assert (result.returncode, result.stdout) == (130, "")
    assert "Traceback" not in result.stderr


def test_a_damaged_shard_is_a_message(sql, catalog_home: Home) -> None:
    shard = next(catalog_home.generations.rglob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-10])
    result = sql(COUNTS)
    assert result.exit_code == 1
    assert "is damaged: sha256" in result.stderr
    assert "platform generate --resume" in result.stderr


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x=225", 225),
        ("x=-1.5e3", -1500.0),
        ("x=true", True),
        ("x=null", None),
        ("x=NaN", "NaN"),
        ("x=LiAlSi", "LiAlSi"),
        ("x=", ""),
        ("x=a=b", "a=b"),
        ('x="225"', "225"),
        ("x=[225, 62]", [225, 62]),
        ('x={"a": 1}', '{"a": 1}'),
        ("x=12345678901234567890123456789e12", "12345678901234567890123456789e12"),
        ("x=12345678901234567890123456789012", "12345678901234567890123456789012"),
    ],
)
def test_parameter_values(text: str, value: object) -> None:
    name, parsed = parse_parameter(text)
    assert name == "x"
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("text", ["225", "=1", "a b=1", "1a=2"])
def test_parameters_without_a_name(text: str) -> None:
    with pytest.raises(UsageError, match="expected NAME=VALUE"):
        parse_parameter(text)


def test_schema_shows_units() -> None:
    result = CliRunner().invoke(app, ["schema", "samples"])
    assert "Volume per atom (Å³)" in result.stdout
    described = json.loads(CliRunner().invoke(app, ["schema", "materials", "--json"]).stdout)
    assert described[0]["columns"][0]["column"] == "material_id"
    assert all(column["comment"] for column in described[0]["columns"])
    assert "candidates" in CliRunner().invoke(app, ["schema"]).stdout
    wrong = CliRunner().invoke(app, ["schema", "nosuch"])
    assert (wrong.exit_code, "expected one of samples" in wrong.stderr) == (2, True)
