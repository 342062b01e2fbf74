"""What is asked of a server: which crystals, how many, how patiently; and the name under which they are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from crystalforge.dataset.filters import Filters
from crystalforge.dataset.servers import materials_project, optimade_providers
from crystalforge.dataset.servers.download import DOWNLOAD_RECORD, Download, snapshot_folder
from crystalforge.dataset.servers.optimade_filters import check_own_filter
from crystalforge.dataset.servers.patience import Patience
from crystalforge.errors import UsageError
from crystalforge.files import fingerprint, read_record
from crystalforge.home import Home

OPTIMADE = "optimade"
MATERIALS_PROJECT = "materials_project"
MATERIALS_PROJECT_SOURCE = "materials-project"
OPTIMADE_SOURCE = "optimade:"
REQUEST_RECORD = "request.json"
"""In the folder of a download: what was asked, and when it began."""


@dataclass(frozen=True)
class FetchOptions:
    """How to ask a server.

    Attributes:
        own_filter: in OPTIMADE's filter language, on top of what is asked otherwise.
        limit: most crystals to fetch; None for all.
        refresh: whether to fetch anew what an equal request fetched before.
        patience: how long to wait, and how often to ask.
    """

    own_filter: str | None = None
    limit: int | None = None
    refresh: bool = False
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True)
class Request:
    """What is asked of a server.

    Attributes:
        given: as the user wrote it.
        kind: ``optimade`` or ``materials_project``.
        filters: elements and stability.
        space_groups: numbers, ascending.
        options: how to ask.
    """

    given: str
    kind: str
    filters: Filters
    space_groups: tuple[int, ...]
    options: FetchOptions

    @classmethod
    def checked(cls, given: str, filters: Filters, space_groups: Sequence[int], options: FetchOptions) -> Self:
        """What is asked, once it is known to be possible; equal questions have equal folders.

        Raises:
            UsageError: the source, the filter or the limit is not possible.
        """
        return cls(given, checked_kind(given, options), filters, tuple(sorted(set(space_groups))), options)

    def to_json(self) -> dict[str, Any]:
        """What decides which crystals come."""
        return {
            "source": self.given.rstrip("/"),
            "endpoint": materials_project.endpoint() if self.kind == MATERIALS_PROJECT else None,
            "filters": self.filters.to_json(),
            "space_groups": list(self.space_groups),
            "own_filter": self.options.own_filter,
            "limit": self.options.limit,
        }

    @property
    def name(self) -> str:
        """Of the dataset, where none is given."""
        if self.kind == MATERIALS_PROJECT:
            return MATERIALS_PROJECT_SOURCE
        wanted = self.given.removeprefix(OPTIMADE_SOURCE)
        return f"optimade-{urlsplit(wanted).hostname or wanted}"

    @property
    def folder_name(self) -> str:
        """Of the download."""
        return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', self.name)}-{fingerprint(self.to_json())}"


def server_kind(given: str) -> str | None:
    """``optimade``, ``materials_project``, or None where a source is no server."""
    if given == MATERIALS_PROJECT_SOURCE:
        return MATERIALS_PROJECT
    return OPTIMADE if given.startswith(OPTIMADE_SOURCE) else None


def is_server(given: str) -> bool:
    """Whether a source is a server."""
    return server_kind(given) is not None


def checked_kind(given: str, options: FetchOptions) -> str:
    """Kind of a server, once what is asked of it is known to be possible.

    Raises:
        UsageError: the source, the filter or the limit is not possible.
    """
    kind = server_kind(given)
    wanted = given.removeprefix(OPTIMADE_SOURCE)
    parts = urlsplit(wanted)
    if kind is None or not wanted or (":" in wanted and parts.scheme not in ("http", "https")):
        raise UsageError(f"The source {given!r} is no server: expected one as {optimade_providers.EXAMPLES}.")
    if parts.username or parts.password:
        raise UsageError("A URL with a user or a password would be written into records: expected one without.")
    if kind != OPTIMADE and options.own_filter:
        raise UsageError("--filter is OPTIMADE's language: it goes with optimade:… only.")
    if options.limit is not None and options.limit < 1:
        raise UsageError(f"The most crystals to fetch must be 1 or more, got {options.limit}.")
    check_own_filter(options.own_filter)
    return kind


def unfinished_downloads(home: Home) -> Iterator[tuple[str, str, Download]]:
    """(source, time when it began, pages) of each request whose newest download was interrupted."""
    for place in sorted(home.downloads.glob("*")):
        folder = snapshot_folder(place, refresh=False)
        if (folder / REQUEST_RECORD).is_file() and not (folder / DOWNLOAD_RECORD).is_file():
            begun = read_record(folder / REQUEST_RECORD, ("request", "begun_at"))
            yield str(begun["request"].get("source")), str(begun["begun_at"]), Download(folder)
