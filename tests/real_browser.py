"""A real browser, Debian's Chromium, driven by Playwright: what a page showed, said in its console, and asked for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SOFTWARE_WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
"""WebGL without a graphics card."""
PATIENCE_MS = 20_000
NO_BROWSER = "no browser"
"""Begins the reason of a test that was skipped for want of one."""


@dataclass
class Watched:
    """A page and everything that went wrong on it or left this machine."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console, errors that nothing caught, requests that failed."""
    foreign: list[str] = field(default_factory=list)
    """Addresses asked for that are not of this machine."""

    def assert_clean(self) -> None:
        """Nothing was complained of, and no network was asked."""
        assert (self.complaints, self.foreign) == ([], [])


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser of its own; without one the test is skipped and says so."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"{NO_BROWSER}: expected one of {', '.join(PROGRAMS)}")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    options = [*SOFTWARE_WEBGL, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=options)
        try:
            yield opened
        finally:
            opened.close()


def watched_page(opened: Browser, **options: Any) -> Watched:
    """A new page that is watched from its first request on; options as ``Browser.new_page`` has them."""
    watched = Watched(opened.new_page(**options))
    watched.page.set_default_timeout(PATIENCE_MS)
    watched.page.on("console", lambda said: _note(watched, said.type, said.text))
    watched.page.on("pageerror", lambda error: watched.complaints.append(f"uncaught: {error}"))
    watched.page.on("requestfailed", lambda request: _note_failure(watched, request))
    watched.page.on("request", lambda request: _note_address(watched, request.url))
    return watched


def _note(watched: Watched, kind: str, text: str) -> None:
    if kind in ("error", "warning") and "GPU stall due to ReadPixels" not in text:  # of the software's WebGL
        watched.complaints.append(f"{kind}: {text}")


def _note_failure(watched: Watched, request: Any) -> None:
    if request.failure != "net::ERR_ABORTED":  # a newer question of the page made it void
        watched.complaints.append(f"failed: {request.url} {request.failure}")


def _note_address(watched: Watched, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("data", "blob", "file") and parts.hostname not in ("127.0.0.1", "localhost"):
        watched.foreign.append(url)
