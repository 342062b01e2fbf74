"""What is taken out of a text that is shown, logged or kept, and what stays."""

from __future__ import annotations

import contextlib
import os

import psutil
import pytest

from crystalforge.dataset.cif_child import CifChild, ParserLimits
from crystalforge.dataset.exclusion import LeftOutError
from crystalforge.secrecy import ADDRESS_VARIABLES, SECRET_VARIABLES, hide_secrets
from crystalforge.validation.engines.contract import clean_environment


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SECRET_VARIABLES, *ADDRESS_VARIABLES):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:hunter2@host:5000/path", "https://user:…@host:5000/path"),
        ("at http://me:p@ss/w:rd@10.0.0.1 it failed", "at http://me:…@10.0.0.1 it failed"),
        (
            "postgresql+psycopg2://mlflow:hunter2@127.0.0.1:5432/mlflow",
            "postgresql+psycopg2://mlflow:…@127.0.0.1:5432/mlflow",
        ),
        ("'http://me:12345@host'", "'http://me:…@host'"),
        ("https://ghp_abcdef@host/x", "https://…@host/x"),
        (
            "postgresql://host/db?user=me&password=hunter2&sslmode=require",
            "postgresql://host/db?user=me&password=…&sslmode=require",
        ),
        ("s3://key:hunter2@bucket/home", "s3://key:…@bucket/home"),
        ("https://host/?X-Amz-Security-Token=abc&x=1", "https://host/?X-Amz-Security-Token=…&x=1"),
    ],
)
def test_a_password_within_an_address_is_taken_out(text: str, shown: str) -> None:
    assert hide_secrets(text) == shown
    assert hide_secrets(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:5000/#/experiments/1",
        "http://host:5000",
        "http://host:5000/a@b",
        "sqlite:////home/me/crystalforge-home/mlflow/mlflow.db",
        "postgresql://mlflow@127.0.0.1/mlflow",
        "s3://bucket/home",
        "SELECT * FROM candidates WHERE formula = 'ABX3' -- mail me@example.org",
        "ray://head:10001",
    ],
)
def test_what_holds_no_secret_stays(text: str) -> None:
    assert hide_secrets(text) == text


@pytest.mark.parametrize("name", SECRET_VARIABLES)
def test_a_secret_of_the_environment_is_taken_out_however_it_is_written(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "it's a s€cret/+")
    told = (
        f"plain it's a s€cret/+, quoted {'it%27s%20a%20s%E2%82%ACcret%2F%2B'}, in a form it%27s+a+s%E2%82%ACcret%2F%2B"
    )
    assert hide_secrets(told) == "plain …, quoted …, in a form …"
    assert "cret" not in hide_secrets(repr({"a": "it's a s€cret/+", 'b"': '"'}))


def test_the_password_of_an_address_is_taken_out_where_it_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:hunter%402@host/")
    assert hide_secrets("user me, password hunter@2 (hunter%402)") == "user me, password … (…)"


def test_a_value_of_a_few_letters_does_not_empty_every_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MP_API_KEY", "a")
    assert hide_secrets("a crystal") == "a crystal"


def test_other_programs_are_started_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """DFT codes, and the child that parses CIFs of strangers."""
    given = dict.fromkeys(SECRET_VARIABLES, "hunter2") | {"MLFLOW_TRACKING_URI": "http://me:hunter2@host"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HARMLESS", "yes")
    before = set(psutil.Process().children())
    with contextlib.closing(CifChild(ParserLimits())) as child:
        with pytest.raises(LeftOutError):
            child.parse("no CIF")
        (started,) = set(psutil.Process().children()) - before
        environments = [clean_environment(), started.environ()]
    for environment in environments:
        assert environment["HARMLESS"] == "yes"
        assert environment["PATH"] == os.environ["PATH"]
        assert "hunter2" not in " ".join(environment.values())
