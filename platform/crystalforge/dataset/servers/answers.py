"""What an answer of a server says: a whole page, a refusal, a bad moment, how long to wait."""

from __future__ import annotations

import json
import time
from typing import NamedTuple

import requests
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
"""What a server may answer that has a bad moment; other statuses are its last word."""
LARGEST_ANSWER = 256 * 2**20
"""Bytes of one answer: 500 crystals of the training set, all atoms of the conventional cells, took 1.5 MiB."""


class BrokenPageError(Exception):
    """A page that is no whole JSON object, or has no end: caught by the transport, which asks again."""


RETRIED_ERRORS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    HTTPError,
    BrokenPageError,
)
"""What a bad network raises."""


def read_whole(response: requests.Response, longest: float) -> None:
    """Read the body, within a time and a size: a server may drip or flood without end.

    Raises:
        BrokenPageError: it takes longer, or is larger.
    """
    ends, parts, size = time.monotonic() + longest, [], 0
    for part in response.iter_content(2**18):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER or time.monotonic() > ends:
            response.close()
            raise BrokenPageError(f"an answer beyond {LARGEST_ANSWER / 2**20:.0f} MiB or {longest:.0f} s")
    response._content = b"".join(parts)


class PageFacts(NamedTuple):
    """What a page says of itself.

    Attributes:
        entries: crystals in it.
        matched: crystals that match in all; None where the server does not say.
        request_delay: seconds that it would like between requests, OPTIMADE's; 0 where it has no wish.
    """

    entries: int
    matched: int | None
    request_delay: float


def page_facts(content: bytes) -> PageFacts:
    """Read what a page says of itself.

    Raises:
        BrokenPageError: it is not what a page is.
    """
    try:
        page = json.loads(content)
        entries, meta = page["data"], page.get("meta") or {}
        matched = meta.get("data_returned", meta.get("total_doc"))
        delay = meta.get("request_delay")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BrokenPageError(f"a page that is no JSON of entries ({len(content)} bytes, {short(error)})") from error
    if not isinstance(entries, list):
        raise BrokenPageError("a page whose 'data' is no list of entries")
    wished = float(delay) if isinstance(delay, int | float) and delay > 0 else 0.0
    return PageFacts(len(entries), matched if isinstance(matched, int) else None, wished)


def seconds_to_wait(response: requests.Response) -> float | None:
    """What ``Retry-After`` asks for, in seconds or as a date; None where there is none that can be read."""
    header = response.headers.get("Retry-After")
    if not header:
        return None
    try:
        return Retry().parse_retry_after(header)
    except InvalidHeader:
        return None


def describe(response: requests.Response) -> str:
    """The status, as "HTTP 503 Service Unavailable"."""
    return f"HTTP {response.status_code} {response.reason or ''}".strip()


def refusal_of(response: requests.Response) -> str:
    """Status, and what the server says of it: JSON:API's ``errors`` or FastAPI's ``detail``."""
    try:
        answer = response.json()
        details = [error.get("detail") or error.get("title") for error in answer.get("errors", [])]
        text = "; ".join(map(str, details)) or str(answer.get("detail", ""))
    except (ValueError, AttributeError, TypeError):
        text = ""
    return f"{describe(response)}: {text[:300]}".rstrip(": ")


def short(error: BaseException) -> str:
    """What went wrong, without what urllib3 and requests wrap around it."""
    if isinstance(error, BrokenPageError):
        return str(error)[:300]
    inner = error.args[0] if error.args and isinstance(error.args[0], BaseException) else error
    reason = getattr(inner, "reason", inner) or inner
    return f"{type(reason).__name__}: {str(reason).rpartition('): ')[2]}"[:300]
