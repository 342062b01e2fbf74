"""Rows: batches to and from the Arrow columns that ``samples`` and ``materials`` share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crystalforge.crystals import composition
from crystalforge.crystals.batch import N_SITES, CrystalBatch
from crystalforge.crystals.contacts import Contacts, least_contacts
from crystalforge.crystals.elements import atomic_number, symbols
from crystalforge.errors import UsageError
from crystalforge.schemas import SAMPLES
from crystalforge.symmetry import hall_number_of

LATTICE_COLUMNS = ("a", "b", "c", "alpha", "beta", "gamma")
CRYSTAL_COLUMNS = (
    "space_group_number",
    "elements",
    "base_frac_coords",
    "wyckoff_letters",
    "multiplicities",
    *LATTICE_COLUMNS,
)
"""The columns that make a crystal; all others of ``batch_to_columns`` follow from them."""


def batch_from_table(table: pa.Table) -> CrystalBatch:
    """Crystals of rows of ``samples`` or ``materials``, in the order of the rows.

    Args:
        table: at least the ``CRYSTAL_COLUMNS``; lists may be of fixed size or not, as DuckDB returns them.

    Raises:
        UsageError: a column is missing or holds nulls (samples whose sites could not be merged).
    """
    missing = [name for name in CRYSTAL_COLUMNS if name not in table.column_names]
    if missing:
        raise UsageError(f"Not a table of crystals: expected the columns {CRYSTAL_COLUMNS}, missing {missing}.")
    for name in CRYSTAL_COLUMNS:
        if table[name].null_count:
            raise UsageError(
                f"Column {name}: expected a value in each of {table.num_rows} rows, got {table[name].null_count} nulls."
                " Select rows with base_frac_coords IS NOT NULL."
            )
    n_rows = table.num_rows
    numbers = {name: _to_numpy(table[name]) for name in ("space_group_number", *LATTICE_COLUMNS)}
    return CrystalBatch(
        space_group_number=numbers["space_group_number"],
        lattice_parameters=np.column_stack([numbers[name] for name in LATTICE_COLUMNS]),
        atomic_numbers=atomic_number(_three(table, "elements").reshape(n_rows, N_SITES)),
        frac_coords=_to_numpy(pc.list_flatten(pc.list_flatten(table["base_frac_coords"]))).reshape(n_rows, N_SITES, 3),
        multiplicity=_three(table, "multiplicities"),
        wyckoff_letter=_three(table, "wyckoff_letters"),
    )


def _three(table: pa.Table, name: str) -> NDArray[Any]:
    values = _to_numpy(pc.list_flatten(table[name]))
    if len(values) != table.num_rows * N_SITES:
        raise UsageError(f"Column {name}: expected {N_SITES} values in each of {table.num_rows} rows.")
    return values.astype(np.str_).reshape(-1, N_SITES) if values.dtype == object else values.reshape(-1, N_SITES)


def _to_numpy(column: pa.ChunkedArray) -> NDArray[Any]:
    values: NDArray[Any] = column.to_numpy()
    return values


def batch_to_columns(batch: CrystalBatch, contacts: Contacts | None = None) -> dict[str, pa.Array]:
    """The columns that ``samples`` and ``materials`` share, of the schemas' own types.

    Crystals whose sites have no place have nulls in what follows from their sites.

    Args:
        batch: n crystals.
        contacts: of the batch, if they are already known.

    Returns:
        name → array of n values.
    """
    placed = batch.is_placed
    contacts = least_contacts(batch) if contacts is None else contacts
    lattice = dict(zip(LATTICE_COLUMNS, batch.lattice_parameters.T, strict=True))
    everywhere = {
        "space_group_number": batch.space_group_number,
        "hall_number": _hall_numbers(batch.space_group_number),
        **lattice,
        "chemical_system": composition.chemical_systems(batch.atomic_numbers),
    }
    where_placed = {
        "n_atoms_conventional": composition.n_atoms_conventional(batch),
        "n_atoms_primitive": composition.n_atoms_primitive(batch),
        "formula": composition.formulas(batch),
        "reduced_formula": composition.reduced_formulas(batch),
        "volume_per_atom": composition.volumes_per_atom(batch),
        "density": composition.densities(batch),
        "min_contact_ratio": contacts.min_contact_ratio,
    }
    columns = {name: _scalars(name, values, None) for name, values in everywhere.items()}
    columns |= {name: _scalars(name, values, ~placed) for name, values in where_placed.items()}
    columns["elements"] = _lists("elements", symbols(batch.atomic_numbers), None)
    columns["base_frac_coords"] = sites_to_column(batch.frac_coords, ~placed)
    columns["wyckoff_letters"] = _lists("wyckoff_letters", batch.wyckoff_letter, ~placed)
    columns["multiplicities"] = _lists("multiplicities", batch.multiplicity, ~placed)
    return columns


def sites_to_column(frac_coords: NDArray[np.float64], is_null: NDArray[np.bool_] | None = None) -> pa.Array:
    """Sites (n, 3, 3) as a column of the type of ``base_frac_coords`` and ``raw_frac_coords``.

    Args:
        frac_coords: (n, 3, 3) [crystal, site, xyz].
        is_null: (n,) rows to leave null.
    """
    rows = frac_coords if is_null is None else frac_coords[~is_null]
    points = pa.ListArray.from_arrays(_ends_of_three(N_SITES * len(rows)), pa.array(rows.reshape(-1)))
    return _list_column("base_frac_coords", points, len(frac_coords), is_null)


def _hall_numbers(space_group_numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    numbers, inverse = np.unique(space_group_numbers, return_inverse=True)
    return np.array([hall_number_of(int(number)) for number in numbers], dtype=np.int64)[inverse]


def _scalars(name: str, values: NDArray[Any], is_null: NDArray[np.bool_] | None) -> pa.Array:
    if values.dtype.kind == "f" and is_null is not None:
        is_null = is_null | np.isnan(values)
    return pa.array(values, mask=is_null).cast(SAMPLES.field(name).type)


def _lists(name: str, values: NDArray[Any], is_null: NDArray[np.bool_] | None) -> pa.Array:
    rows = values if is_null is None else values[~is_null]
    items = pa.array(rows.reshape(-1)).cast(SAMPLES.field(name).type.value_type)
    return _list_column(name, items, len(values), is_null)


def _list_column(name: str, items: pa.Array, n_rows: int, is_null: NDArray[np.bool_] | None) -> pa.Array:
    """Three items in each row that is not null."""
    if is_null is None or not is_null.any():
        return pa.ListArray.from_arrays(_ends_of_three(n_rows), items, type=SAMPLES.field(name).type)
    ends = np.concatenate([[0], np.cumsum(np.where(is_null, 0, N_SITES))])
    return pa.ListArray.from_arrays(
        pa.array(ends, pa.int32()), items, type=SAMPLES.field(name).type, mask=pa.array(is_null)
    )


def _ends_of_three(n_rows: int) -> pa.Array:
    return pa.array(np.arange(0, N_SITES * (n_rows + 1), N_SITES), pa.int32())
