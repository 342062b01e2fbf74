"""Has anything been committed since? Told from the files that commit, without reading them."""

from __future__ import annotations

import os

from crystalforge.catalog.shards import MANIFEST_NAME
from crystalforge.files import storage_errors
from crystalforge.home import DATASET_RECORD, GENERATION_RECORD, VALIDATIONS_EXPORT, Home

CommittedState = frozenset[tuple[str, int, int, int]]
"""Path, size (bytes), time of change (ns) and inode of each file that commits."""


def committed_state(home: Home) -> CommittedState:
    """What `open_catalog` would read now; two equal ones are of the same rows.

    Every commit adds a line to a manifest or puts a file in the place of another, so a glance at each is enough.
    """
    patterns = (
        (home.datasets, f"*/{DATASET_RECORD}"),
        (home.generations, f"*/{GENERATION_RECORD}"),
        (home.generations, f"*/{MANIFEST_NAME}"),
        (home.screenings, f"*/{MANIFEST_NAME}"),
        (home.validations, VALIDATIONS_EXPORT),
    )
    with storage_errors(home.path):
        found = [path for folder, pattern in patterns for path in folder.glob(pattern)]
        return frozenset((str(path), *_state(path.stat())) for path in found)


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino
