"""Which crystals are equal, by pymatgen's StructureMatcher; only crystals that could be are ever compared.

S. P. Ong et al., *Comput. Mater. Sci.* 68, 314 (2013). Tolerances of PHYSICS and of most published figures: ltol 0.2,
stol 0.3, angle_tol 5. The matcher scales volumes, so a crystal and the same one 10 % larger are equal to it. What is
cheap comes first: equal ids, then nearly equal cells and sites (``nearly_equal``, sufficient, never necessary).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.composition import volumes_per_atom
from crystalforge.crystals.lattice import lattice_matrices
from crystalforge.crystals.primitive import PrimitiveCell, primitive_cells
from crystalforge.evaluation.workers import Workers

if TYPE_CHECKING:
    from pymatgen.core import Structure

LTOL, STOL, ANGLE_TOL = 0.2, 0.3, 5.0
NEAR_LENGTHS = 0.02
"""Relative difference of cell lengths: a tenth of what the matcher allows, as centred cells turn it into angles."""
NEAR_ANGLES = 0.5  # degrees
NEAR_SITES = 0.1
"""Greatest displacement, in units of the cube root of the volume per atom: a third of what the matcher allows."""
PIECE_PAIRS = 300
"""Comparisons that make a piece of work worth sending."""

Indices = NDArray[np.int64]


def index_by(keys: NDArray[np.str_]) -> dict[str, Indices]:
    """Key → rows that have it, ascending."""
    order = np.argsort(keys, kind="stable")
    distinct, starts = np.unique(keys[order], return_index=True)
    return dict(zip(distinct.tolist(), np.split(order, starts[1:]), strict=True)) if len(keys) else {}


class Shapes:
    """Cells and sites of crystals in units of the cube root of their volume per atom, to compare many at once."""

    def __init__(self, crystals: CrystalBatch) -> None:
        self.size = np.cbrt(volumes_per_atom(crystals))
        self.lengths = crystals.lattice_parameters[:, :3] / self.size[:, None]
        self.angles = crystals.lattice_parameters[:, 3:]
        self.matrices = lattice_matrices(crystals.lattice_parameters) / self.size[:, None, None]
        self.sites = crystals.frac_coords
        self.species = np.concatenate([crystals.atomic_numbers, crystals.multiplicity], axis=1)
        self.letters = crystals.wyckoff_letter

    def near(self, index: int, others: Shapes, rows: Indices) -> NDArray[np.bool_]:
        """(n_rows,) which rows of the others nearly equal the crystal of the index, site by site as they stand."""
        same = (others.species[rows] == self.species[index]).all(axis=1)
        same &= (others.letters[rows] == self.letters[index]).all(axis=1)
        same &= (np.abs(others.lengths[rows] / self.lengths[index] - 1.0) <= NEAR_LENGTHS).all(axis=1)
        same &= (np.abs(others.angles[rows] - self.angles[index]) <= NEAR_ANGLES).all(axis=1)
        difference = others.sites[rows] - self.sites[index]
        displacement = np.linalg.norm((difference - np.rint(difference)) @ self.matrices[index], axis=2)
        return np.asarray(same & (displacement.max(axis=1) <= NEAR_SITES))


class Comparison:
    """Compares crystals of one batch with those of another; builds each structure once."""

    def __init__(self, queries: CrystalBatch, targets: CrystalBatch) -> None:
        self._shapes = (Shapes(queries), Shapes(targets))
        self._cells = tuple(dict(primitive_cells(batch)) for batch in (queries, targets))
        self._structures: dict[tuple[int, int], Structure] = {}

    def first_match(self, query: int, rows: Indices, fitted: NDArray[np.bool_] | None = None) -> int | None:
        """The first of the target rows that equals the query, a nearly equal one before all others.

        Args:
            query: index of the query.
            rows: indices of targets.
            fitted: (n_rows,) which of them the matcher is asked about; all by default.
        """
        near = self._shapes[0].near(query, self._shapes[1], rows)
        if near.any():
            return int(rows[near.argmax()])
        one = self._structure(0, query)
        for row in (rows if fitted is None else rows[fitted]).tolist():
            if are_equal(one, self._structure(1, row)):
                return int(row)
        return None

    def _structure(self, side: int, index: int) -> Structure:
        key = (side, index)
        if key not in self._structures:
            self._structures[key] = reduced_structure(self._cells[side][index])
        return self._structures[key]


def are_equal(one: Structure, other: Structure) -> bool:
    """Whether the matcher finds two crystals equal; both by ``reduced_structure``."""
    return bool(_matcher().fit(one, other, skip_structure_reduction=True))


@cache
def _matcher() -> Any:
    from pymatgen.analysis.structure_matcher import StructureMatcher

    return StructureMatcher(ltol=LTOL, stol=STOL, angle_tol=ANGLE_TOL, primitive_cell=False)


def reduced_structure(cell: PrimitiveCell) -> Structure:
    """The Niggli cell of a primitive cell, as the matcher makes it of either crystal."""
    from pymatgen.core import Lattice, Structure

    structure = Structure(Lattice(cell.lattice), cell.atomic_numbers.tolist(), cell.frac_coords)
    return structure.get_reduced_structure(reduction_algo="niggli")


def any_match(
    queries: CrystalBatch,
    targets: CrystalBatch,
    candidates: Sequence[Indices],
    workers: Workers,
    fitted: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Whether each query equals any of its candidates.

    Args:
        queries: n crystals.
        targets: crystals.
        candidates: rows of the targets for each query, the likeliest first; may be empty.
        workers: processes.
        fitted: (n_targets,) which targets the matcher is asked about; the others match only where they nearly equal
            the query. All by default.

    Returns:
        (n,).
    """
    fitted = np.ones(len(targets), dtype=bool) if fitted is None else fitted
    found = np.zeros(len(queries), dtype=bool)
    asked = np.array([place for place, rows in enumerate(candidates) if len(rows)], dtype=np.int64)
    pieces = [
        _match_piece(queries, targets, candidates, fitted, asked[rows])
        for rows in _cut([len(candidates[i]) for i in asked])
    ]
    if pieces:
        found[asked] = np.concatenate(list(workers.map(_match_all, pieces)))
    return found


