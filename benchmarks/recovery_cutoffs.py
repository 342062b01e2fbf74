"""Rules for the merge's cut-off: what each recovers of moved crystals, and what it destroys of real ones.

A site x = x0 + δ next to a position with site symmetry H has the images x + (R_h - 1)·δ, at most 2·|δ| away, for every
h of H. So a cut-off of 2·|δ| reaches all of H, and the merge finds its centre exactly, unless another operation comes
within the cut-off as well: it moves the site by at least s - 2·|δ|, s being the least distance of two atoms of the real
orbit. A cut-off c is therefore certain to recover the site if 2·|δ| ≤ c < s - 2·|δ|. Noise ±ε on each coordinate of a
right-angled cell makes |δ| ≤ ε·√(a² + b² + c²) = √3·σ: c = 2·√3·σ always reaches. Without knowing ε, c = s/2 bears
the most: |δ| < s/4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recovery_trials import Trials, draw_trials, known_radii, merge_trials, recovered

from crystalforge.crystals.batch import CrystalBatch
from crystalforge.crystals.contacts import least_contacts, pair_distances
from crystalforge.crystals.elements import symbols
from crystalforge.gan.recipe import load_recipe, recipe_names

FloatArray = NDArray[np.float64]

RATIOS = tuple(np.round(np.arange(0.1, 1.01, 0.05), 2).tolist())
FLOORS = tuple(np.round(np.arange(0.0, 1.61, 0.1), 2).tolist())
FACTORS = tuple(np.round(np.arange(0.5, 5.01, 0.25), 2).tolist())
ALWAYS_REACHES = 2 * 3**0.5
"""Times σ: the cut-off that reaches every image of a site in a right-angled cell."""
FLOOR = 1.0
"""Å; below every distance of two atoms of one orbit among the real crystals (the least is N-N, 1.13 Å)."""

MIN_CONTACT_RATIO, MIN_DISTANCE = 0.75, 0.5
"""Floors of generation for contacts: share of the sum of radii, and Å."""

Rule = Callable[[FloatArray, FloatArray], FloatArray]
"""(n, 3) radii and (n, 1) σ, both in Å → cut-offs (n, 3) in Å."""


@dataclass(frozen=True)
class Cutoff:
    """The default cut-off: ``max(ratio · 2r, floor)``."""

    ratio: float
    floor_angstrom: float

    def of(self, atomic_numbers: NDArray[np.int64]) -> FloatArray:
        """(n, 3) Å."""
        return np.maximum(self.ratio * 2 * known_radii(atomic_numbers), self.floor_angstrom)

    @property
    def formula(self) -> str:
        """As it stands in the tables."""
        share = f"{self.ratio:g} · 2r"
        return f"max({share}, {self.floor_angstrom:g} Å)" if self.floor_angstrom else share


def cutoffs_of_recipes() -> dict[str, Cutoff]:
    """What the recipes of the package hold."""
    samplings = {name: load_recipe(name).sampling for name in recipe_names()}
    return {name: Cutoff(part.merge_ratio, part.merge_floor_angstrom) for name, part in samplings.items()}


def by_ratio(ratio: float, floor: float = 0.0) -> Rule:
    """A share of twice the radius, at least the floor."""
    return lambda radii, sigma: np.maximum(ratio * 2 * radii, floor)


def by_noise(factor: float, most: Rule | None = None) -> Rule:
    """A multiple of σ, which has to be known, and at most another rule."""

    def rule(radii: FloatArray, sigma: FloatArray) -> FloatArray:
        wanted = np.broadcast_to(factor * sigma, radii.shape)
        return wanted.copy() if most is None else np.minimum(wanted, most(radii, sigma))

    return rule


def compared_rules(default: Cutoff) -> dict[str, Rule]:
    """The rules that stand side by side in the table; first the default, the others are compared with it."""
    cutoffs = [default, *(Cutoff(ratio, floor) for floor in (0.0, 0.8, FLOOR) for ratio in (0.5, 0.55, 0.6))]
    floored = by_ratio(0.5, FLOOR)
    return {
        **{cutoff.formula: by_ratio(cutoff.ratio, cutoff.floor_angstrom) for cutoff in cutoffs},
        "2√3 · σ": by_noise(ALWAYS_REACHES),
        "min(2√3 · σ, 0.75 · 2r)": by_noise(ALWAYS_REACHES, by_ratio(0.75)),
        f"min(2√3 · σ, max(0.5 · 2r, {FLOOR:g} Å))": by_noise(ALWAYS_REACHES, floored),
    }


class Judge:
    """Recovered and destroyed shares of rules, on trials, real crystals, and random sites as the null."""

    def __init__(self, trials: dict[float, Trials], real: CrystalBatch, null: Trials) -> None:
        self._trials = trials
        self._null = null
        self._real = real
        self._real_radii = known_radii(real.atomic_numbers)
        # A merge changes a real orbit exactly if two of its atoms, lattice images included, are within the cut-off.
        self._own_distances = pair_distances(real)[:, :3]
        unmoved = np.random.default_rng(0)
        self._real_sigma = {noise: draw_trials(real, noise, 1, unmoved).rms_displacement[:, None] for noise in trials}

    def curve(self, rule_of: Callable[[float], Rule], values: Sequence[float]) -> dict[str, Any]:
        """Shares along one parameter: ``recovered`` and ``destroyed``, noise → list."""
        rules = [rule_of(value) for value in values]
        return {
            "value": list(values),
            "recovered": {
                str(noise): [float(self.each(rule, noise).mean()) for rule in rules] for noise in self._trials
            },
            "destroyed": {
                str(noise): [self.n_destroyed(rule, noise) / len(self._real) for rule in rules]
                for noise in self._trials
            },
        }

    def each(self, rule: Rule, noise: float) -> NDArray[np.bool_]:
        """(n,) whether each trial is recovered, by the strict criterion."""
        trials = self._trials[noise]
        cutoff = rule(known_radii(trials.originals.atomic_numbers), trials.rms_displacement[:, None])
        return recovered(trials, merge_trials(trials, cutoff))

    def n_destroyed(self, rule: Rule, noise: float) -> int:
        """Real crystals, unmoved, that the rule merges."""
        cutoff = rule(self._real_radii, self._real_sigma[noise])
        return int((self._own_distances <= cutoff).any(axis=1).sum())

    def null_accepted(self, rule: Rule, noise: float) -> NDArray[np.bool_]:
        """(n,) whether crystals of random sites keep the floors for contacts after the merge."""
        cutoff = rule(known_radii(self._null.originals.atomic_numbers), self._trials[noise].rms_displacement[:, None])
        merged = merge_trials(self._null, cutoff)
        contacts = least_contacts(merged)
        return np.asarray((contacts.min_contact_ratio >= MIN_CONTACT_RATIO) & (contacts.min_distance >= MIN_DISTANCE))

    def table(self, rules: dict[str, Rule], greatest: float) -> list[dict[str, Any]]:
        """Every rule: shares by noise, destroyed crystals, and the difference from the first rule at one noise."""
        rows: list[dict[str, Any]] = []
        base = None
        for name, rule in rules.items():
            each = {noise: self.each(rule, noise) for noise in self._trials}
            base = each[greatest] if base is None else base
            difference, error = by_crystal(each[greatest].astype(float) - base, self._trials[greatest].crystal)
            rows.append(
                {
                    "rule": name,
                    "recovered": {str(noise): float(values.mean()) for noise, values in each.items()},
                    "n_destroyed": {str(noise): self.n_destroyed(rule, noise) for noise in self._trials},
                    "null_accepted": float(self.null_accepted(rule, greatest).mean()),
                    "difference": difference,
                    "difference_se": error,
                }
            )
        return rows

    def destroyed_by_merging(self, cutoff: Cutoff) -> int:
        """The same count by the merge itself: a check of the short cut through distances."""
        random = np.random.default_rng(0)
        unmoved = draw_trials(self._real, 0.0, 1, random)
        merged = merge_trials(unmoved, cutoff.of(self._real.atomic_numbers))
        return int((merged.multiplicity != self._real.multiplicity).any(axis=1).sum())

    def short_merges(self, cutoff: Cutoff, noise: float, most: int) -> list[dict[str, Any]]:
        """The elements whose sites most often stay unmerged, with 2r and their least distances in real orbits (Å)."""
        trials = self._trials[noise]
        numbers = trials.originals.atomic_numbers
        merged = merge_trials(trials, cutoff.of(numbers))
        short = numbers[merged.multiplicity > trials.originals.multiplicity]
        found, counts = np.unique(short, return_counts=True)
        return [
            {
                "element": str(symbols(number)),
                "share_of_short_merges": float(counts[found == number][0] / len(short)),
                "diameter_angstrom": float(2 * known_radii(number)),
                "distance_percentile_1_angstrom": float(
                    np.quantile(self._own_distances[self._real.atomic_numbers == number], 0.01)
                ),
            }
            for number in found[np.argsort(-counts)][:most]
        ]

    @property
    def least_own_distance(self) -> float:
        """Å, of two atoms of one orbit among the real crystals."""
        return float(self._own_distances.min())


def by_crystal(values: FloatArray, crystal: NDArray[np.int64]) -> tuple[float, float]:
    """Mean and its standard error; draws of one crystal are not independent, so crystals are what is counted."""
    means = np.bincount(crystal, weights=values) / np.bincount(crystal)
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means)))
