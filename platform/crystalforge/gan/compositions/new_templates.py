"""Compositions on Wyckoff templates that no training crystal of the space group has.

A new template combines the letters that the training crystals have in a way that none of them does:

    p(T) ∝ product of the letters' shares among the training sites · share of the stoichiometry

Its elements are those that the fitted sampler puts on the training templates of the same stoichiometry, whatever their
letters; of a stoichiometry that no training crystal has, those of the letters. Left out are templates that are another
setting of a training template, that put two sites on one position without freedom, that have more atoms than any
training crystal, or whose crystals have more symmetry than the space group.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from math import factorial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.lattice import apply_crystal_system
from crystalforge.crystals.symmetry_search import find_space_groups
from crystalforge.errors import CompositionError
from crystalforge.gan.compositions.marginals import slot_counts, smoothed_letters
from crystalforge.gan.compositions.sampler import CompositionSampler
from crystalforge.gan.compositions.space import N_ORDERS, N_SLOTS, CompositionSpace
from crystalforge.gan.compositions.tables import probabilities
from crystalforge.gan.compositions.threads import one_thread
from crystalforge.symmetry import sites_of, space_group
from crystalforge.symmetry.setting_tables import setting_tables

MOST_TEMPLATES = 60
"""The likeliest so many are drawn from: a table of all would not fit into memory in groups of many letters."""
PRIOR = 2.0
"""Weight, in crystals, of stoichiometries that no training crystal has."""
_GENERIC = np.array([[0.137, 0.289, 0.411], [0.0613, 0.178, 0.347], [0.223, 0.0917, 0.463]])
"""Free coordinates of three sites, at which a crystal has no more symmetry than its template."""
_EDGES = (11.3, 13.7, 17.9)
_ELEMENTS = (3, 26, 8)
_PERMUTATIONS = tuple(itertools.permutations(range(N_SLOTS)))

Letters = tuple[str, ...]
Counts = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class NewTemplates(CompositionSpace):
    """Templates without crystals; how often each is drawn, and in which orders of electronegativity, is given."""

    shares: NDArray[np.float64]

    @property
    def order_shares(self) -> NDArray[np.float64]:
        """(n_templates, 8)."""
        return self.shares


class ByStoichiometry:
    """What a fitted sampler puts on templates of the same stoichiometry."""

    def __init__(self, sampler: CompositionSampler, letters: NDArray[np.str_], multiplicity: NDArray[np.int64]) -> None:
        self._letters, self._counts = letters.tolist(), _reduced(multiplicity)
        self._by_letter = smoothed_letters(sampler.space, slot_counts(sampler.space))
        self._learned = _learned_by_stoichiometry(sampler)

    def template(self, template: int) -> Tensor:
        """(n_elements, n_elements, n_elements) weights."""
        counts = self._counts[template]
        order = np.argsort(counts, kind="stable")
        learned = self._learned.get(tuple(sorted(counts)))
        if learned is None:
            first, second, third = (self._by_letter[letter] for letter in self._letters[template])
            return first[:, None, None] * second[:, None] * third
        return learned.permute(*np.argsort(order).tolist()).clone()


def with_new_templates(sampler: CompositionSampler) -> CompositionSampler:
    """The sampler of new templates of a fitted sampler's space group.

    Raises:
        CompositionError: its training crystals have every template that their letters make.
    """
    space = sampler.space
    letters, weights = _likeliest(space)
    if not letters:
        raise CompositionError(
            f"Space group {space.space_group_number} has no new Wyckoff template of the letters and sizes of its "
            "training crystals: every one that keeps the space group is among them. Leave out this space group."
        )
    names = np.array(letters, dtype=np.str_)
    none = np.empty((0, 1 + N_SLOTS), dtype=np.int64)
    plain = NewTemplates(space.space_group_number, names, space.elements, none, np.empty(0))
    with one_thread():
        density = ByStoichiometry(sampler, names, plain.multiplicity)
        shares = weights[:, None] * _order_shares(plain, density)
    known = NewTemplates(space.space_group_number, names, space.elements, none, shares / shares.sum())
    return CompositionSampler(sampler.kind, known, density, {})


def _likeliest(space: CompositionSpace) -> tuple[list[Letters], NDArray[np.float64]]:
    """The new templates that are drawn from, and their shares."""
    positions = {position.letter: position for position in space_group(space.space_group_number).wyckoff_positions}
    known = {tuple(row) for row in space.letters.tolist()}
    occurring = np.repeat(space.letters, space.template_counts, axis=0)
    sites = Counter(occurring.ravel().tolist())
    most = space.multiplicity.sum(axis=1).max()
    stoichiometries: Counter[Counts] = Counter()
    for counts, n in zip(_reduced(space.multiplicity), space.template_counts.tolist(), strict=True):
        stoichiometries[_sorted(counts)] += n
    found: dict[Letters, float] = {}
    for letters in itertools.combinations_with_replacement(sorted(sites), N_SLOTS):
        multiplicity = np.array([[positions[letter].multiplicity for letter in letters]])
        fixed = [letter for letter in letters if positions[letter].degrees_of_freedom == 0]
        is_new = letters not in known and letters == _settings(space.space_group_number, letters)[0]
        if not is_new or len(set(fixed)) < len(fixed) or multiplicity.sum() > most:
            continue
        ways = factorial(N_SLOTS) / np.prod([factorial(n) for n in Counter(letters).values()])
        share = np.prod([sites[letter] / sites.total() for letter in letters])
        stoichiometry = stoichiometries[_sorted(_reduced(multiplicity)[0])] + PRIOR / (1 + len(stoichiometries))
        found[letters] = float(ways * share * stoichiometry)
    ordered = sorted(found, key=lambda letters: (-found[letters], letters))
    chosen: list[Letters] = []
    for start in range(0, len(ordered), MOST_TEMPLATES):
        part = ordered[start : start + MOST_TEMPLATES]
        chosen += itertools.compress(part, _keeps_group(space.space_group_number, part))
        if len(chosen) >= MOST_TEMPLATES:
            break
    chosen = chosen[:MOST_TEMPLATES]
    weights = np.array([found[letters] for letters in chosen])
    return chosen, weights / max(weights.sum(), 1e-300)


def _settings(space_group_number: int, letters: Letters) -> list[Letters]:
    """The letters of the three sites in every setting of the group, each sorted; the least first."""
    return sorted({tuple(sorted(after)) for after in _renamings(space_group_number, letters)})


def _renamings(space_group_number: int, letters: Letters) -> list[Letters]:
    """The letters that the three sites have in every setting of the group."""
    names = [position.letter for position in space_group(space_group_number).wyckoff_positions]
    places = [names.index(letter) for letter in letters]
    after = setting_tables(space_group_number).position_after[:, places]
    return [(names[a], names[b], names[c]) for a, b, c in after.tolist()]


def _keeps_group(space_group_number: int, templates: list[Letters]) -> NDArray[np.bool_]:
    """(n,) whether a crystal of each template has the space group and no more symmetry."""
    n = len(templates)
    letters = np.array(templates, dtype=np.str_).reshape(n, N_SLOTS)
    positions = {position.letter: position for position in space_group(space_group_number).wyckoff_positions}
    parameters = np.tile(_GENERIC, (n, 1))
    cell = np.tile([*_EDGES, 90.0, 90.0, 90.0], (n, 1))
    batch = CrystalBatch(
        space_group_number=np.full(n, space_group_number),
        lattice_parameters=apply_crystal_system(cell, space_group_number),
        atomic_numbers=np.tile(_ELEMENTS, (n, 1)),
        frac_coords=sites_of(space_group_number, letters.ravel(), parameters).reshape(n, N_SLOTS, 3),
        multiplicity=np.array([[positions[letter].multiplicity for letter in row] for row in templates]),
        wyckoff_letter=letters,
    )
    return np.asarray(find_space_groups(batch) == space_group_number)


def _order_shares(space: NewTemplates, density: ByStoichiometry) -> NDArray[np.float64]:
    """(n_templates, 8) share of each order of electronegativity in a template, as the density has them.

    Of orders that are settings of one crystal only the one is drawn whose letters, by electronegativity, are least.
    """
    shares = np.zeros((len(space.letters), N_ORDERS))
    for template, letters in enumerate(space.letters.tolist()):
        weights = density.template(template).numpy().reshape(-1)
        totals = np.bincount(space.orders + 1, weights=weights, minlength=N_ORDERS + 1)[1:]
        allowed = _least_orders(space.space_group_number, tuple(letters))
        shares[template] = totals * allowed / max(float((totals * allowed).sum()), 1e-300)
    return shares


def _least_orders(space_group_number: int, letters: Letters) -> NDArray[np.bool_]:
    """(8,) whether an order of the slots' electronegativities is drawn."""
    allowed = np.zeros(N_ORDERS, dtype=np.bool_)
    renamings = [after for after in _renamings(space_group_number, letters) if sorted(after) == list(letters)]
    for rank in _PERMUTATIONS:  # of the slots: 0 is the least electronegative
        sites = np.argsort(rank)
        own = [letters[site] for site in sites]
        stable = all(rank[i] < rank[j] for i, j in ((0, 1), (0, 2), (1, 2)) if letters[i] == letters[j])
        if stable and all(own <= [after[site] for site in sites] for after in renamings):
            allowed[(rank[0] < rank[1]) * 4 + (rank[0] < rank[2]) * 2 + (rank[1] < rank[2])] = True
    return allowed


def _learned_by_stoichiometry(sampler: CompositionSampler) -> dict[Counts, Tensor]:
    """Reduced counts, ascending → weights of the elements of slots in that order, over all templates that have them."""
    space = sampler.space
    learned: dict[Counts, Tensor] = {}
    for counts, values in zip(_reduced(space.multiplicity), probabilities(space, sampler.density), strict=True):
        weights = torch.as_tensor(values).reshape(space.shape[1:])
        key = _sorted(counts)
        orders = [order for order in _PERMUTATIONS if tuple(counts[slot] for slot in order) == key]
        for order in orders:
            part = weights.permute(*order) / len(orders)
            learned[key] = learned[key] + part if key in learned else part
    return learned


def _reduced(multiplicity: NDArray[np.int64]) -> list[Counts]:
    divisor = np.gcd.reduce(multiplicity, axis=1)[:, None]
    return [(a, b, c) for a, b, c in (multiplicity // divisor).tolist()]


def _sorted(counts: Counts) -> Counts:
    return tuple(sorted(counts))
