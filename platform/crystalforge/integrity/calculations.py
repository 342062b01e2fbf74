"""The queue of calculations as it was last exported: the tables that SQL reads."""

from __future__ import annotations

from crystalforge.catalog.validations import QUEUE_TABLES, exported_queue
from crystalforge.errors import CrystalforgeError
from crystalforge.home import VALIDATIONS_EXPORT, Home
from crystalforge.integrity.files import check_table
from crystalforge.integrity.findings import Kind, Report


def verify_queue(report: Report, home: Home) -> None:
    """Check every table of the last export; a home without one has nothing to check."""
    try:
        exported = exported_queue(home)
    except CrystalforgeError as error:
        report.add(Kind.RECORD, home.validations / VALIDATIONS_EXPORT, str(error))
        return
    for view, files in exported.items():
        for file in files:
            record = {"sha256": file.sha256, "bytes": file.bytes, "schema": file.schema}
            check_table(report, file.path, record, QUEUE_TABLES[view][1], repair=file.repair)
            report.counts["queue tables"] += 1
