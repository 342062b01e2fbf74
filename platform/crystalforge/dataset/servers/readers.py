"""Which reader makes crystals of the entries of a download."""

from __future__ import annotations

import functools

from crystalforge.dataset.servers import materials_project, optimade
from crystalforge.dataset.servers.download_record import DownloadRecord
from crystalforge.dataset.servers.entries import Reader
from crystalforge.dataset.servers.optimade_filters import ServerFields
from crystalforge.dataset.servers.request import MATERIALS_PROJECT


def reader_of(record: DownloadRecord) -> Reader:
    """How to read the entries of a download."""
    if record.kind == MATERIALS_PROJECT:
        return materials_project.read_entry
    return functools.partial(optimade.read_entry, ServerFields(**record.query["fields"]))
