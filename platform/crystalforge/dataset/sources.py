"""Where crystals come from: the bundled set, a Parquet file, a CSV of CIFs, or a folder of CIF files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from crystalforge.dataset.cif_child import ParserLimits
from crystalforge.dataset.cif_parser import parse_cifs
from crystalforge.dataset.cif_records import cif_files, count_csv_rows, records_of_csv, records_of_folder
from crystalforge.dataset.crystal_columns import CrystalColumns, columns_of
from crystalforge.dataset.exclusion import Exclusion
from crystalforge.dataset.standard_parquet import read_standard_parquet
from crystalforge.errors import SourceError
from crystalforge.files import sha256_of_file

BUNDLED = "bundled"
BUNDLED_PATH = Path(__file__).parent / "bundled" / "materials.parquet"
MATERIALS_PROJECT = (
    "Materials Project (A. Jain et al., APL Materials 1, 011002 (2013)), CC-BY 4.0. "
    "See crystalforge/dataset/bundled/DATA_CARD.md."
)
NOT_STATED = "not stated: see the source"

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


@dataclass(frozen=True)
class Source:
    """An input of ``dataset build`` that exists and is of a known kind.

    Attributes:
        kind: how to read it.
        path: file or folder.
        given: what the user wrote.
    """

    kind: SourceKind
    path: Path
    given: str

    @property
    def licence(self) -> str:
        """Licence of the crystals."""
        return "CC-BY-4.0" if self.kind is SourceKind.BUNDLED else NOT_STATED

    @property
    def attribution(self) -> str:
        """Whom to name."""
        return MATERIALS_PROJECT if self.kind is SourceKind.BUNDLED else NOT_STATED

    @property
    def default_name(self) -> str:
        """Name of the dataset when none is given."""
        return BUNDLED if self.kind is SourceKind.BUNDLED else self.path.resolve().stem

    def checksum(self) -> str:
        """SHA-256 of the file, or of the names and checksums of the folder's CIF files."""
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
        return self._read_cifs(limits, progress)

    def _read_cifs(self, limits: ParserLimits, progress: Progress | None) -> tuple[CrystalColumns, list[Exclusion]]:
        if self.kind is SourceKind.CSV:
            total, records = count_csv_rows(self.path), records_of_csv(self.path, limits.cif_bytes)
        else:
            total, records = len(cif_files(self.path)), records_of_folder(self.path, limits.cif_bytes)
        parsed, exclusions = [], []
        for done, result in enumerate(parse_cifs(records, limits), start=1):
            if isinstance(result, Exclusion):
                exclusions.append(result)
            else:
                parsed.append(result)
            if progress is not None:
                progress(done, total)
        return columns_of(parsed), exclusions


_KIND_OF_SUFFIX = {".parquet": SourceKind.PARQUET, ".csv": SourceKind.CSV}


def open_source(given: str) -> Source:
    """Recognise a source.

    Args:
        given: ``bundled``, or the path of a Parquet file, a CSV or a folder of CIF files.

    Raises:
        SourceError: it does not exist or is of no known kind.
    """
    if given == BUNDLED:
        return Source(SourceKind.BUNDLED, BUNDLED_PATH, given)
    path = Path(given).expanduser()
    expected = f"expected '{BUNDLED}', a Parquet file, a CSV with a column of CIFs, or a folder of CIF files"
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
