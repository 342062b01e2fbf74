"""CIFs one by one, from a CSV with a ``cif`` column (the MP-20 format) or from a folder of files."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from crystalforge.dataset.cif_parser import CifRecord
from crystalforge.dataset.exclusion import Exclusion, ExclusionReason
from crystalforge.errors import SourceError
from crystalforge.files import storage_errors

CIF_COLUMN = "cif"
ID_COLUMNS = ("material_id", "id")
PROPERTY_COLUMNS = {
    "formation_energy_per_atom": ("formation_energy_per_atom",),
    "energy_above_hull": ("e_above_hull", "energy_above_hull"),
    "band_gap": ("band_gap",),
}
"""Name in ``materials`` → names that CSV files use."""
CIF_PATTERNS = (".cif", ".mcif")
LONGEST_FIELD = 16 * 2**20
"""Characters of a line or a field of a CSV, above which the file is refused: a gigabyte without a line break would be
held in memory, four bytes a character."""


def cif_files(folder: Path) -> list[Path]:
    """CIF files of a folder and its subfolders, by name; links out of it are not followed.

    Raises:
        SourceError: there is none.
    """
    with storage_errors(folder):
        files = sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in CIF_PATTERNS and path.is_file() and not path.is_symlink()
        )
    if not files:
        raise SourceError(f"{folder} holds no CIF files: expected at least one file named *.cif.")
    return files


def records_of_folder(folder: Path, longest: int) -> Iterator[CifRecord | Exclusion]:
    """One record per CIF file; its name without the suffix is the identifier.

    Args:
        folder: the source.
        longest: bytes above which a file is left out unread.
    """
    for path in cif_files(folder):
        name = path.relative_to(folder).as_posix()
        with storage_errors(path):
            size = path.stat().st_size
            content = path.read_bytes() if size <= longest else b""
        if size > longest:
            yield _too_large(name, size, longest)
        else:
            yield CifRecord(name, path.relative_to(folder).with_suffix("").as_posix(), _decode(content))


def _decode(content: bytes) -> str:
    """UTF-8, or else Latin-1: what a CIF says of the crystal is ASCII, an author's name need not be."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _too_large(name: str, size: int, longest: int) -> Exclusion:
    return Exclusion(name, ExclusionReason.TOO_LARGE, f"expected a CIF of at most {longest} bytes, found {size}")


def count_csv_rows(path: Path) -> int:
    """Rows of a CSV, checking its header.

    Raises:
        SourceError: no ``cif`` column, no rows, or not CSV.
    """
    n_rows = sum(1 for _ in _rows(path))
    if n_rows == 0:
        raise SourceError(f"{path} is empty: expected at least one crystal, found a header and 0 rows.")
    return n_rows


def records_of_csv(path: Path, longest: int) -> Iterator[CifRecord | Exclusion]:
    """One record per row; the input is named by the file, the row from 1 and the identifier, if there is one.

    Args:
        path: the source.
        longest: bytes above which a CIF is left out.
    """
    for number, row in enumerate(_rows(path), start=1):
        material_id = next((row[column] for column in ID_COLUMNS if row.get(column)), "")
        name = f"{path.name} row {number}" + (f" ({material_id})" if material_id else "")
        cif = row.get(CIF_COLUMN) or ""
        if len(cif) > longest:
            yield _too_large(name, len(cif), longest)
        else:
            properties = {key: _number(row, columns) for key, columns in PROPERTY_COLUMNS.items()}
            yield CifRecord(name, material_id or f"row-{number}", cif, properties)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    csv.field_size_limit(LONGEST_FIELD)
    with storage_errors(path), path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        reader = csv.DictReader(_lines(path, stream))
        try:
            names = reader.fieldnames or []
            if CIF_COLUMN not in names:
                raise SourceError(
                    f"{path} lacks the column {CIF_COLUMN}: expected a CSV in UTF-8 with a column of CIF texts, "
                    f"found the columns {', '.join(names)[:300] or 'none'}."
                )
            yield from reader
        except csv.Error as error:
            raise SourceError(f"{path} line {reader.line_num} is not CSV: {error}.") from error


def _lines(path: Path, stream: TextIO) -> Iterator[str]:
    number = 0
    while line := stream.readline(LONGEST_FIELD + 1):
        number += 1
        if len(line) > LONGEST_FIELD:
            raise SourceError(
                f"{path} line {number} is too long: expected a CSV of CIF texts with at most {LONGEST_FIELD:,} "
                "characters in a line. Leave that row out."
            )
        yield line


def _number(row: dict[str, str], columns: tuple[str, ...]) -> float | None:
    for column in columns:
        try:
            value = float(row.get(column) or "nan")
        except ValueError:
            continue
        if math.isfinite(value):
            return value
    return None
