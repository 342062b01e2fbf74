"""Secrets of the environment never come out: not in output, logs, errors, JSON, nor in any file of a home."""

from __future__ import annotations

import json
import logging
import shutil
import socket
import tempfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from real_commands import PROGRAM, start
from small_training import small_recipe, write_recipe
from trained_here import SEED
from typer.testing import CliRunner

from crystalforge.cli.app import app
from crystalforge.home import Home

PASSWORD = "hunter2/p@ss"
WRITTEN = "hunter2%2Fp%40ss"
SECRETS = {
    "MP_API_KEY": "k" * 31 + "7",
    "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
    "MLFLOW_TRACKING_USERNAME": "somebody",
    "MLFLOW_TRACKING_PASSWORD": "another-pass-word",
    "PGPASSWORD": "yet-another-pass-word",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
TEXTS = [value for name, value in SECRETS.items() if name != "MLFLOW_TRACKING_USERNAME"] + [
    PASSWORD,
    WRITTEN,
    "hunter2",
]


class Refusing(BaseHTTPRequestHandler):
    """Refuses everybody, and says back what it was asked, as servers with too much to say do."""

    def do_GET(self) -> None:  # as http.server calls it
        self.send_response(401)
        self.end_headers()
        self.wfile.write(f"not for {self.requestline} at http://me:{WRITTEN}@here".encode())

    do_POST = do_GET  # noqa: N815 (so too)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=["nobody listens", "refused"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of a tracking server that does not take anything, with a password in it."""
    if request.param == "nobody listens":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        yield f"http://me:{WRITTEN}@127.0.0.1:{port}"
        return
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://me:{WRITTEN}@127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def secret(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment with all of them; gives the address."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return address


def assert_hidden(text: str | bytes, where: object) -> None:
    content = text.encode() if isinstance(text, str) else text
    for each in TEXTS:
        assert each.encode() not in content, f"{each} is in {where}"


def assert_hidden_below(folder: Path) -> int:
    """Every file; returns their number."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    for path in files:
        assert_hidden(path.read_bytes(), path)
    return len(files)


def test_a_training_whose_store_fails_tells_none(
    secret: str, trained_home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = write_recipe(tmp_path / "small.toml", small_recipe())
    words = ["train-all", "--recipe", str(recipe), "--seed", str(SEED), "--space-groups", "225,62"]
    with caplog.at_level(logging.DEBUG):
        result = CliRunner().invoke(app, [*words, "--home", str(trained_home.path), "--json"])
        plain = CliRunner().invoke(app, [*words, "--home", str(trained_home.path)])
    assert (result.exit_code, plain.exit_code) == (0, 0), result.output
    summary = json.loads(result.stdout)
    assert (summary["already_trained"], summary["not_tracked"]) == ([225, 62], [62, 225])
    assert summary["tracking_uri"] == secret.replace(WRITTEN, "…")
    assert "Nothing is lost: the same command offers it again." in plain.stderr
    failed = [record.getMessage() for record in caplog.records if "event=tracking_failed" in record.getMessage()]
    assert failed, "the store did fail"
    assert_hidden(result.output + plain.output, "the output")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("crystalforge")]
    assert_hidden("\n".join(ours), "the log")
    assert assert_hidden_below(trained_home.path) > 5


@pytest.mark.parametrize(
    "words",
    [
        ("config", "show", "--all", "--json"),
        ("config", "show"),
        ("ui", "--json"),
        ("status", "--json"),
        ("verify", "--json"),
        ("metrics", "--once"),
        ("sql", "SELECT nothing"),
        ("dataset", "build", "optimade:https://me:hunter2@example.org"),
        ("dataset", "build", "nowhere"),
        ("generate",),
        ("validate", "status"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("address", ["nobody listens"], indirect=True)
def test_a_command_tells_none(words: tuple[str, ...], secret: str, tmp_path: Path) -> None:
    home = [] if words[0] == "config" else ["--home", str(tmp_path / "home")]
    result = CliRunner().invoke(app, [*words, *home])
    assert result.output
    assert_hidden(result.output, words)
    assert_hidden_below(tmp_path)


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_a_real_training_tells_none_not_even_to_the_logs_of_ray(bundled_home: Home, tmp_path: Path) -> None:
    """With Ray's token as the guard of its own cluster; all that Ray wrote is looked through."""
    home = Home.locate(shutil.copytree(bundled_home.path, tmp_path / "home"))
    recipe = write_recipe(tmp_path / "small.toml", small_recipe())
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        environment = SECRETS | {"RAY_AUTH_MODE": "token", "RAY_TMPDIR": folder}
        environment |= {"MLFLOW_TRACKING_URI": f"http://me:{WRITTEN}@127.0.0.1:9"}
        words = ["train-all", "--recipe", recipe, "--space-groups", "164", "--home", home.path]
        process = start(*words, environment=environment)
        output, log = process.communicate(timeout=400)
        assert process.returncode == 0, log.decode()
        assert_hidden(output + log, PROGRAM)
        assert assert_hidden_below(home.path) > 5
        assert assert_hidden_below(Path(folder)) > 10, "Ray wrote its logs elsewhere"
