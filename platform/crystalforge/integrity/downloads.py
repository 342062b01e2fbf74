"""What was fetched from servers, against the lines that committed it."""

from __future__ import annotations

from pathlib import Path

from crystalforge.dataset.servers import Download
from crystalforge.errors import CrystalforgeError
from crystalforge.integrity.findings import Kind, Report


def verify_download(report: Report, folder: Path) -> None:
    """Check every page of every snapshot of a request to a server."""
    report.counts["downloads"] += 1
    for snapshot in sorted(path for path in folder.iterdir() if path.is_dir()):
        try:
            download = Download(snapshot)
            damaged = list(download.damaged())
            download.record()
        except CrystalforgeError as error:
            report.add(Kind.RECORD, snapshot, str(error))
            continue
        for path, message in damaged:
            report.add(Kind.DAMAGED if path.is_file() else Kind.MISSING, path, message)
        report.counts["pages"] += len(download.pages)
