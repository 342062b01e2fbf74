"""Whether crystals match, by pymatgen's StructureMatcher, in several processes, and only where it must be asked.

The matcher takes some 50 ms, so what is certain is decided before it: see ``certain_matches`` and ``certain_misses``.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from recovery_trials import Trials, recovered, site_distances

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.composition import volumes_per_atom
from crystalforge.crystals.structures import to_structure

if TYPE_CHECKING:
    from pymatgen.analysis.structure_matcher import StructureMatcher

BoolArray = NDArray[np.bool_]
Result = TypeVar("Result")

LTOL, STOL, ANGLE_TOL = 0.2, 0.3, 5.0
"""pymatgen's defaults: relative lengths; displacement over the cube root of the volume per atom; degrees."""

CHUNK = 24
"""Crystals that a process takes at a time."""


@cache
def matcher() -> StructureMatcher:
    """The matcher of all figures: no rescaling, primitive cells."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    return StructureMatcher(
        ltol=LTOL, stol=STOL, angle_tol=ANGLE_TOL, primitive_cell=True, scale=False, attempt_supercell=False
    )


def certain_misses(trials: Trials, merged: CrystalBatch) -> BoolArray:
    """(n,) True where a site percolates or the elements stand in other proportions: the matcher says no as well."""
    before, after = trials.originals.multiplicity, merged.multiplicity
    other = (before * after[:, :1] != after * before[:, :1]).any(axis=1)
    return np.asarray(other | (after == 0).any(axis=1))


def certain_matches(trials: Trials, merged: CrystalBatch) -> BoolArray:
    """(n,) True where the crystal is recovered strictly and no atom is further off than the matcher allows on average.

    Equal cells, operations and positions: every atom of an orbit is as far from its original as the representative.
    """
    allowed = STOL * np.cbrt(volumes_per_atom(trials.originals))
    near = (site_distances(trials.originals, merged) <= allowed[:, None]).all(axis=1)
    return recovered(trials, merged) & near


def matches(trials: Trials, merged: CrystalBatch, processes: int) -> BoolArray:
    """(n,) whether each merged crystal matches its original."""
    answer = certain_matches(trials, merged)
    unsure = np.flatnonzero(~answer & ~certain_misses(trials, merged))
    answer[unsure] = asked(trials, merged, unsure, processes)
    return answer


def asked(trials: Trials, merged: CrystalBatch, rows: NDArray[np.int64], processes: int) -> BoolArray:
    """The matcher's own answer on some trials, in their order."""
    parts = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    pairs = [(trials.originals.select(part), merged.select(part)) for part in parts]
    return np.array(in_processes(_ask, pairs, processes), dtype=bool)


def _ask(originals: CrystalBatch, candidates: CrystalBatch) -> list[bool]:
    pairs = ((to_structure(originals, row), to_structure(candidates, row)) for row in range(len(originals)))
    return [bool(matcher().fit(first, second)) for first, second in pairs]


def in_processes(call: Callable[..., list[Result]], chunks: list[tuple[Any, ...]], processes: int) -> list[Result]:
    """The results of all chunks, joined, in their order."""
    if processes == 1 or len(chunks) < 2:
        return [result for chunk in chunks for result in call(*chunk)]
    with ProcessPoolExecutor(processes) as pool:
        futures = [pool.submit(call, *chunk) for chunk in chunks]
        return [result for future in futures for result in future.result()]
