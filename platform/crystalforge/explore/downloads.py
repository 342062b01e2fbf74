"""Crystals as a file: those that are named, or all that fit the filters."""

from __future__ import annotations

import io
import shlex
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from starlette.responses import Response

from crystalforge.catalog.output import OutputFormat, render_text
from crystalforge.crystals.structures import to_atoms
from crystalforge.errors import UsageError
from crystalforge.explore.filters import Filters
from crystalforge.explore.live_catalog import LiveCatalog
from crystalforge.explore.parameters import MAX_NAMED, Parameter, one_of, read_filters, read_page, read_values
from crystalforge.explore.questions import Page, Question, copied_sql, count_question, rows_question
from crystalforge.export import cif_text

MAX_CRYSTALS = 5_000
"""Of one file; more are the work of a command, which writes while it goes."""
PROPERTIES = (
    "crystal_id",
    "source_id",
    "origin",
    "energy_above_hull",
    "formation_energy_per_atom",
    "energy_from",
    "computed_energy_above_hull",
    "computed_by",
    "density",
    "volume_per_atom",
)
"""Columns that a CIF and an extended XYZ carry."""
FIRST_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every entry of an archive, so that the same crystals give the same bytes."""


@dataclass(frozen=True)
class Format:
    """A kind of file."""

    suffix: str
    content_type: str
    write: Callable[[pa.Table], bytes]


def download(catalog: LiveCatalog, pairs: Sequence[tuple[str, str]]) -> Response:
    """The file that a request asks for.

    Raises:
        UsageError: more crystals than a file may have, or none, or a parameter is wrong.
    """
    values = read_values(DOWNLOAD, pairs)
    names = [text for name, text in pairs if name == "id"]
    rows = _named(catalog, read_filters(pairs), names) if names else _fitting(catalog, pairs)
    kind = FORMATS[values["format"]] if "format" in values else FORMATS["cif"]
    if kind is FORMATS["cif"] and rows.num_rows > 1:
        kind = ARCHIVE
    (first,) = rows.slice(0, 1).to_pylist()
    stem = file_stem(first) if rows.num_rows == 1 else f"{rows.num_rows}-{first['source']}"
    headers = {"content-disposition": f'attachment; filename="{stem}{kind.suffix}"'}
    return Response(kind.write(rows), media_type=kind.content_type, headers=headers)


def file_stem(row: dict[str, Any]) -> str:
    """Formula, space group and first digits of the crystal: characters that every file system takes."""
    return f"{row['formula']}-{row['space_group_number']}-{row['crystal_id'][-12:]}"


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
            + _command(catalog, filters, page)
        )
    everything = Page(page.sort, page.descending, MAX_CRYSTALS)
    return catalog.table(rows_question(filters, everything, ("*",)))


def _command(catalog: LiveCatalog, filters: Filters, page: Page) -> str:
    sql = copied_sql(filters, Page(page.sort, page.descending, MAX_CRYSTALS), ("*",)).rpartition("\nLIMIT")[0]
    home = shlex.quote(str(catalog.home.path))
    return f"platform sql {shlex.quote(sql)} --parquet crystals.parquet --home {home}"


def _cif(row: dict[str, Any]) -> str:
    return cif_text(row, name=file_stem(row), properties={name: row[name] for name in PROPERTIES})


def _cif_file(rows: pa.Table) -> bytes:
    return "\n".join(_cif(row) for row in rows.to_pylist()).encode()


def _cif_archive(rows: pa.Table) -> bytes:
    """A ZIP of CIFs whose names sort as the rows do."""
    digits = len(str(rows.num_rows))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, row in enumerate(rows.to_pylist(), start=1):
            archive.writestr(zipfile.ZipInfo(f"{place:0{digits}}-{file_stem(row)}.cif", FIRST_DATE), _cif(row))
    return buffer.getvalue()


def _extxyz(rows: pa.Table) -> bytes:
    from ase.io.extxyz import write_extxyz

    frames = []
    for row in rows.to_pylist():
        atoms = to_atoms(row)
        atoms.info |= {name: row[name] for name in PROPERTIES if row[name] is not None}
        frames.append(atoms)
    buffer = io.StringIO()
    write_extxyz(buffer, frames)
    return buffer.getvalue().encode()


def _csv(rows: pa.Table) -> bytes:
    return render_text(rows, OutputFormat.CSV).encode()


def _json(rows: pa.Table) -> bytes:
    return render_text(rows, OutputFormat.JSON).encode()


FORMATS = {
    "cif": Format(".cif", "chemical/x-cif", _cif_file),
    "extxyz": Format(".extxyz", "chemical/x-xyz", _extxyz),
    "csv": Format(".csv", "text/csv; charset=utf-8", _csv),
    "json": Format(".json", "application/json", _json),
}
ARCHIVE = Format("-cif.zip", "application/zip", _cif_archive)
DOWNLOAD = (Parameter("format", one_of(FORMATS), f"One of {', '.join(FORMATS)}; several CIFs come as a ZIP", "extxyz"),)
