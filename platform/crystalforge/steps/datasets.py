"""Known crystals in: ``build_dataset``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from crystalforge.dataset import Dataset, build_or_find, find_dataset
from crystalforge.home import Home
from crystalforge.steps.homes import as_home
from crystalforge.symmetry import SPACE_GROUPS


def build_dataset(
    source: str | Path,
    *,
    name: str | None = None,
    space_groups: Sequence[int] | None = None,
    home: str | Path | Home | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Curate known crystals into a dataset, or find the one that the same request built before.

    Args:
        source: ``bundled``, or the path of a Parquet file, a CSV with a column ``cif`` or a folder of CIF files;
            `platform dataset build --help` names all kinds.
        name: of the dataset; the source's by default.
        space_groups: numbers to keep; the paper's 12 by default.
        home: folder of datasets, trainings and generations; by default as the commands find it.
        progress: called with (inputs done, inputs in all).

    Returns:
        the dataset: ``dataset_id``, ``manifest`` with counts and what was left out, ``materials()`` as Arrow table.

    Raises:
        SourceError: the source cannot be used, or no crystal of it fits.
        UsageError: the name or a space group is not possible.
        BusyError: another process builds the same dataset.

    Example:
        >>> dataset = crystalforge.build_dataset("bundled")
        >>> dataset.manifest.n_materials
        1163
    """
    place = as_home(home)
    outcome = build_or_find(place, str(source), name=name, space_groups=space_groups or SPACE_GROUPS, progress=progress)
    return find_dataset(place, outcome.manifest.dataset_id)
