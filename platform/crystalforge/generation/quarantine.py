"""Shards of a generation that could not be made, with the reason: a record beside the plan, gone when all are made."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from crystalforge.errors import CrystalforgeError, StorageError
from crystalforge.files import read_record, storage_errors, write_json

logger = logging.getLogger(__name__)

QUARANTINE_RECORD = "quarantine.json"


def read_quarantine(folder: Path) -> dict[str, str]:
    """Reasons by file; none where the record is absent, or damaged: it only tells why a shard that is missing is."""
    path = folder / QUARANTINE_RECORD
    try:
        reasons = read_record(path, ()) if path.is_file() else {}
    except CrystalforgeError as error:
        logger.warning("event=quarantine_unreadable path=%s error=%r", path, str(error))
        return {}
    return {str(name): str(reason) for name, reason in reasons.items()}


def write_quarantine(folder: Path, reasons: Mapping[str, str]) -> None:
    """Keep these reasons and no others; without any there is no record."""
    path = folder / QUARANTINE_RECORD
    if not reasons:
        with storage_errors(path):
            path.unlink(missing_ok=True)
        return
    try:
        write_json(path, dict(reasons))
    except StorageError as error:  # the disk may be why they failed: the command that failed tells the reasons itself
        logger.warning("event=quarantine_not_written error=%r", str(error))
