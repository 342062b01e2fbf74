"""Fetch crystals from a server into the home, or find what an equal request fetched before."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from crystalforge.dataset.attribution import CC_BY_4, MATERIALS_PROJECT_CITATION, NOT_STATED
from crystalforge.dataset.filters import Filters
from crystalforge.dataset.servers import materials_project, optimade, optimade_providers
from crystalforge.dataset.servers.download import Download, StaleDownloadError, snapshot_folder
from crystalforge.dataset.servers.download_record import DownloadRecord
from crystalforge.dataset.servers.optimade_client import base_url
from crystalforge.dataset.servers.optimade_filters import ServerFields
from crystalforge.dataset.servers.optimade_info import read_info
from crystalforge.dataset.servers.request import (
    MATERIALS_PROJECT,
    OPTIMADE,
    OPTIMADE_SOURCE,
    REQUEST_RECORD,
    FetchOptions,
    Request,
)
from crystalforge.dataset.servers.transport import Transport
from crystalforge.errors import SourceError
from crystalforge.files import read_record, utc_now, write_json
from crystalforge.home import Home
from crystalforge.locks import exclusive

Progress = Callable[[int, int], None]
logger = logging.getLogger(__name__)


def fetch(
    home: Home,
    given: str,
    filters: Filters,
    space_groups: Sequence[int],
    options: FetchOptions,
    progress: Progress | None = None,
) -> tuple[Download, DownloadRecord]:
    """Fetch what is asked, going on where an equal request was interrupted.

    Args:
        home: where downloads lie.
        given: ``materials-project``, ``optimade:URL`` or ``optimade:PROVIDER``.
        filters: elements and stability.
        space_groups: numbers.
        options: how to ask.
        progress: called with (crystals so far, crystals in all or 0).

    Raises:
        UsageError: the source, the filter or the key is not possible.
        SourceError: the server does not answer as it should; what came is kept.
        MissingDependencyError: its client is not installed.
        BusyError: another process fetches the same.
    """
    request = Request.checked(given, filters, space_groups, options)
    place = home.downloads / request.folder_name
    with exclusive(place, f"The download {place.name}"):
        download = Download(snapshot_folder(place, refresh=False))
        record = download.record()
        if record is not None and not options.refresh:
            logger.info("download=%s entries=%d event=exists", place.name, record.n_entries)
            return download, record
        if record is not None:
            download = Download(snapshot_folder(place, refresh=True))
        progress, fetcher = _within(progress, options.limit), _FETCHERS[request.kind]
        is_resumed = download.n_entries > 0
        try:
            return download, fetcher(request, download, progress)
        except StaleDownloadError as stale:
            if not is_resumed:
                raise SourceError(f"{stale} {download.describe()}") from stale
            logger.warning("download=%s event=begun_anew reason=%s", place.name, stale)
        download = Download(snapshot_folder(place, refresh=True))
        try:
            return download, fetcher(request, download, progress)
        except StaleDownloadError as stale:
            raise SourceError(f"{stale} {download.describe()}") from stale


def _within(progress: Progress | None, limit: int | None) -> Progress | None:
    """Progress that ends at the limit, though a page may bring more."""
    if progress is None or limit is None:
        return progress
    return lambda done, total: progress(min(done, limit), min(total, limit))


def _fetch_optimade(request: Request, download: Download, progress: Progress | None) -> DownloadRecord:
    wanted = request.given.removeprefix(OPTIMADE_SOURCE)
    url = base_url(wanted if "://" in wanted else optimade_providers.server_of(wanted))
    transport = Transport(download, optimade.is_page, request.options.patience, progress)
    info = read_info(transport, url)
    begun = _begin(request, download, url, info.database_version)
    fetched = optimade.fetch_structures(
        transport,
        url,
        info.fields,
        request.filters,
        request.space_groups,
        request.options.own_filter,
        request.options.limit,
    )
    is_materials_project = info.prefix == "mp"
    whom = MATERIALS_PROJECT_CITATION if is_materials_project else f"{info.provider} {info.homepage}".strip()
    stated = ", ".join(info.licences) or (CC_BY_4 if is_materials_project else info.licence_page)
    record = DownloadRecord(
        kind=OPTIMADE,
        given=request.given,
        name=request.name,
        endpoint=url,
        provider=info.provider,
        query={"filter": fetched.filter, "not_sent": fetched.not_sent, "fields": _fields_json(info.fields)},
        limit=request.options.limit,
        matched=fetched.matched,
        available=fetched.available,
        n_entries=download.n_entries,
        n_pages=len(download.pages),
        api_version=info.api_version,
        database_version=info.database_version,
        licence=stated or NOT_STATED,
        attribution=f"{whom}, through its OPTIMADE endpoint {url}, {begun[:10]}",
        warnings=fetched.warnings,
        begun_at=begun,
    )
    return _finish(download, record)


def _fields_json(names: ServerFields) -> dict[str, Any]:
    return {
        "space_group_numbers": list(names.space_group_numbers),
        "numbers": dict(names.numbers),
        "nested": names.nested,
    }


def _fetch_materials_project(request: Request, download: Download, progress: Progress | None) -> DownloadRecord:
    key, url = materials_project.api_key(), materials_project.endpoint()
    transport = Transport(download, materials_project.is_page, request.options.patience, progress)
    client = materials_project.connect(transport, url, key)
    version = str(client.db_version or "")
    begun = _begin(request, download, url, version)
    materials_project.fetch_summaries(
        transport, url, client, request.filters, request.space_groups, request.options.limit
    )
    first_pages = [page for page in download.pages if "_skip=" not in page.url]
    record = DownloadRecord(
        kind=MATERIALS_PROJECT,
        given=request.given,
        name=request.name,
        endpoint=url,
        provider="Materials Project",
        query=materials_project.parameters(request.filters) | {"spacegroup_number": list(request.space_groups)},
        limit=request.options.limit,
        matched=sum(page.matched or 0 for page in first_pages),
        available=None,
        n_entries=download.n_entries,
        n_pages=len(download.pages),
        api_version="",
        database_version=version,
        licence=materials_project.LICENCE,
        attribution=f"{materials_project.ATTRIBUTION}, database version {version or 'unknown'}, {begun[:10]}",
        begun_at=begun,
    )
    return _finish(download, record)


_FETCHERS = {OPTIMADE: _fetch_optimade, MATERIALS_PROJECT: _fetch_materials_project}


def _begin(request: Request, download: Download, url: str, version: str) -> str:
    """Note what is asked, and when it began.

    Raises:
        StaleDownloadError: the server has another version of its data now.
    """
    path = download.folder / REQUEST_RECORD
    if not path.is_file():
        begun = {"request": request.to_json(), "endpoint": url, "database_version": version, "begun_at": utc_now()}
        write_json(path, begun)
        return str(begun["begun_at"])
    begun = read_record(path, ("database_version", "begun_at"))
    if begun["database_version"] != version and download.n_entries:
        raise StaleDownloadError(
            f"The data on {url} changed: version {begun['database_version']!r} then, {version!r} now."
        )
    logger.info("event=resume entries=%d begun_at=%s", download.n_entries, begun["begun_at"])
    return str(begun["begun_at"])


def _finish(download: Download, record: DownloadRecord) -> DownloadRecord:
    if not record.n_entries:
        raise SourceError(
            f"{record.endpoint} has no crystal of what was asked: {record.query}. "
            "Ask for more elements, space groups or a higher energy above hull."
        )
    expected = min(record.matched or 0, record.limit or record.matched or 0)
    if record.n_entries < expected:
        lacking = f"The server says that {expected:,} crystals match, and gave {record.n_entries:,}."
        logger.warning("endpoint=%s %s", record.endpoint, lacking)
        record.warnings.append(lacking)
    whole = replace(record, finished_at=utc_now(), checksum=download.checksum())
    download.finish(whole)
    return whole
