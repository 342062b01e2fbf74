"""Sample sets: what is judged. Samples as they were drawn, and the crystals of those whose sites could be merged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.canonical import canonical_setting
from crystalforge.crystals.composition import densities, reduced_formulas, volumes_per_atom
from crystalforge.crystals.contacts import Contacts, least_contacts
from crystalforge.crystals.elements import order_by_electronegativity
from crystalforge.crystals.identity import crystal_ids

GENERATED = "generated"
BASELINE = "baseline:"
"""Begins the source of a baseline; its recipe follows."""
TRAINING = "training"
VALIDATION = "validation"
NOISE = "noise"
RANDOM_TRIPLES = "random_triples"
REAL_CELLS = "real_cells"


@dataclass(frozen=True, eq=False)
class SampleSet:
    """n_samples of one source, of which n_crystals have merged sites.

    Attributes:
        source: ``generated``, ``baseline:…``, ``training``, ``validation`` or a null.
        space_group_number: (n_samples,).
        reject_reason: (n_samples,) a ``RejectReason``, or "" where accepted.
        crystals: n_crystals in the canonical setting (``in_one_setting``).
        sample_index: (n_crystals,) which sample each is of, ascending.
        generation_id: generation that drew the samples, if one did.
    """

    source: str
    space_group_number: NDArray[np.int64]
    reject_reason: NDArray[np.str_]
    crystals: CrystalBatch
    sample_index: NDArray[np.int64]
    generation_id: str | None = None

    def __len__(self) -> int:
        return len(self.space_group_number)

    @classmethod
    def of_crystals(cls, source: str, crystals: CrystalBatch, reject_reason: NDArray[np.str_]) -> SampleSet:
        """A set whose every sample is a crystal."""
        everywhere = np.arange(len(crystals))
        return cls(source, crystals.space_group_number, reject_reason, crystals, everywhere)

    @cached_property
    def contacts(self) -> Contacts:
        """Least contacts of the crystals."""
        return least_contacts(self.crystals)

    @cached_property
    def volumes_per_atom(self) -> NDArray[np.float64]:
        """(n_crystals,) Å³."""
        return volumes_per_atom(self.crystals)

    @cached_property
    def densities(self) -> NDArray[np.float64]:
        """(n_crystals,) g/cm³."""
        return densities(self.crystals)

    @cached_property
    def crystal_ids(self) -> NDArray[np.str_]:
        """(n_crystals,) equal for equal crystals."""
        return np.array(crystal_ids(self.crystals), dtype="<U32")

    @cached_property
    def formulas(self) -> NDArray[np.str_]:
        """(n_crystals,) reduced formulas, elements in the canonical order."""
        return reduced_formulas(self.crystals)

    @cached_property
    def formula_keys(self) -> NDArray[np.str_]:
        """(n_crystals,) space group and reduced formula, as ``62 ScNiP``."""
        return _joined(self.crystals.space_group_number.astype(str), self.formulas)

    @cached_property
    def letters(self) -> NDArray[np.str_]:
        """(n_crystals,) Wyckoff letters of the three sites, sorted, as ``ccc``."""
        ordered = np.sort(self.crystals.wyckoff_letter, axis=1)
        return np.strings.add(np.strings.add(ordered[:, 0], ordered[:, 1]), ordered[:, 2])

    @cached_property
    def templates(self) -> NDArray[np.str_]:
        """(n_crystals,) space group and Wyckoff letters, as ``62 ccc``."""
        return _joined(self.crystals.space_group_number.astype(str), self.letters)

    @cached_property
    def prototype_keys(self) -> NDArray[np.str_]:
        """(n_crystals,) space group, reduced formula and template, as ``62 ScNiP ccc``."""
        return _joined(self.formula_keys, self.letters)

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """(n_samples,)."""
        return np.asarray(self.reject_reason == "")

    @cached_property
    def has_crystal(self) -> NDArray[np.bool_]:
        """(n_samples,)."""
        return self.per_sample(np.ones(len(self.crystals), dtype=bool))

    @property
    def crystal_accepted(self) -> NDArray[np.bool_]:
        """(n_crystals,)."""
        return self.accepted[self.sample_index]

    def per_sample(self, of_crystals: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(n_samples,) what holds of the crystals (n_crystals,); False where a sample has none."""
        values = np.zeros(len(self), dtype=bool)
        values[self.sample_index] = of_crystals
        return values

    def select(self, samples: NDArray[np.bool_]) -> SampleSet:
        """The samples of a mask (n_samples,), with their crystals."""
        place = np.cumsum(samples) - 1
        kept = samples[self.sample_index]
        return SampleSet(
            self.source,
            self.space_group_number[samples],
            self.reject_reason[samples],
            self.crystals.select(np.flatnonzero(kept)),
            place[self.sample_index[kept]],
            self.generation_id,
        )

    def first_of_groups(self, limit: int | None) -> SampleSet:
        """At most so many samples of each space group, the first ones."""
        return self if limit is None else self.select(ranks_in_groups(self.space_group_number) < limit)

    def spread(self, most: int) -> SampleSet:
        """At most so many samples, at equal steps through all of them: each space group keeps its share."""
        if len(self) <= most:
            return self
        chosen = np.zeros(len(self), dtype=bool)
        chosen[np.arange(most) * len(self) // most] = True
        return self.select(chosen)


def ranks_in_groups(space_group_numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) place of each row among those of its space group, from 0."""
    ranks = np.zeros(len(space_group_numbers), dtype=np.int64)
    for number in np.unique(space_group_numbers):
        rows = np.flatnonzero(space_group_numbers == number)
        ranks[rows] = np.arange(len(rows))
    return ranks


def in_one_setting(batch: CrystalBatch) -> CrystalBatch:
    """The same crystals in the canonical setting, sites by ascending electronegativity.

    So equal formulas and equal templates are equal texts, whoever wrote the crystals down.
    """
    order = order_by_electronegativity(batch.atomic_numbers)

    def ordered(values: NDArray[Any]) -> NDArray[Any]:
        return np.take_along_axis(values, order, axis=1)

    return canonical_setting(
        CrystalBatch(
            space_group_number=batch.space_group_number,
            lattice_parameters=batch.lattice_parameters,
            atomic_numbers=ordered(batch.atomic_numbers),
            frac_coords=np.take_along_axis(batch.frac_coords, order[:, :, None], axis=1),
            multiplicity=ordered(batch.multiplicity),
            wyckoff_letter=ordered(batch.wyckoff_letter),
        )
    )


def _joined(first: NDArray[np.str_], second: NDArray[np.str_]) -> NDArray[np.str_]:
    return np.strings.add(np.strings.add(first, " "), second)
