"""The addresses of the page and of its API, as a Starlette application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crystalforge.catalog.output import plain_value
from crystalforge.errors import CrystalforgeError, QueryError, UsageError
from crystalforge.explore.answers import (
    crystal_answer,
    facets_answer,
    home_answer,
    lineage_answer,
    list_answer,
    state_answer,
)
from crystalforge.explore.api_page import api_page
from crystalforge.explore.downloads import DOWNLOAD, download
from crystalforge.explore.live_catalog import LiveCatalog
from crystalforge.explore.pages import PageFile, page_files
from crystalforge.explore.parameters import (
    FILTERS,
    NAME,
    PAGE,
    read_filters,
    read_name,
    read_page,
    refuse_unknown,
)
from crystalforge.explore.protection import Protection

Pairs = list[tuple[str, str]]
REFUSED, FAILED = 400, 503


def create_app(catalog: LiveCatalog, host: str) -> Starlette:
    """The application over an open catalog.

    Args:
        catalog: asked by every request; closed by whoever made it.
        host: address that is listened on.
    """

    def answering(known: tuple[Any, ...], answer: Callable[[Pairs], Any]) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            pairs = request.query_params.multi_items()
            refuse_unknown(pairs, *known)
            return JSONResponse(plain_value(answer(pairs)))

        return endpoint

    def endpoint_of_download(request: Request) -> Response:
        pairs = request.query_params.multi_items()
        refuse_unknown(pairs, FILTERS, PAGE[:2], DOWNLOAD, more=("id",))
        return download(catalog, pairs)

    routes = [
        Route("/api/home", answering((), lambda _: home_answer(catalog))),
        Route("/api/state", answering((), lambda _: state_answer(catalog))),
        Route(
            "/api/crystals",
            answering((FILTERS, PAGE), lambda pairs: list_answer(catalog, read_filters(pairs), read_page(pairs))),
        ),
        Route("/api/facets", answering((FILTERS,), lambda pairs: facets_answer(catalog, read_filters(pairs)))),
        Route("/api/crystal", answering((NAME,), lambda pairs: crystal_answer(catalog, read_name(pairs)))),
        Route("/api/lineage", answering((NAME,), lambda pairs: lineage_answer(catalog, read_name(pairs)))),
        Route("/api/download", endpoint_of_download),
        *(Route(path, _file_endpoint(file)) for path, file in (page_files() | {"/api": api_page()}).items()),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Protection, host=host)],
        exception_handlers={CrystalforgeError: _told, HTTPException: _not_there},
    )
    app.router.redirect_slashes = False
    return app


def _file_endpoint(file: PageFile) -> Callable[[Request], Response]:
    def endpoint(_: Request) -> Response:
        return Response(file.content, media_type=file.content_type)

    return endpoint


def _told(_: Request, error: Exception) -> Response:
    """An error of ours as its message; what the question caused apart from what the home has."""
    status = REFUSED if isinstance(error, (UsageError, QueryError)) else FAILED
    return JSONResponse({"error": str(error)}, status)


def _not_there(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else FAILED
    return JSONResponse({"error": "Nothing at this address: see /api."}, status)
