"""A whole home against what its records promise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from crystalforge.catalog.shards import MANIFEST_NAME
from crystalforge.home import DATASET_RECORD, GENERATION_RECORD, TRAINING_RECORD, Home
from crystalforge.integrity.calculations import verify_queue
from crystalforge.integrity.datasets import verify_dataset
from crystalforge.integrity.downloads import verify_download
from crystalforge.integrity.findings import Kind, Report
from crystalforge.integrity.generations import verify_generation
from crystalforge.integrity.screenings import verify_screening
from crystalforge.integrity.trainings import verify_training
from crystalforge.screening.plan import SCREENING_RECORD

DEFAULT_REMAKE = 1
FIRST_SNAPSHOT = "snapshot-1"
"""In the folder of every download that was begun."""
LINKED = "Expected a folder, found a link, which no command follows. Put the folder itself in its place."


def verify_home(
    home: Home, *, remake: int = DEFAULT_REMAKE, on_part: Callable[[str, int, int], object] | None = None
) -> Report:
    """Look at every file that a record of the home names; nothing is written.

    Every file is hashed, whatever was verified before: the catalog's memory of sound files is not asked.

    Args:
        home: the home; an absent one is sound.
        remake: shards of each generation to draw again from their seeds.
        on_part: told of each dataset, training, generation and so on as it is begun, with its place and their number.
    """
    report = Report(home.path)
    parts: list[tuple[Path, Callable[[], None]]] = [
        *((folder, _later(verify_download, report, folder)) for folder in _folders(home.downloads, FIRST_SNAPSHOT)),
        *((folder, _later(verify_dataset, report, folder)) for folder in _folders(home.datasets, DATASET_RECORD)),
        *((folder, _later(verify_training, report, folder)) for folder in _folders(home.trainings, TRAINING_RECORD)),
        *(
            (folder, _later(verify_generation, report, home, folder, remake=remake))
            for folder in _folders(home.generations, GENERATION_RECORD, MANIFEST_NAME)
        ),
        *((folder, _later(verify_screening, report, folder)) for folder in _folders(home.screenings, SCREENING_RECORD)),
        *((folder, _later(verify_queue, report, home)) for folder in [home.validations] if folder.is_dir()),
    ]
    for place, (folder, verify) in enumerate(parts, start=1):
        if on_part:
            on_part(folder.name, place, len(parts))
        if folder.is_symlink() and folder.parent != home.path:
            report.add(Kind.RECORD, folder, LINKED)
        else:
            verify()
    return report


def _later(function: Callable[..., None], *arguments: object, **options: object) -> Callable[[], None]:
    return lambda: function(*arguments, **options)


def _folders(parent: Path, *records: str) -> list[Path]:
    """Folders that hold one of the committing records, even a damaged one."""
    if not parent.is_dir():
        return []
    return [
        folder
        for folder in sorted(parent.iterdir())
        if folder.is_dir() and any((folder / record).exists() for record in records)
    ]
