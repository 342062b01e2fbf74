"""CSV and Parquet: the rows as the catalog has them, and beside them the crystals.

CSV has each crystal's CIF in the column ``cif``, as the MP-20 benchmark has it: `platform dataset build` reads it.
Parquet has all atoms in ``lattice``, ``species`` and ``frac_coords``, as the table ``relaxations`` has them. Rows that
hold these columns already (relaxed cells) keep their own: the primitive cell as it was relaxed, not symmetrised.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from crystalforge.catalog.output import OutputFormat, render_text
from crystalforge.crystals.elements import symbols
from crystalforge.export.content import Content, ExportFormat, Tell
from crystalforge.export.entries import cell_atoms
from crystalforge.export.formats.cif import text_of

ATOM_COLUMNS = {
    "lattice": "Vectors a, b, c of the cell (Å)",
    "species": "Element of each atom",
    "frac_coords": "x, y, z of each atom (fractional)",
}
OWN_COMMENTS = {
    "name": "Rank, formula, space group and identifier",
    "space_group_of_crystal": "Space group of the crystal that was written, 1 to 230",
    "cif": "The crystal as CIF",
    **ATOM_COLUMNS,
}
TOLD_EVERY = 1000


def write_csv(path: Path, content: Content, tell: Tell) -> None:
    """Write a row for each crystal, its CIF in the last column; lists are JSON."""
    texts = []
    for done, entry in enumerate(content.entries, start=1):
        texts.append(text_of(entry))
        if done % TOLD_EVERY == 0:
            tell(done)
    table = _named_rows(content).drop_columns([name for name in ATOM_COLUMNS if name in content.rows.column_names])
    path.write_text(render_text(table.append_column("cif", pa.array(texts)), OutputFormat.CSV), encoding="utf-8")
    tell(len(texts))


def write_parquet(path: Path, content: Content, tell: Tell) -> None:
    """Write a row for each crystal; each column has its meaning and unit as ``comment`` in its metadata."""
    table = _named_rows(content)
    if "lattice" not in table.column_names:
        for name, values in _atoms(content, tell).items():
            table = table.append_column(name, values)
    comments = {**content.comments, **OWN_COMMENTS}
    schema = pa.schema(
        [
            field.with_metadata({b"comment": comments[field.name].encode()}) if field.name in comments else field
            for field in table.schema
        ]
    )
    pq.write_table(table.cast(schema), path, compression="zstd", write_page_checksum=True)
    tell(len(content.entries))


def _named_rows(content: Content) -> pa.Table:
    names = pa.array([entry.name for entry in content.entries], pa.string())
    numbers = pa.array([entry.crystal.space_group_number for entry in content.entries], pa.int16())
    table = content.rows.add_column(0, "name", names)
    return table.append_column("space_group_of_crystal", numbers)


def _atoms(content: Content, tell: Tell) -> dict[str, pa.Array]:
    lattices, species, coords = [], [], []
    for done, entry in enumerate(content.entries, start=1):
        cell = cell_atoms(entry.crystal, content.cell)
        lattices.append(cell.lattice.reshape(-1))
        species.append(symbols(cell.atomic_numbers).tolist())
        coords.append(cell.frac_coords.reshape(-1))
        if done % TOLD_EVERY == 0:
            tell(done)
    return {
        "lattice": pa.array(lattices, pa.list_(pa.float64())),
        "species": pa.array(species, pa.list_(pa.string())),
        "frac_coords": pa.array(coords, pa.list_(pa.float64())),
    }


CSV: ExportFormat = ExportFormat(
    "the rows, with each crystal's CIF in a column", ".csv", write_file=write_csv, conventional_only=True
)
PARQUET: ExportFormat = ExportFormat("the rows, with all atoms in lists", ".parquet", write_file=write_parquet)
