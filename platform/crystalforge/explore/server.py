"""Run the page: take the port, open the catalog, answer until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from crystalforge.catalog.query import DEFAULT_MEMORY_LIMIT
from crystalforge.errors import UsageError
from crystalforge.explore.live_catalog import LiveCatalog
from crystalforge.home import Home

if TYPE_CHECKING:
    from starlette.applications import Starlette

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 5080
BACKLOG = 128
STOP_LIMIT_S = 3
"""How long requests in progress may still take at the end."""


def serve(
    home: Home,
    *,
    host: str = LOOPBACK,
    port: int = DEFAULT_PORT,
    memory_limit: str = DEFAULT_MEMORY_LIMIT,
    ready: Callable[[str], None],
) -> None:
    """Answer requests until the process is interrupted.

    Args:
        home: whose rows are shown; only read.
        host: address to listen on.
        port: 0 for any that is free.
        memory_limit: of the process of SQL, such as ``2GB``: all rows of ``crystals`` must fit.
        ready: called with the address of the page once requests are taken.

    Raises:
        UsageError: the address cannot be listened on.
        DamagedFileError: a file of the home is damaged.
        KeyboardInterrupt: Ctrl-C, after requests in progress were answered.
    """
    with listening(host, port) as listener:
        from crystalforge.explore.app import create_app

        catalog = LiveCatalog(home, memory_limit)
        try:
            answer(create_app(catalog, host), listener, lambda: ready(page_url(host, listener.getsockname()[1])))
        finally:
            catalog.close()


def answer(app: Starlette, listener: socket.socket, ready: Callable[[], object]) -> None:
    """Answer requests by an application until the process is interrupted.

    Args:
        app: the application.
        listener: takes the connections.
        ready: called once requests are taken.
    """
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,  # nobody else says where a request comes from
        timeout_graceful_shutdown=STOP_LIMIT_S,
    )
    ready()
    uvicorn.Server(config).run(sockets=[listener])


def page_url(host: str, port: int) -> str:
    """The address as a browser on this machine reaches it."""
    reachable = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 (compared, not bound)
    return f"http://[{reachable}]:{port}/" if ":" in reachable else f"http://{reachable}:{port}/"


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that takes connections already; they wait until the catalog is open."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
        raise UsageError(f"Cannot listen on {host} port {port}: {why}. Give another with --port or --host.") from error
    with listener:
        yield listener
