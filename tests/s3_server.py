"""A real S3 server on loopback, with a network that can fail: moto's, in a process of its own.

``POST /_faults`` sets what goes wrong, ``GET /_requests`` tells what was asked and forgets it. Run as a program, it
serves the port that it is given.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUCKET = "laboratory"
START_S = 60.0
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "key-of-the-laboratory",
    "AWS_SECRET_ACCESS_KEY": "known-to-nobody-else",
    "AWS_REGION": "us-east-1",
}
LEFT_OUT = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3")


@dataclass
class S3Server:
    """A server that runs, and its one bucket."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """As ``AWS_ENDPOINT_URL`` has it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to use it."""
        return ENVIRONMENT | {"AWS_ENDPOINT_URL": self.url}

    def requests(self) -> list[dict[str, Any]]:
        """What was asked since the last call: ``method``, ``path``, ``query``, ``bytes_in`` and ``bytes_out``."""
        with urllib.request.urlopen(f"{self.url}/_requests") as answer:
            asked: list[dict[str, Any]] = json.loads(answer.read())
        return asked

    def fail(self, *, times: int, methods: Iterable[str] = ("GET", "PUT", "HEAD", "POST"), path: str = "") -> None:
        """Answer the next requests with 503, as a store that is busy does."""
        fault = {"times": times, "methods": list(methods), "path": path}
        request = urllib.request.Request(f"{self.url}/_faults", data=json.dumps(fault).encode(), method="POST")
        urllib.request.urlopen(request).close()

    def pause(self) -> None:
        """Answer nothing any more, as a host that hangs."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer again."""
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def s3_server(environment: dict[str, str] | None = None) -> Iterator[S3Server]:
    """Start a server with an empty bucket; it ends with the ``with``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__, str(port)],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        server = S3Server(port, process)
        make_bucket = urllib.request.Request(f"{server.url}/{BUCKET}", method="PUT")
        urllib.request.urlopen(make_bucket).close()
        yield server
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while True:
        assert process.poll() is None, "the S3 server did not start: is moto[s3] installed?"
        assert time.monotonic() < deadline
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


def copy_up(folder: Path, place: Any) -> None:
    """Put every file below a folder to a place on the store, as a tool of the store does."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != ".lock":
            (place / path.relative_to(folder).as_posix()).write_bytes(path.read_bytes())


def copy_down(place: Any, folder: Path) -> None:
    """Bring every object below a place into a folder, as a tool of the store does."""
    for path in place.rglob("*"):
        to = folder / path.relative_to(place)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(path.read_bytes())


class _Network:
    """Counts the requests to a WSGI application and lets some fail."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._asked: list[dict[str, Any]] = []
        self._fault: dict[str, Any] = {"times": 0}
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == "/_requests":
            with self._lock:
                asked, self._asked = self._asked, []
            return _plain(start_response, "200 OK", json.dumps(asked).encode())
        if path == "/_faults":
            self._fault = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            return _plain(start_response, "200 OK", b"")
        line = {
            "method": method,
            "path": path,
            "query": environ["QUERY_STRING"],
            "bytes_in": int(environ.get("HTTP_X_AMZ_DECODED_CONTENT_LENGTH") or environ.get("CONTENT_LENGTH") or 0),
            "bytes_out": 0,
        }
        with self._lock:
            self._asked.append(line)
            fails = self._fault["times"] > 0 and method in self._fault["methods"] and self._fault["path"] in path
            self._fault["times"] -= fails
        if fails:
            return _plain(start_response, "503 Slow Down", b"<Error><Code>SlowDown</Code></Error>")
        answer = list(self._app(environ, start_response))
        line["bytes_out"] = 0 if method == "HEAD" else sum(map(len, answer))
        return answer


def _plain(start_response: Callable[..., Any], status: str, body: bytes) -> list[bytes]:
    start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


def _serve(port: int) -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import run_simple

    app = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", port, _Network(app), threaded=True)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
