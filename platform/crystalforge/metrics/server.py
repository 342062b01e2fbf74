"""Answers Prometheus until Ctrl-C: GET /metrics, protected as the page of `platform explore` is."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import generate_latest, make_asgi_app
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from crystalforge.explore.protection import Protection
from crystalforge.explore.server import LOOPBACK, answer, listening, page_url
from crystalforge.home import Home
from crystalforge.metrics.collector import registry_of

DEFAULT_PORT = 5090
PATH = "metrics"


def metrics_text(home: Home) -> str:
    """All figures once, in Prometheus's text format."""
    return generate_latest(registry_of(home)).decode()


class Figures:
    """The answer to a scrape; an object, as Starlette takes a function for one that gets a request."""

    def __init__(self, home: Home) -> None:
        self._app = make_asgi_app(registry_of(home))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the home and tell."""
        await self._app(scope, receive, send)


def create_app(home: Home, host: str) -> Starlette:
    """The application over a home.

    Args:
        home: whose figures are told; only read.
        host: address that is listened on.
    """

    def index(_: Request) -> PlainTextResponse:
        return PlainTextResponse(f"Figures of a home of crystalforge for Prometheus: /{PATH}\n")

    routes = [Route("/", index), Route(f"/{PATH}", Figures(home))]
    return Starlette(routes=routes, middleware=[Middleware(Protection, host=host)])


def serve_metrics(
    home: Home, *, host: str = LOOPBACK, port: int = DEFAULT_PORT, ready: Callable[[str], object]
) -> None:
    """Answer scrapes until the process is interrupted.

    Args:
        home: whose figures are told; only read.
        host: address to listen on.
        port: 0 for any that is free.
        ready: called with the address of the figures once requests are taken.

    Raises:
        UsageError: the address cannot be listened on.
        KeyboardInterrupt: Ctrl-C.
    """
    with listening(host, port) as listener:
        answer(create_app(home, host), listener, lambda: ready(f"{page_url(host, listener.getsockname()[1])}{PATH}"))
