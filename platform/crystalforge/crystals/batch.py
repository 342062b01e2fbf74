"""CrystalBatch: the unit of work, crystals as arrays of their three representative sites.

``n`` is the number of crystals throughout. All atoms of a crystal follow from space group and sites, and are derived
only where they are needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

N_SITES = 3
"""Representative sites per crystal: one for each of its three elements."""

_SHAPES: dict[str, tuple[int, ...]] = {
    "space_group_number": (),
    "lattice_parameters": (6,),
    "atomic_numbers": (N_SITES,),
    "frac_coords": (N_SITES, 3),
    "multiplicity": (N_SITES,),
    "wyckoff_letter": (N_SITES,),
}
_KINDS: dict[str, type] = {
    "space_group_number": np.int64,
    "lattice_parameters": np.float64,
    "atomic_numbers": np.int64,
    "frac_coords": np.float64,
    "multiplicity": np.int64,
    "wyckoff_letter": np.str_,
}


@dataclass(frozen=True, eq=False)
class CrystalBatch:
    """Crystals of any space groups, in the one Hall setting of each.

    Attributes:
        space_group_number: (n,) 1 to 230.
        lattice_parameters: (n, 6) a, b, c (Å), α, β, γ (degrees) of the conventional cell.
        atomic_numbers: (n, 3) element of each representative site.
        frac_coords: (n, 3, 3) [crystal, site, xyz] representative sites; NaN where a site has no place.
        multiplicity: (n, 3) sites of each orbit in the conventional cell; 0 where a site has no place.
        wyckoff_letter: (n, 3) str; empty where a site has no place.
    """

    space_group_number: NDArray[np.int64]
    lattice_parameters: NDArray[np.float64]
    atomic_numbers: NDArray[np.int64]
    frac_coords: NDArray[np.float64]
    multiplicity: NDArray[np.int64]
    wyckoff_letter: NDArray[np.str_]

    def __post_init__(self) -> None:
        n_crystals = len(np.asarray(self.space_group_number))
        for name, shape in _SHAPES.items():
            array: NDArray[Any] = np.asarray(getattr(self, name)).astype(_KINDS[name], copy=False)
            if array.shape != (n_crystals, *shape):
                raise ValueError(f"CrystalBatch.{name}: expected shape {(n_crystals, *shape)}, got {array.shape}.")
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.space_group_number)

    def select(self, which: ArrayLike) -> CrystalBatch:
        """The crystals of a boolean mask (n,) or of an array or slice of indices, in that order."""
        chosen = which if isinstance(which, slice) else np.atleast_1d(np.asarray(which))
        if not isinstance(chosen, slice) and chosen.size == 0:
            chosen = chosen.astype(np.int64)
        return CrystalBatch(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @staticmethod
    def concatenate(batches: Sequence[CrystalBatch]) -> CrystalBatch:
        """All crystals of the batches, one after the other; no batches give an empty one."""
        if not batches:
            return CrystalBatch.empty()
        return CrystalBatch(*(np.concatenate([getattr(batch, name) for batch in batches]) for name in _SHAPES))

    @staticmethod
    def empty() -> CrystalBatch:
        """A batch of no crystals."""
        return CrystalBatch(*(np.zeros((0, *shape), dtype=_KINDS[name]) for name, shape in _SHAPES.items()))

    @property
    def is_placed(self) -> NDArray[np.bool_]:
        """(n,) whether every site has a place: finite coordinates and a multiplicity."""
        return np.asarray(np.isfinite(self.frac_coords).all(axis=(1, 2)) & (self.multiplicity > 0).all(axis=1))

    def by_space_group(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Each space group number that occurs, ascending, with the indices of its crystals."""
        for number in np.unique(self.space_group_number):
            yield int(number), np.flatnonzero(self.space_group_number == number)
