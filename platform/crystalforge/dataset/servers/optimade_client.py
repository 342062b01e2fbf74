"""The client of optimade-python-tools, and what it makes of failures."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from crystalforge.errors import MissingDependencyError, SourceError

if TYPE_CHECKING:
    from crystalforge.dataset.servers.transport import Transport

NO_LIMIT = 2**31
"""The client's own limits on crystals and requests: without a number it fails where a server does not count."""


def base_url(given: str) -> str:
    """URL without version and endpoint, as ``https://optimade.materialsproject.org``."""
    path = re.sub(r"(/v\d[\d.]*)?(/structures|/info)?/*$", "", urlsplit(given).path)
    return urlsplit(given)._replace(path=path, query="", fragment="").geturl()


def client_of(transport: Transport, url: str, callbacks: list[Any], limit: int | None = None) -> Any:
    """The client of optimade-python-tools, speaking through the transport.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        from optimade.client import OptimadeClient
    except ImportError as error:
        raise MissingDependencyError(
            "Crystals from an OPTIMADE server need its client: pip install 'crystalforge[optimade]'."
        ) from error
    client = OptimadeClient(
        url,
        max_results_per_provider=limit or NO_LIMIT,
        http_timeout=transport.patience.timeout,
        use_async=False,
        silent=True,
        http_client=transport.session_class(),
        callbacks=callbacks,
    )
    client._progress.print = lambda *_texts, **_styles: None  # it writes its errors though told to be silent
    return client


def raise_failure(transport: Transport, url: str, errors: list[Any]) -> None:
    """Raise why a request was given up, which the client turned into a text.

    Raises:
        SourceError: it was, or the answer is not OPTIMADE's.
    """
    if transport.failure is not None:
        raise transport.failure
    if errors:
        first = errors[0] if isinstance(errors[0], str) else json.dumps(errors[0])
        raise SourceError(f"{url} does not answer as an OPTIMADE server does: {first[:500]}")


def link_of(value: Any) -> str:
    """A link of JSON:API, which is a URL or an object with one."""
    return str((value.get("href") if isinstance(value, dict) else value) or "")