MatchPiece = tuple[CrystalBatch, CrystalBatch, list[Indices], NDArray[np.bool_]]


def _match_piece(
    queries: CrystalBatch,
    targets: CrystalBatch,
    candidates: Sequence[Indices],
    fitted: NDArray[np.bool_],
    asked: Indices,
) -> MatchPiece:
    """The queries asked for, with the targets that they need, renumbered."""
    chosen = [candidates[place] for place in asked]
    needed, inverse = np.unique(np.concatenate(chosen), return_inverse=True)
    ends = np.cumsum([len(rows) for rows in chosen])[:-1]
    return queries.select(asked), targets.select(needed), np.split(inverse, ends), fitted[needed]


def _match_all(piece: MatchPiece) -> NDArray[np.bool_]:
    queries, targets, candidates, fitted = piece
    comparison = Comparison(queries, targets)
    matches = (comparison.first_match(place, rows, fitted[rows]) for place, rows in enumerate(candidates))
    return np.array([match is not None for match in matches])


def equal_classes(
    crystals: CrystalBatch, ids: NDArray[np.str_], keys: NDArray[np.str_], workers: Workers
) -> NDArray[np.int64]:
    """The first crystal that each equals: a class is what the matcher finds equal to its first crystal.

    Args:
        crystals: n crystals.
        ids: (n,) equal for equal crystals.
        keys: (n,) only crystals of one key are compared.
        workers: processes.

    Returns:
        (n,) index of the first crystal of the class.
    """
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    classes = first[inverse].astype(np.int64)
    representatives = np.unique(first)
    groups = [representatives[rows] for rows in index_by(keys[representatives]).values() if len(rows) > 1]
    pieces = []
    for places in _cut([len(group) ** 2 for group in groups]):
        members = [groups[place] for place in places]
        pieces.append((crystals.select(np.concatenate(members)), [len(group) for group in members]))
    joined = np.arange(len(crystals))
    of_pieces = list(workers.map(_classes_of_groups, pieces))
    for group, found in zip(groups, [local for piece in of_pieces for local in piece], strict=True):
        joined[group] = group[found]
    return joined[classes]


def _classes_of_groups(piece: tuple[CrystalBatch, list[int]]) -> list[Indices]:
    crystals, sizes = piece
    starts = np.cumsum([0, *sizes])
    groups = [crystals.select(np.arange(start, start + size)) for start, size in zip(starts, sizes, strict=False)]
    return [_classes_of_group(group) for group in groups]


def _classes_of_group(crystals: CrystalBatch) -> Indices:
    """(n,) place of the first crystal of the class within the group."""
    comparison = Comparison(crystals, crystals)
    classes = np.zeros(len(crystals), dtype=np.int64)
    firsts: list[int] = []
    for place in range(len(crystals)):
        match = comparison.first_match(place, np.array(firsts, dtype=np.int64)) if firsts else None
        classes[place] = place if match is None else match
        if match is None:
            firsts.append(place)
    return classes


def _cut(costs: Sequence[int]) -> list[Indices]:
    """Places of consecutive items whose costs add up to at least ``PIECE_PAIRS``."""
    if not costs:
        return []
    number = (np.cumsum(costs) - np.asarray(costs)) // PIECE_PAIRS
    return np.split(np.arange(len(costs)), np.flatnonzero(np.diff(number)) + 1)
