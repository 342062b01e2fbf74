"""The queue of calculations as SQL sees it: the tables that its ledger last exported."""

from __future__ import annotations

import pyarrow as pa

from crystalforge.catalog.verification import ExpectedFile
from crystalforge.errors import DamagedFileError
from crystalforge.files import path_within, read_record
from crystalforge.home import VALIDATIONS_EXPORT, Home
from crystalforge.schemas.attempts import ATTEMPTS, VALIDATIONS

REPAIR = "Run `platform validate status` to export the ledger anew."
QUEUE_TABLES: dict[str, tuple[str, pa.Schema]] = {
    "attempt_files": ("attempts", ATTEMPTS),
    "validation_files": ("validations", VALIDATIONS),
}
"""Name of the view over the files → name of the table in the export, and its schema."""


def exported_queue(home: Home) -> dict[str, list[ExpectedFile]]:
    """Files of the last export, by the name of their view; none before the first.

    Files of the export before stay for minutes, so an export made meanwhile does no harm.

    Raises:
        DamagedFileError: the record does not parse, or names a file outside its folder.
    """
    record = home.validations / VALIDATIONS_EXPORT
    if not record.is_file():
        return {view: [] for view in QUEUE_TABLES}
    tables = read_record(record, ["tables"])["tables"]
    try:
        return {
            view: [
                ExpectedFile(
                    path_within(home.validations, tables[name]["file"], source=record),
                    tables[name]["sha256"],
                    tables[name]["bytes"],
                    f"Table {name} of the queue",
                    REPAIR,
                    tables[name]["schema"],
                )
            ]
            for view, (name, _) in QUEUE_TABLES.items()
        }
    except (KeyError, TypeError) as error:
        raise DamagedFileError(f"{record} is damaged: expected a file for each table ({error}). {REPAIR}") from error
