"""What a build would read and make: looked up on this machine, without a question to a server and without writing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from crystalforge.dataset.build import request_of, source_here
from crystalforge.dataset.build_request import BuildRequest, as_name, check_name, check_space_groups
from crystalforge.dataset.cif_records import cif_files, count_csv_rows
from crystalforge.dataset.servers import Download, is_server
from crystalforge.dataset.servers.download import snapshot_folder
from crystalforge.dataset.servers.request import Request
from crystalforge.dataset.sources import Source, SourceKind, downloaded_source
from crystalforge.dataset.store import list_datasets
from crystalforge.errors import SourceError
from crystalforge.files import storage_errors
from crystalforge.home import Home


@dataclass(frozen=True)
class BuildPlan:
    """What a build would do.

    Attributes:
        name: of the dataset.
        kind: of the source.
        space_groups: those to keep.
        inputs: crystals that would be read; None where a server has not yet said how many it has.
        fetched: of these, crystals of a server that lie here already; None for other sources.
        is_fetched: whether nothing is left to fetch.
        existing: identifier of the dataset that the same request built before.
    """

    name: str
    kind: str
    space_groups: list[int]
    inputs: int | None
    fetched: int | None = None
    is_fetched: bool = True
    existing: str | None = None


def plan_build(home: Home, asked: BuildRequest) -> BuildPlan:
    """Look up what a build would do.

    Raises:
        SourceError: the source cannot be used.
        UsageError: the name or a space group is not possible.
    """
    groups = check_space_groups(asked.space_groups)
    check_name(asked.name or "dataset")
    if not is_server(asked.source):
        return _of_source(home, asked, source_here(asked), groups)
    options = asked.fetching
    request = Request.checked(asked.source, asked.filters, groups, options)
    download = Download(snapshot_folder(home.downloads / request.folder_name, refresh=options.refresh))
    record = download.record()
    if record is not None:
        return _of_source(home, asked, downloaded_source(download, record), groups)
    matched = download.pages[0].matched if download.pages else None
    inputs = options.limit if matched is None else min(matched, options.limit or matched)
    name = check_name(asked.name or as_name(request.name))
    return BuildPlan(name, request.kind, groups, inputs, download.n_entries, is_fetched=False)


def _of_source(home: Home, asked: BuildRequest, source: Source, groups: list[int]) -> BuildPlan:
    name = check_name(asked.name or as_name(source.default_name))
    request = request_of(asked, source, source.checksum(), name, groups)
    existing = next((found.dataset_id for found in list_datasets(home) if found.request == request), None)
    inputs = _count(source)
    return BuildPlan(name, str(source.kind), groups, inputs, inputs if source.record else None, existing=existing)


def _count(source: Source) -> int:
    if source.record is not None:
        return source.record.n_entries
    if source.kind is SourceKind.CSV:
        return count_csv_rows(source.path)
    if source.kind is SourceKind.CIF_FOLDER:
        return len(cif_files(source.path))
    return _count_rows(source.path)


def _count_rows(path: Path) -> int:
    with storage_errors(path):
        try:
            with pq.ParquetFile(path) as file:
                return int(file.metadata.num_rows)
        except (ValueError, OSError) as error:
            raise SourceError(f"The source {path} is not Parquet: {error}.") from error
