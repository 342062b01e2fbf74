"""Questions in SQL: ``sql``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystalforge.catalog.query import DEFAULT_MEMORY_LIMIT, DEFAULT_TIME_LIMIT_S, open_catalog
from crystalforge.home import Home
from crystalforge.steps.homes import as_home

if TYPE_CHECKING:
    import pandas as pd


def sql(
    statement: str,
    *,
    params: Mapping[str, Any] | None = None,
    generations: Sequence[str] | None = None,
    timeout: float = DEFAULT_TIME_LIMIT_S,
    memory_limit: str = DEFAULT_MEMORY_LIMIT,
    home: str | Path | Home | None = None,
) -> pd.DataFrame:
    """Ask the catalog one SELECT over everything that the home has committed; nothing is changed.

    `platform schema` lists the tables and their columns with units. For many questions one after another, or for
    Arrow tables, open the catalog once: ``crystalforge.catalog.query.open_catalog``.

    Args:
        statement: one SELECT; ``$name`` stands for a parameter.
        params: values of the parameters: numbers, texts, booleans, lists, None.
        generations: only the samples of these generations; all by default.
        timeout: seconds until the query is stopped.
        memory_limit: that the query and its result may take, such as ``2GB``.
        home: folder of datasets, trainings and generations; by default as the commands find it.

    Returns:
        the rows. A row of samples, candidates or materials with all columns goes into ``to_structure``.

    Raises:
        QueryError: the statement is refused, wrong, too long or too large.
        DamagedFileError: a file is not what its manifest says; the message has the repair.

    Example:
        >>> frame = crystalforge.sql("SELECT * FROM candidates WHERE space_group_number = $g", params={"g": 225})
        >>> structure = crystalforge.to_structure(frame.iloc[0])
    """
    with open_catalog(as_home(home), generations=generations, memory_limit=memory_limit) as catalog:
        return catalog.query(statement, params, time_limit_s=timeout).to_pandas()
