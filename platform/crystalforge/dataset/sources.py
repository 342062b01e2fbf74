"""Where crystals come from: the bundled set, a Parquet file, a CSV of CIFs, a folder of CIF files, or a server."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from crystalforge.dataset.attribution import CC_BY_4, MATERIALS_PROJECT_CITATION, NOT_STATED
from crystalforge.dataset.cif_child import ParserLimits
from crystalforge.dataset.cif_parser import CrystalRecord, parse_crystals
from crystalforge.dataset.cif_records import cif_files, count_csv_rows, records_of_csv, records_of_folder
from crystalforge.dataset.crystal_columns import CrystalColumns, columns_of
from crystalforge.dataset.exclusion import Exclusion
from crystalforge.dataset.servers import Download, DownloadRecord, is_server, reader_of, records_of
from crystalforge.dataset.standard_parquet import read_standard_parquet
from crystalforge.errors import SourceError
from crystalforge.files import sha256_of_file

BUNDLED = "bundled"
BUNDLED_PATH = Path(__file__).parent / "bundled" / "materials.parquet"
BUNDLED_ATTRIBUTION = f"{MATERIALS_PROJECT_CITATION}. See crystalforge/dataset/bundled/DATA_CARD.md."

Progress = Callable[[int, int], None]
"""Called with (inputs done, inputs in all)."""


class SourceKind(StrEnum):
    """What a source is."""

    BUNDLED = "bundled"
    """The crystals of the Materials Project that the package carries."""
    PARQUET = "parquet"
    """A Parquet file of standardised crystals."""
    CSV = "csv"
    """A CSV with a column ``cif``, as the MP-20 benchmark has it."""
    CIF_FOLDER = "cif_folder"
    """A folder of CIF files."""
    OPTIMADE = "optimade"
    """Pages that an OPTIMADE server sent."""
    MATERIALS_PROJECT = "materials_project"
    """Pages that the Materials Project sent."""


@dataclass(frozen=True)
class Source:
    """An input of ``dataset build`` that exists and is of a known kind.

    Attributes:
        kind: how to read it.
        path: file or folder.
        given: what the user wrote.
        licence: of the crystals.
        attribution: whom to name.
        record: of the download, where a server sent the crystals.
    """

    kind: SourceKind
    path: Path
    given: str
    licence: str = NOT_STATED
    attribution: str = NOT_STATED
    record: DownloadRecord | None = None

    @property
    def default_name(self) -> str:
        """Name of the dataset when none is given."""
        if self.record is not None:
            return self.record.name
        return BUNDLED if self.kind is SourceKind.BUNDLED else self.path.resolve().stem

    def checksum(self) -> str:
        """SHA-256 of the file, of the names and checksums of the folder's CIF files, or of a download's pages."""
        if self.record is not None:
            return self.record.checksum
        if self.kind is not SourceKind.CIF_FOLDER:
            return sha256_of_file(self.path)
        digest = hashlib.sha256()
        for file in cif_files(self.path):
            name = file.relative_to(self.path).as_posix()
            digest.update(f"{name}\0{sha256_of_file(file)}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()

    def read(self, limits: ParserLimits, progress: Progress | None = None) -> tuple[CrystalColumns, list[Exclusion]]:
        """Standardised crystals, and the inputs that could not be read as such.

        Raises:
            SourceError: the source is empty, or not what its name says.
        """
        if self.kind in (SourceKind.BUNDLED, SourceKind.PARQUET):
            columns, exclusions = read_standard_parquet(self.path)
            if progress is not None:
                total = len(columns) + len(exclusions)
                progress(total, total)
            return columns, exclusions
        total, records = self._records(limits)
        parsed, exclusions = [], []
        for done, result in enumerate(parse_crystals(records, limits), start=1):
            if isinstance(result, Exclusion):
                exclusions.append(result)
            else:
                parsed.append(result)
            if progress is not None:
                progress(done, total)
        return columns_of(parsed), exclusions

    def _records(self, limits: ParserLimits) -> tuple[int, Iterable[CrystalRecord | Exclusion]]:
        """How many inputs there are, and each of them."""
        if self.record is not None:
            total = min(self.record.n_entries, self.record.limit or self.record.n_entries)
            return total, records_of(Download(self.path), reader_of(self.record), self.record.limit)
        if self.kind is SourceKind.CSV:
            return count_csv_rows(self.path), records_of_csv(self.path, limits.cif_bytes)
        return len(cif_files(self.path)), records_of_folder(self.path, limits.cif_bytes)


_KIND_OF_SUFFIX = {".parquet": SourceKind.PARQUET, ".csv": SourceKind.CSV}


def open_source(given: str) -> Source:
    """Recognise a source.

    Args:
        given: ``bundled``, or the path of a Parquet file, a CSV or a folder of CIF files.

    Raises:
        SourceError: it does not exist or is of no known kind.
    """
    if is_server(given):
        raise SourceError(
            f"{given} is a server: expected crystals on this machine. Build a dataset of it by "
            f"`platform dataset build {given}` first."
        )
    if given == BUNDLED:
        return Source(SourceKind.BUNDLED, BUNDLED_PATH, given, CC_BY_4, BUNDLED_ATTRIBUTION)
    path = Path(given).expanduser()
    expected = (
        f"expected '{BUNDLED}', a Parquet file, a CSV with a column of CIFs, a folder of CIF files, "
        "'materials-project', or 'optimade:' with a URL or a provider"
    )
    if not path.exists():
        raise SourceError(f"The source {given} does not exist: {expected}.")
    if path.is_dir():
        return Source(SourceKind.CIF_FOLDER, path, given)
    kind = _KIND_OF_SUFFIX.get(path.suffix.lower())
    if kind is None or not path.is_file():
        raise SourceError(
            f"The source {given} is of an unknown kind: {expected} (*.parquet, *.csv). Rename or convert it."
        )
    return Source(kind, path, given)


def downloaded_source(download: Download, record: DownloadRecord) -> Source:
    """What a server sent, as a source."""
    kind = SourceKind(record.kind)
    return Source(kind, download.folder, record.given, record.licence, record.attribution, record)
