"""Patient requests: time limits, tries again with growing waits, ``Retry-After`` obeyed, pages remembered.

The clients of OPTIMADE and of the Materials Project both speak through ``requests``; each is given a session of here.
A page that the download has is answered from the disk, so that the client itself need not know of resuming.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

from crystalforge.dataset.servers.download import Download
from crystalforge.dataset.servers.patience import Patience
from crystalforge.errors import SourceError

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
"""What a server may answer that has a bad moment; other statuses are its last word."""
RETRIED_ERRORS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
LARGEST_ANSWER = 256 * 2**20
"""Bytes of one answer: 1,000 large crystals take some 10 MiB."""
SECRET_HEADERS = ("x-api-key",)
"""Sent to the host they are meant for only, never along a redirect to another."""
logger = logging.getLogger(__name__)


@dataclass
class Transport:
    """What all sessions of one download share.

    Attributes:
        download: where pages are kept.
        is_page: whether a URL is one of a page of crystals, to be kept.
        patience: how long to wait.
        progress: called with (entries so far, entries in all or 0) after each page.
        failure: why the last request was given up; clients turn what is raised into texts of their own.
        rejection: what the server said where its last answer was a refusal, empty where it was none.
    """

    download: Download
    is_page: Callable[[str], bool]
    patience: Patience = field(default_factory=Patience)
    progress: Callable[[int, int], None] | None = None
    failure: SourceError | None = None
    rejection: str = ""
    _next_request: float = 0.0
    _delivered: set[str] = field(default_factory=set)

    def session_class(self) -> type[requests.Session]:
        """A class of sessions that speak through this transport, for clients that make their own."""
        transport = self

        class PatientSession(requests.Session):
            """``requests.Session`` whose ``get`` is patient and remembers pages."""

            def get(self, url: str | bytes, **options: Any) -> requests.Response:
                """As ``requests.Session.get``."""
                return transport.get(super().get, str(url), options)

            def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
                """Drop the key where a redirect leads to another host."""
                super().rebuild_auth(prepared_request, response)
                if self.should_strip_auth(str(response.request.url), str(prepared_request.url)):
                    for name in SECRET_HEADERS:
                        prepared_request.headers.pop(name, None)

        return PatientSession

    def get(self, send: Callable[..., requests.Response], url: str, options: dict[str, Any]) -> requests.Response:
        """Answer from the download, or ask the server.

        Raises:
            SourceError: the server did not answer as it should, however often asked, or its pages go in a circle.
        """
        address = str(requests.Request("GET", url, params=options.get("params")).prepare().url)
        is_page = self.is_page(address)
        self.rejection = ""
        if is_page and (kept := self._kept(address)) is not None:
            return kept
        response = self.patiently(address, lambda: self._ask(send, url, options, is_page))
        self.rejection = "" if response.ok else _detail(response)
        if is_page and response.status_code == requests.codes.ok:
            self._keep(address, response.content)
        return response

    def _keep(self, address: str, content: bytes) -> None:
        """Commit a page; one without entries is not kept, so that it is asked for again the next time."""
        n_entries, matched = _page_facts(content)
        self._pace(content)
        if n_entries:
            page = self.download.add(address, content, (n_entries, matched))
            self._delivered.add(address)
            logger.info("page=%d entries=%d matched=%s", page.number, self.download.n_entries, matched)
        self._tell(matched)

    def patiently(self, what: str, ask: Callable[[], requests.Response]) -> requests.Response:
        """Ask until there is an answer that is no failure of the moment.

        Raises:
            SourceError: every attempt failed, or the server asks to wait for too long.
        """
        problem = ""
        for attempt in range(1, self.patience.attempts + 1):
            self._wait_for_turn()
            retry_after = None
            try:
                response = ask()
                if response.status_code not in RETRIED_STATUSES:
                    return response
                problem, retry_after = _describe(response), _retry_after(response)
            except (*RETRIED_ERRORS, BrokenPageError, HTTPError) as error:
                problem = _short(error)
            if attempt < self.patience.attempts:
                wait = self._wait_before(attempt, retry_after, what)
                logger.warning("url=%s attempt=%d problem=%s wait=%.1fs", what, attempt, problem, wait)
                time.sleep(wait)
        raise self._failed(
            f"{what} could not be read: {self.patience.attempts} attempts failed, the last with {problem}. "
            f"{self.download.describe()} Run the same command again to go on from there."
        )

    def _kept(self, address: str) -> requests.Response | None:
        if address in self._delivered:
            raise self._failed(
                f"The pages of the server go in a circle: {address} came twice. {self.download.describe()} "
                "Report it to the provider, or narrow what you ask for."
            )
        content = self.download.content(address)
        if content is None:
            return None
        self._delivered.add(address)
        response = requests.Response()
        response.status_code, response.url, response.encoding = 200, address, "utf-8"
        response._content = content  # the only way to make a response of bytes
        response.request = requests.Request("GET", address).prepare()
        self._tell(_page_facts(content)[1])
        return response

    def _tell(self, matched: int | None) -> None:
        if self.progress is not None:
            self.progress(self.download.n_entries, matched or 0)

    def _ask(
        self, send: Callable[..., requests.Response], url: str, options: dict[str, Any], is_page: bool
    ) -> requests.Response:
        response = send(url, **options | {"timeout": self.patience.timeout, "stream": True})
        _read_whole(response, self.patience.longest_answer)
        if is_page and response.status_code == requests.codes.ok:
            _page_facts(response.content)
        return response

    def _wait_for_turn(self) -> None:
        wait = self._next_request - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        self._next_request = time.monotonic() + self.patience.pause

    def _pace(self, content: bytes) -> None:
        """OPTIMADE's ``meta.request_delay``: seconds that the server would like between requests."""
        delay = json.loads(content).get("meta", {}).get("request_delay")
        if isinstance(delay, int | float) and delay > 0:
            self._next_request = time.monotonic() + min(float(delay), self.patience.longest_wait)

    def _wait_before(self, attempt: int, retry_after: float | None, what: str) -> float:
        if retry_after is not None and retry_after > self.patience.longest_retry_after:
            raise self._failed(
                f"{what}: the server asks to wait for {retry_after:.0f} s (Retry-After). {self.download.describe()} "
                "Run the same command again after that time to go on from there."
            )
        doubled = min(self.patience.first_wait * 2 ** (attempt - 1), self.patience.longest_wait)
        return max(doubled * random.uniform(0.75, 1.25), retry_after or 0.0)

    def _failed(self, message: str) -> SourceError:
        """The error, kept for whoever meets the client's own instead."""
        self.failure = SourceError(message)
        return self.failure


