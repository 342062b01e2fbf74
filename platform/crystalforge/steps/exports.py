"""Crystals out, as files for other programs: ``export_crystals``."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from crystalforge.catalog.query import DEFAULT_MEMORY_LIMIT
from crystalforge.errors import UsageError
from crystalforge.export.choices import CellKind, FormatName
from crystalforge.export.choosing import CrystalQuery
from crystalforge.export.writing import DEFAULT_TIME_LIMIT_S, ExportedCrystals
from crystalforge.export.writing import export_crystals as run
from crystalforge.home import Home
from crystalforge.steps.homes import as_home
from crystalforge.suggestions import hint
from crystalforge.validation.states import Structure

Choice = TypeVar("Choice", bound=StrEnum)


def export_crystals(
    file_format: str = FormatName.CIF,
    *,
    out: str | Path | None = None,
    where: str | None = None,
    order_by: str | None = None,
    limit: int | None = None,
    table: str = "candidates",
    structure: str | None = None,
    cell: str = CellKind.CONVENTIONAL,
    overwrite: bool = False,
    timeout: float = DEFAULT_TIME_LIMIT_S,
    memory_limit: str = DEFAULT_MEMORY_LIMIT,
    home: str | Path | Home | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ExportedCrystals:
    """Write the crystals that an SQL condition chooses as files for other programs, whole or not at all.

    Args:
        file_format: ``cif``, ``poscar``, ``extxyz``, ``ase-db``, ``optimade-jsonl``, ``csv`` or ``parquet``.
        out: folder or file to make; ``./crystals-FORMAT`` or ``./crystals.SUFFIX`` by default. A name that ends in
            ``.cif`` takes all CIFs into one file.
        where: SQL condition on the rows.
        order_by: SQL order, the best first; the lowest energy above hull by default.
        limit: most crystals; all by default.
        table: ``candidates``, ``samples``, ``materials``, ``crystals`` (both), ``relaxations``, ``stabilities``,
            ``discoveries`` or ``validations`` (the cells that calculations ended in).
        structure: ``generated``, ``relaxed`` or ``reference``; as the table has it by default.
        cell: ``conventional`` or ``primitive``, of the atoms; cif and csv have the conventional one.
        overwrite: replace an earlier export of that name.
        timeout: seconds until a query is stopped.
        memory_limit: that a query and its result may take, such as ``2GB``.
        home: folder of datasets, trainings and generations; by default as the commands find it.
        progress: called with (crystals written, crystals in all).

    Returns:
        where it was written, how many crystals, and what was left out for which reason.

    Raises:
        UsageError: no crystal fits, something is in the way, or what does not go together was asked for.
        QueryError: the condition or the order is refused, wrong, or takes too long.
        StorageError: it could not be written; nothing of it is left.

    Example:
        >>> crystalforge.export_crystals("cif", out="best", where="space_group_number = 225", limit=100)
    """
    query = CrystalQuery(table, where, order_by, limit, _one_of(Structure, structure) if structure else None)
    return run(
        as_home(home),
        query,
        _one_of(FormatName, file_format),
        Path(out) if out else None,
        cell=_one_of(CellKind, cell),
        overwrite=overwrite,
        memory_limit=memory_limit,
        time_limit_s=timeout,
        progress=progress,
    )


def _one_of(choices: type[Choice], word: str) -> Choice:
    try:
        return choices(word)
    except ValueError as error:
        raise UsageError(f"No such {choices.__name__}: '{word}'.{hint(word, list(choices))}") from error
