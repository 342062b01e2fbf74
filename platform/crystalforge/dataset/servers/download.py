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
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

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
COMPRESSION_LEVEL = 6
SNAPSHOT = "snapshot-"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """One committed page.

    Attributes:
        number: its place, from 0.
        url: what was asked; no key is part of it.
        file: relative to the folder of the download.
        sha256: of the file.
        entries: crystals in it.
        matched: crystals that match in all, by the server; None where it does not say.
        fetched_at: UTC, ISO 8601.
    """

    number: int
    url: str
    file: str
    sha256: str
    entries: int
    matched: int | None
    fetched_at: str


@dataclass(frozen=True)
class DownloadRecord:
    """What a finished download is: ``download.json``, and ``origin`` in the manifest of a dataset made of it.

    Attributes:
        kind: ``optimade`` or ``materials_project``.
        given: as the user wrote it.
        name: of a dataset that is given none.
        endpoint: URL of the server.
        provider: who runs it.
        query: what was sent: the filter, or the parameters.
        limit: most crystals to fetch; None for all.
        matched: crystals that the server says match; None where it does not say.
        available: crystals that it has in all; None where it does not say.
        n_entries: crystals fetched.
        n_pages: in so many pages.
        api_version: of the protocol.
        database_version: of the data, where the server tells it.
        licence: of the crystals.
        attribution: whom to name.
        warnings: what the server, or we, had to say.
        begun_at: UTC, ISO 8601.
        finished_at: likewise.
        checksum: SHA-256 over the pages.
    """

    kind: str
    given: str
    name: str
    endpoint: str
    provider: str
    query: dict[str, Any]
    limit: int | None
    matched: int | None
    available: int | None
    n_entries: int
    n_pages: int
    api_version: str
    database_version: str
    licence: str
    attribution: str
    warnings: list[str] = field(default_factory=list)
    begun_at: str = ""
    finished_at: str = ""
    checksum: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


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
        write_bytes(path, gzip.compress(content, COMPRESSION_LEVEL, mtime=0))
        page = Page(number, url, name, sha256_of_file(path), *facts, utc_now())
        append_line(self.folder / PAGES_RECORD, asdict(page))
        self._pages[url] = page
        return page

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
