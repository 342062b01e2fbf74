"""What was fetched from a server, as it was sent: pages on the disk, each committed by a line of ``pages.jsonl``.

    downloads/optimade-optimade.materialsproject.org-1a2b3c4d5e/
      snapshot-1/  pages.jsonl  download.json  pages/00000.json.gz …

``download.json`` is written last and commits the whole. A download without it is one that was interrupted: the same
request goes on with the next page.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from crystalforge.dataset.servers.download_record import DownloadRecord, Page
from crystalforge.errors import DamagedFileError
from crystalforge.files import (
    append_line,
    path_within,
    read_lines,
    read_record,
    sha256_of_file,
    storage_errors,
    utc_now,
    write_bytes,
    write_json,
)

DOWNLOAD_RECORD = "download.json"
PAGES_RECORD = "pages.jsonl"
WAY_RECORD = "way.json"
COMPRESSION_LEVEL = 6
SNAPSHOT = "snapshot-"
logger = logging.getLogger(__name__)


class StaleDownloadError(Exception):
    """Raised within a fetch and caught there: what is missing of a download no longer goes with what came before."""


class Download:
    """The pages of one request to a server, on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        lines = read_lines(folder / PAGES_RECORD)
        try:
            self._pages = {line["url"]: Page(**line) for line in lines}
        except (TypeError, KeyError) as error:
            raise DamagedFileError(
                f"{folder / PAGES_RECORD} is damaged: expected lines of pages ({error}). Remove {folder} to fetch anew."
            ) from error

    @property
    def pages(self) -> list[Page]:
        """Committed pages, in their order."""
        return sorted(self._pages.values(), key=lambda page: page.number)

    @property
    def n_entries(self) -> int:
        """Crystals fetched so far."""
        return sum(page.entries for page in self._pages.values())

    def content(self, url: str) -> bytes | None:
        """A page as it was sent; None where it is not there, or damaged, and must be fetched (again)."""
        page = self._pages.get(url)
        if page is None:
            return None
        try:
            return self._read(page)
        except DamagedFileError as error:
            logger.warning("page=%d event=fetched_again reason=%s", page.number, error)
            return None

    def add(self, url: str, content: bytes, facts: tuple[int, int | None]) -> Page:
        """Write a page and commit it.

        Args:
            url: what was asked.
            content: what came.
            facts: crystals in it, and crystals that match in all.
        """
        number = self._pages[url].number if url in self._pages else len(self._pages)
        name = f"pages/{number:05}.json.gz"
        path = path_within(self.folder, name, source=self.folder)
        packed = gzip.compress(content, COMPRESSION_LEVEL, mtime=0)
        write_bytes(path, packed)
        page = Page(number, url, name, hashlib.sha256(packed).hexdigest(), *facts, utc_now())
        append_line(self.folder / PAGES_RECORD, asdict(page))
        self._pages[url] = page
        return page

    def choose(self, way: int) -> None:
        """Note which way of asking the server took: pages of two ways overlap."""
        write_json(self.folder / WAY_RECORD, {"way": way})

    def chosen_way(self) -> int | None:
        """What ``choose`` noted; None where no page came yet."""
        path = self.folder / WAY_RECORD
        return int(read_record(path, ("way",))["way"]) if path.is_file() and self._pages else None

    def entries(self) -> Iterator[tuple[str, Any]]:
        """(name of the place, entry) of every page, in the order of the server.

        Raises:
            DamagedFileError: a page is not what its line says.
        """
        for page in self.pages:
            for place, entry in enumerate(json.loads(self._read(page))["data"], start=1):
                yield f"page {page.number + 1} entry {place}", entry

    def checksum(self) -> str:
        """SHA-256 over the checksums of the pages."""
        return hashlib.sha256("\n".join(page.sha256 for page in self.pages).encode()).hexdigest()

    def finish(self, record: DownloadRecord) -> None:
        """Commit the download as a whole."""
        write_json(self.folder / DOWNLOAD_RECORD, record.to_json())

    def record(self) -> DownloadRecord | None:
        """What ``finish`` wrote; None where the download is not done, or a page of it was lost since.

        Raises:
            DamagedFileError: the record is none.
        """
        path = self.folder / DOWNLOAD_RECORD
        if not path.is_file():
            return None
        names = [part.name for part in fields(DownloadRecord)]
        known = read_record(path, names)
        record = DownloadRecord(**{name: known[name] for name in names})
        for _, reason in self.damaged():
            logger.warning("download=%s event=fetched_again reason=%s", self.folder.name, reason)
            return None
        return record if record.checksum == self.checksum() else None

    def damaged(self) -> Iterator[tuple[Path, str]]:
        """(file, what is wrong) of every page that is not what its line says."""
        for page in self.pages:
            try:
                self._check(page)
            except DamagedFileError as error:
                yield self.folder / page.file, str(error)

    def describe(self) -> str:
        """What is there, as a sentence for messages."""
        if not self._pages:
            return "Nothing came yet."
        return f"{self.n_entries:,} crystals in {len(self._pages)} pages are kept in {self.folder}."

    def _path(self, page: Page) -> Path:
        return path_within(self.folder, page.file, source=self.folder / PAGES_RECORD)

    def _check(self, page: Page) -> Path:
        path = self._path(page)
        found = sha256_of_file(path) if path.is_file() else "none"
        if found != page.sha256:
            raise DamagedFileError(
                f"{path} is damaged: expected sha256 {page.sha256[:12]}…, found {found[:12]}…. "
                "Run the same `platform dataset build` again to fetch it again."
            )
        return path

    def _read(self, page: Page) -> bytes:
        path = self._check(page)
        with storage_errors(path):
            return gzip.decompress(path.read_bytes())


def snapshot_folder(request: Path, *, refresh: bool) -> Path:
    """Folder of the newest snapshot of a request, or of one more; earlier snapshots are left alone."""
    numbers = [
        int(path.name.removeprefix(SNAPSHOT))
        for path in request.glob(f"{SNAPSHOT}*")
        if path.name.removeprefix(SNAPSHOT).isdecimal()
    ]
    newest = max(numbers, default=0)
    return request / f"{SNAPSHOT}{newest + 1 if refresh or not numbers else newest}"
