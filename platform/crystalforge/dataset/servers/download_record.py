"""What the records of a download say: a line for each page, and ``download.json`` for the whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


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
