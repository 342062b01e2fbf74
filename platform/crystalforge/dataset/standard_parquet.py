"""Parquet files of crystals that are already standardised: the format of the bundled dataset.

One row per crystal, in the Hall setting of its space group:

    material_id            identifier in the source
    space_group_number     1 to 230
    hall_number            1 to 530
    conv_a … conv_gamma    conventional cell (Å, degrees)
    base_species           3 element symbols
    base_frac_coords       9 numbers: three representative sites, one after the other

and optionally ``conv_n_atoms``, ``base_multiplicity`` (checked where they are given), ``formation_energy_per_atom``,
``e_above_hull`` (eV/atom) and ``band_gap`` (eV). Other columns are left alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crystalforge.crystals.elements import SYMBOLS
from crystalforge.dataset.crystal_columns import CrystalColumns
from crystalforge.dataset.exclusion import Exclusion, ExclusionReason
from crystalforge.errors import SourceError

CELL_COLUMNS = ("conv_a", "conv_b", "conv_c", "conv_alpha", "conv_beta", "conv_gamma")
REQUIRED = ("material_id", "space_group_number", "hall_number", *CELL_COLUMNS, "base_species", "base_frac_coords")
OPTIONAL = ("conv_n_atoms", "base_multiplicity")
PROPERTY_COLUMNS = {
    "formation_energy_per_atom": "formation_energy_per_atom",
    "energy_above_hull": "e_above_hull",
    "band_gap": "band_gap",
}
"""Name in ``materials`` → column of the file."""
LIST_LENGTHS = {"base_species": 3, "base_frac_coords": 9, "base_multiplicity": 3}


def read_standard_parquet(path: Path) -> tuple[CrystalColumns, list[Exclusion]]:
    """Read the crystals; rows that are not three sites of three elements are left out here.

    Raises:
        SourceError: not a Parquet file, columns missing or of another kind, or no rows.
    """
    table = _read(path)
    if table.num_rows == 0:
        raise SourceError(f"{path} is empty: expected at least one crystal, found 0 rows.")
    table = _cast(path, table)
    inputs = _inputs(path, table)
    shaped = _rows_of_three_sites(table)
    exclusions = [
        Exclusion(
            name,
            ExclusionReason.NOT_THREE_SITES,
            "expected 3 base_species and 9 base_frac_coords, found other numbers of them",
        )
        for name in inputs[~shaped]
    ]
    return _columns(table.filter(pa.array(shaped)), inputs[shaped]), exclusions


def _inputs(path: Path, table: pa.Table) -> NDArray[np.object_]:
    """Identifiers, or the row where there is none."""
    identifiers = enumerate(table["material_id"].to_pylist(), start=1)
    return np.array([identifier or f"{path.name} row {row}" for row, identifier in identifiers], dtype=object)


def _read(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            present = set(file.schema_arrow.names)
            missing = [name for name in REQUIRED if name not in present]
            if missing:
                raise SourceError(
                    f"{path} lacks the columns {', '.join(missing)}: expected {', '.join(REQUIRED)}; "
                    f"found {', '.join(sorted(present))[:500]}."
                )
            optional = [name for name in (*OPTIONAL, *PROPERTY_COLUMNS.values()) if name in present]
            return file.read(columns=[*REQUIRED, *optional])
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path} cannot be read as Parquet: {error}. Check that the file is whole.") from error


def _cast(path: Path, table: pa.Table) -> pa.Table:
    kinds: dict[str, pa.DataType] = {"material_id": pa.string(), "base_species": pa.list_(pa.string())}
    kinds |= dict.fromkeys(("space_group_number", "hall_number", "conv_n_atoms"), pa.int64())
    kinds |= dict.fromkeys((*CELL_COLUMNS, *PROPERTY_COLUMNS.values()), pa.float64())
    kinds |= {"base_frac_coords": pa.list_(pa.float64()), "base_multiplicity": pa.list_(pa.int64())}
    arrays = {}
    for name in table.column_names:
        try:
            arrays[name] = table[name].cast(kinds[name]).combine_chunks()
        except pa.ArrowException as error:
            raise SourceError(
                f"{path}: expected column {name} as {kinds[name]}, found {table[name].type} ({error})."
            ) from error
    return pa.table(arrays)


def _rows_of_three_sites(table: pa.Table) -> NDArray[np.bool_]:
    fits = np.ones(table.num_rows, dtype=bool)
    for name, length in LIST_LENGTHS.items():
        if name in table.column_names:
            fits &= pc.fill_null(pc.list_value_length(table[name]), 0).to_numpy() == length
    return fits


def _columns(table: pa.Table, inputs: NDArray[np.object_]) -> CrystalColumns:
    n = table.num_rows
    return CrystalColumns(
        inputs=inputs,
        material_ids=inputs,
        space_group_number=_integers(table, "space_group_number"),
        hall_number=_integers(table, "hall_number"),
        lattice_parameters=np.stack([_floats(table, name) for name in CELL_COLUMNS], axis=1),
        atomic_numbers=_atomic_numbers(table).reshape(n, 3),
        frac_coords=_floats(table, "base_frac_coords").reshape(n, 3, 3),
        n_atoms_conventional=_integers(table, "conv_n_atoms"),
        multiplicity=_integers(table, "base_multiplicity", width=3).reshape(n, 3),
        properties={name: _floats(table, column) for name, column in PROPERTY_COLUMNS.items()},
    )


def _values(table: pa.Table, name: str) -> pa.ChunkedArray:
    column = table[name]
    return pc.list_flatten(column) if pa.types.is_list(column.type) else column


def _integers(table: pa.Table, name: str, width: int = 1) -> NDArray[np.int64]:
    if name not in table.column_names:
        return np.zeros(table.num_rows * width, dtype=np.int64)
    return pc.fill_null(_values(table, name), 0).to_numpy().astype(np.int64)


def _floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return pc.fill_null(_values(table, name), float("nan")).to_numpy().astype(np.float64)


def _atomic_numbers(table: pa.Table) -> NDArray[np.int64]:
    """Atomic numbers of ``base_species``; 0 for what is no element."""
    symbols = _values(table, "base_species")
    numbers = pc.index_in(symbols, value_set=pa.array(SYMBOLS))
    return pc.fill_null(numbers, 0).to_numpy().astype(np.int64)
