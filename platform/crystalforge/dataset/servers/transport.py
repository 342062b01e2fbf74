"""Patient requests: time limits, tries again with growing waits, ``Retry-After`` obeyed, pages remembered.

The clients of OPTIMADE and of the Materials Project both speak through ``requests``; each is given a session of here.
A page that the download has is answered from the disk, so that the client itself need not know of resuming.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from crystalforge.dataset.servers.answers import (
    RETRIED_ERRORS,
    RETRIED_STATUSES,
    describe,
    page_facts,
    read_whole,
    refusal_of,
    seconds_to_wait,
    short,
)
from crystalforge.dataset.servers.download import Download
from crystalforge.dataset.servers.patience import Patience
from crystalforge.errors import SourceError

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

        def ask() -> requests.Response:
            response = send(url, **options | {"timeout": self.patience.timeout, "stream": True})
            read_whole(response, self.patience.longest_answer)
            if is_page and response.status_code == requests.codes.ok:
                self._keep(address, response.content)
            return response

        response = self.patiently(address, ask)
        self.rejection = "" if response.ok else refusal_of(response)
        return response

    def _keep(self, address: str, content: bytes) -> None:
        """Commit a page; one without entries is not kept, so that it is asked for again the next time.

        Raises:
            BrokenPageError: it is no page.
        """
        facts = page_facts(content)
        if facts.request_delay:
            self._next_request = time.monotonic() + min(facts.request_delay, self.patience.longest_wait)
        if facts.entries:
            self.download.add(address, content, (facts.entries, facts.matched))
            self._delivered.add(address)
            logger.info("pages=%d entries=%d", len(self.download.pages), self.download.n_entries)
        self._tell(facts.matched)

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
                problem, retry_after = describe(response), seconds_to_wait(response)
            except RETRIED_ERRORS as error:
                problem = short(error)
            if attempt < self.patience.attempts:
                wait = self._wait_before(attempt, retry_after, what)
                logger.warning("url=%s attempt=%d problem=%s wait=%.1fs", what, attempt, problem, wait)
                time.sleep(wait)
        raise self._failed(
            f"{what} could not be read: {self.patience.attempts} attempts failed, the last with {problem}. "
            f"{self.download.describe()} {self._repair()}"
        )

    def _repair(self) -> str:
        if self.download.n_entries:
            return "Run the same command again to go on from there."
        return "Check the address and your network, or run the same command again later."

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
        self._tell(page_facts(content).matched)
        return response

    def _tell(self, matched: int | None) -> None:
        if self.progress is not None:
            self.progress(self.download.n_entries, matched or 0)

    def _wait_for_turn(self) -> None:
        wait = self._next_request - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        self._next_request = time.monotonic() + self.patience.pause

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
