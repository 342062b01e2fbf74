"""Crystals as a file: those that are named, or all that fit the filters."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from starlette.responses import Response

from crystalforge.catalog.output import OutputFormat, render_text
from crystalforge.crystals.rows import batch_from_table
from crystalforge.errors import UsageError
from crystalforge.explore.filters import Filters
from crystalforge.explore.live_catalog import LiveCatalog
from crystalforge.explore.parameters import MAX_NAMED, Parameter, one_of, read_filters, read_page, read_values
from crystalforge.explore.questions import Page, Question, count_question, export_command, rows_question
from crystalforge.export import ChosenCrystals, CrystalQuery, symmetrised_crystals
from crystalforge.export.choices import CellKind, FormatName
from crystalforge.export.entries import Entry, ase_atoms, entries_of
from crystalforge.export.formats import FORMATS as EXPORT_FORMATS

MAX_CRYSTALS = 5_000
"""Of one file; more are the work of a command, which writes while it goes."""
FIRST_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every entry of an archive, so that the same crystals give the same bytes."""


@dataclass(frozen=True)
class Format:
    """A kind of file."""

    suffix: str
    content_type: str
    write: Callable[[pa.Table], bytes]
    of_many: Format | None = None
    """What takes its place where there is more than one crystal."""


def download(catalog: LiveCatalog, pairs: Sequence[tuple[str, str]]) -> Response:
    """The file that a request asks for.

    Raises:
        UsageError: more crystals than a file may have, or none, or a parameter is wrong.
    """
    values = read_values(DOWNLOAD, pairs)
    names = [text for name, text in pairs if name == "id"]
    rows = _named(catalog, read_filters(pairs), names) if names else _fitting(catalog, pairs)
    kind = FORMATS[values.get("format", "cif")]
    kind = kind.of_many or kind if rows.num_rows > 1 else kind
    stem = (
        next(_entries(rows)).name.partition("_")[2]
        if rows.num_rows == 1
        else f"{rows.num_rows}-{rows['source'][0].as_py()}"
    )
    headers = {"content-disposition": f'attachment; filename="{stem}{kind.suffix}"'}
    return Response(kind.write(rows), media_type=kind.content_type, headers=headers)


def _named(catalog: LiveCatalog, filters: Filters, names: list[str]) -> pa.Table:
    if len(names) > MAX_NAMED:
        raise UsageError(f"{len(names)} crystals are named: expected at most {MAX_NAMED}. Use filters instead.")
    sql = "SELECT * FROM crystals WHERE source = $source AND source_id IN $names ORDER BY source_id, origin"
    rows = catalog.table(Question(sql, {"source": str(filters.source), "names": names}))
    found = set(rows["source_id"].to_pylist())
    missing = [name for name in names if name not in found]
    if missing:
        raise UsageError(f"No crystal {missing[0][:80]!r} among the {filters.source}: expected the source_id of a row.")
    return rows


def _fitting(catalog: LiveCatalog, pairs: Sequence[tuple[str, str]]) -> pa.Table:
    filters, page = read_filters(pairs), read_page(pairs)
    total = catalog.ask(count_question(filters))[0]["n"]
    if not total:
        raise UsageError("No crystal fits these filters: there is nothing to download.")
    if total > MAX_CRYSTALS:
        raise UsageError(
            f"{total:,} crystals fit: expected at most {MAX_CRYSTALS:,} in a download. Narrow the filters, or run: "
            + export_command(filters, page, catalog.home.path)
        )
    everything = Page(page.sort, page.descending, MAX_CRYSTALS)
    return catalog.table(rows_question(filters, everything, ("*",)))


def _entries(rows: pa.Table) -> Iterator[Entry]:
    crystals = list(symmetrised_crystals(batch_from_table(rows)))
    return entries_of(ChosenCrystals(CrystalQuery("crystals"), rows, crystals, {}))


def _texts(name: FormatName, rows: pa.Table) -> Iterator[tuple[str, str]]:
    """One text for each crystal: its name with suffix, and the text."""
    return EXPORT_FORMATS[name].texts(_entries(rows), CellKind.CONVENTIONAL)


def _one_text(name: FormatName) -> Callable[[pa.Table], bytes]:
    return lambda rows: "\n".join(text for _, text in _texts(name, rows)).encode()


def _archive(name: FormatName) -> Callable[[pa.Table], bytes]:
    """A ZIP of a file for each crystal; names sort as the rows do."""

    def write(rows: pa.Table) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, text in _texts(name, rows):
                archive.writestr(zipfile.ZipInfo(file, FIRST_DATE), text)
        return buffer.getvalue()

    return write


def _extxyz(rows: pa.Table) -> bytes:
    from ase.io.extxyz import write_xyz

    buffer = io.StringIO()
    write_xyz(buffer, [ase_atoms(entry, CellKind.CONVENTIONAL) for entry in _entries(rows)])
    return buffer.getvalue().encode()


def _csv(rows: pa.Table) -> bytes:
    return render_text(rows, OutputFormat.CSV).encode()


def _json(rows: pa.Table) -> bytes:
    return render_text(rows, OutputFormat.JSON).encode()


ZIP = "application/zip"
FORMATS = {
    "cif": Format(
        ".cif",
        "chemical/x-cif",
        _one_text(FormatName.CIF),
        Format("-cif.zip", ZIP, _archive(FormatName.CIF)),
    ),
    "poscar": Format(
        ".POSCAR.vasp",
        "text/plain; charset=utf-8",
        _one_text(FormatName.POSCAR),
        Format("-poscar.zip", ZIP, _archive(FormatName.POSCAR)),
    ),
    "extxyz": Format(".extxyz", "chemical/x-xyz", _extxyz),
    "csv": Format(".csv", "text/csv; charset=utf-8", _csv),
    "json": Format(".json", "application/json", _json),
}
DOWNLOAD = (
    Parameter(
        "format", one_of(FORMATS), f"One of {', '.join(FORMATS)}; several CIFs or POSCARs come as a ZIP", "extxyz"
    ),
)