class BrokenPageError(Exception):
    """Raised inside the transport and caught there: a page that is no whole JSON object."""


def _read_whole(response: requests.Response, longest: float) -> None:
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


def _page_facts(content: bytes) -> tuple[int, int | None]:
    """Entries of a page, and how many crystals the server says match in all.

    Raises:
        BrokenPageError: it is not what a page is.
    """
    try:
        page = json.loads(content)
        n_entries = len(page["data"])
        meta = page.get("meta") or {}
        whole = isinstance(page["data"], list)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BrokenPageError(f"a page that is no JSON of entries ({len(content)} bytes, {_short(error)})") from error
    if not whole:
        raise BrokenPageError("a page whose 'data' is no list of entries")
    matched = meta.get("data_returned", meta.get("total_doc"))
    return n_entries, matched if isinstance(matched, int) else None


def _retry_after(response: requests.Response) -> float | None:
    header = response.headers.get("Retry-After")
    if not header:
        return None
    try:
        return Retry().parse_retry_after(header)
    except InvalidHeader:
        return None


def _describe(response: requests.Response) -> str:
    return f"HTTP {response.status_code} {response.reason or ''}".strip()


def _detail(response: requests.Response) -> str:
    """Status, and what the server says of it: JSON:API's ``errors`` or FastAPI's ``detail``."""
    try:
        answer = response.json()
        details = [error.get("detail") or error.get("title") for error in answer.get("errors", [])]
        text = "; ".join(map(str, details)) or str(answer.get("detail", ""))
    except (ValueError, AttributeError, TypeError):
        text = ""
    return f"{_describe(response)}: {text[:300]}".rstrip(": ")


def _short(error: BaseException) -> str:
    text = str(error) if isinstance(error, BrokenPageError) else f"{type(error).__name__}: {error}"
    return text[:300]
