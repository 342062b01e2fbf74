"""The nulls: what random input gives, put through the same merge and the same checks.

Each makes one thing random and leaves the rest real, but for noise, of which all is random:

    noise            random coordinates, cells and triples of elements
    random_triples   random triples of elements on the cells and sites of real crystals
    real_cells       random coordinates in the cells and of the elements of real crystals
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.composition import volumes_per_atom
from crystalforge.crystals.contacts import least_contacts
from crystalforge.evaluation.samples import NOISE, RANDOM_TRIPLES, REAL_CELLS, SampleSet, in_one_setting
from crystalforge.gan.compositions import count_elements, sample_compositions
from crystalforge.gan.data import radius_table
from crystalforge.gan.model import VOLUME_MARGIN, RawSamples
from crystalforge.gan.recipe import load_recipe
from crystalforge.generation.checking import Floors, floor_reasons, judge
from crystalforge.generation.null import draw_noise

MERGING_RECIPE = "quick"
"""Its merge is that of the nulls: half the sum of the two radii, at least 1 Å."""
NULL_STREAM = 7
"""Keeps the nulls' random numbers apart from those of generations."""
_PLACES = {NOISE: 0, RANDOM_TRIPLES: 1, REAL_CELLS: 2}


@dataclass(frozen=True)
class Group:
    """The training crystals of one space group, and what an accepted crystal of it must meet."""

    space_group_number: int
    crystals: CrystalBatch
    floors: Floors

    @property
    def element_counts(self) -> NDArray[np.int64]:
        """(3, 119) how often each element stands at each site."""
        return count_elements(self.crystals.atomic_numbers)


def make_groups(training: CrystalBatch, min_contact_ratio: float) -> dict[int, Group]:
    """Space group → its training crystals and floors.

    Args:
        training: crystals of any groups.
        min_contact_ratio: floor of the generation.
    """
    sampling = load_recipe(MERGING_RECIPE).sampling
    groups = {}
    for number, members in training.by_space_group():
        crystals = training.select(members)
        volumes = volumes_per_atom(crystals)
        window = (float(volumes.min()) / VOLUME_MARGIN, float(volumes.max()) * VOLUME_MARGIN)
        groups[number] = Group(number, crystals, Floors(sampling, min_contact_ratio, window))
    return groups


def judged_crystals(source: str, crystals: CrystalBatch, groups: dict[int, Group]) -> SampleSet:
    """Real crystals as a sample set: not merged again, judged by the floors that samples must meet."""
    reasons = np.full(len(crystals), "", dtype="<U24")
    for number, members in crystals.by_space_group():
        of_group = crystals.select(members)
        reasons[members] = floor_reasons(least_contacts(of_group), volumes_per_atom(of_group), groups[number].floors)
    return SampleSet.of_crystals(source, in_one_setting(crystals), reasons)


def draw_nulls(groups: dict[int, Group], counts: dict[int, int], seed: int) -> list[SampleSet]:
    """Every null, with as many samples of each space group as asked for.

    Args:
        groups: training crystals by space group.
        counts: samples of each space group.
        seed: decides every draw.
    """
    return [draw_null_set(name, groups, counts, seed) for name in NULLS]


def draw_null_set(name: str, groups: dict[int, Group], counts: dict[int, int], seed: int) -> SampleSet:
    """One null by its name, a key of ``NULLS``; arguments as of ``draw_nulls``."""
    parts = []
    for number, n in sorted(counts.items()):
        key = np.random.SeedSequence([seed, number], spawn_key=(NULL_STREAM, _PLACES[name]))
        parts.append(NULLS[name](groups[number], n, key))
    return joined(name, parts)


def joined(source: str, parts: list[SampleSet]) -> SampleSet:
    """Several sets as one."""
    starts = np.cumsum([0, *(len(part) for part in parts)])
    return SampleSet(
        source,
        np.concatenate([part.space_group_number for part in parts]),
        np.concatenate([part.reject_reason for part in parts]),
        CrystalBatch.concatenate([part.crystals for part in parts]),
        np.concatenate([part.sample_index + start for part, start in zip(parts, starts, strict=False)]),
    )


def _noise(group: Group, n: int, seed: np.random.SeedSequence) -> SampleSet:
    return _merged(NOISE, group, draw_noise(group.space_group_number, group.element_counts, n, seed))


def _random_triples(group: Group, n: int, seed: np.random.SeedSequence) -> SampleSet:
    random = np.random.default_rng(seed)
    chosen = group.crystals.select(random.integers(len(group.crystals), size=n))
    triples = sample_compositions("uniform", group.element_counts, n, random)
    crystals = replace(chosen, atomic_numbers=random.permuted(triples, axis=1))
    return judged_crystals(RANDOM_TRIPLES, crystals, {group.space_group_number: group})


def _real_cells(group: Group, n: int, seed: np.random.SeedSequence) -> SampleSet:
    random = np.random.default_rng(seed)
    chosen = group.crystals.select(random.integers(len(group.crystals), size=n))
    raw = RawSamples(
        atomic_numbers=chosen.atomic_numbers,
        frac_coords=random.random((n, 3, 3)),
        lattice_parameters=chosen.lattice_parameters,
        radii=radius_table().double().numpy()[chosen.atomic_numbers],
    )
    return _merged(REAL_CELLS, group, raw)


def _merged(source: str, group: Group, raw: RawSamples) -> SampleSet:
    verdicts = judge(group.space_group_number, raw, group.floors)
    return SampleSet(
        source,
        np.full(len(raw.atomic_numbers), group.space_group_number),
        verdicts.reasons,
        in_one_setting(verdicts.crystals),
        np.flatnonzero(verdicts.has_crystal),
    )


NULLS: dict[str, Callable[[Group, int, np.random.SeedSequence], SampleSet]] = {
    NOISE: _noise,
    RANDOM_TRIPLES: _random_triples,
    REAL_CELLS: _real_cells,
}
"""Name of a null → what draws n samples of a space group."""
