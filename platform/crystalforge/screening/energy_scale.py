"""The scale between a potential and a reference: the energy of each element, such that formation energies agree.

A formation energy is E/atom − Σ x_i μ_i. The reference's own elemental energies are not those of the potential, which
learned from other calculations, corrected in another way. So μ_i is fitted: least squares over real crystals that
the potential relaxed and whose formation energies the reference tabulates, with Huber weights, for tables hold a few
wrong entries. Elemental energies of the reference's source, where given, are what a ridge draws the fit to; without
them an element needs at least ``MIN_CRYSTALS`` crystals. An element that has neither has no energy: said, not guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.errors import UsageError
from crystalforge.screening.compositions import fractions_of

MIN_CRYSTALS = 3
"""That hold an element, for its energy to be fitted without a prior."""
RIDGE = 1.0
"""Weight of the prior: about ten ternary crystals that hold an element weigh as much as its given energy."""
HUBER_WIDTH = 0.1
"""eV/atom; errors beyond it count linearly."""
N_REWEIGHTINGS = 20
N_FOLDS = 5


@dataclass(frozen=True)
class ScaleCrystal:
    """A real crystal that stands on both scales."""

    formula: str
    energy_per_atom: float
    """Of the potential, relaxed (eV/atom)."""
    formation_energy_per_atom: float
    """Of the reference (eV/atom)."""


@dataclass(frozen=True)
class EnergyScale:
    """Energy of each element on the potential's scale, and how well it does on crystals that the fit did not see."""

    potential: str
    potential_version: str
    reference: str
    correction: str
    method: str
    element_energies: dict[str, float]
    """μ_i (eV/atom)."""
    n_crystals: int
    """That the fit was made of; 0 where the energies were given."""
    mean_absolute_error: float | None
    """Of formation energies (eV/atom), each crystal left out of the fit that judges it, in 5 folds."""
    median_absolute_error: float | None
    mean_error: float | None
    """Computed less tabulated (eV/atom)."""
    n_judged: int
    """Crystals whose elements all had an energy in their fold."""

    def missing_elements(self, formula: str) -> tuple[str, ...]:
        """Elements of a formula that have no energy on this scale."""
        return tuple(symbol for symbol in fractions_of(formula) if symbol not in self.element_energies)

    def formation_energy_per_atom(self, formula: str, energy_per_atom: float) -> float | None:
        """On the reference's scale (eV/atom); None where an element has no energy."""
        if self.missing_elements(formula):
            return None
        return energy_per_atom - sum(x * self.element_energies[symbol] for symbol, x in fractions_of(formula).items())

    def to_json(self) -> dict[str, Any]:
        """The scale as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> EnergyScale:
        """The scale that ``to_json`` wrote; further keys are left aside."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__})


def fit_scale(
    crystals: Sequence[ScaleCrystal],
    *,
    potential: str,
    potential_version: str,
    reference: str,
    correction: str,
    prior: Mapping[str, float] | None = None,
    ridge: float = RIDGE,
) -> EnergyScale:
    """Fit the elements' energies and judge the fit by cross-validation.

    Args:
        crystals: real crystals, relaxed by the potential, in any order; the folds go by this order.
        potential: its name.
        potential_version: version of its weights.
        reference: name of the reference.
        correction: of the reference's energies.
        prior: energies of elements (eV/atom) in the reference's source, on its total-energy scale.
        ridge: weight of the prior.

    Raises:
        UsageError: no crystal.
    """
    if not crystals:
        raise UsageError("No real crystal was relaxed: expected some, to bring the potential to the reference's scale.")
    errors = _errors_left_out(crystals, prior, ridge)
    known = errors[~np.isnan(errors)]
    method = "elements fitted to real crystals" + (", drawn to the given elemental energies" if prior else "")
    return EnergyScale(
        potential,
        potential_version,
        reference,
        correction,
        method,
        _fit(crystals, prior, ridge),
        len(crystals),
        float(np.abs(known).mean()) if len(known) else None,
        float(np.median(np.abs(known))) if len(known) else None,
        float(known.mean()) if len(known) else None,
        len(known),
    )


def given_scale(
    elements: Mapping[str, float], *, potential: str, potential_version: str, reference: str, correction: str
) -> EnergyScale:
    """The elemental energies as they are given: right only for a potential that learned that very scale."""
    method = "elemental energies as given"
    return EnergyScale(
        potential, potential_version, reference, correction, method, dict(elements), 0, None, None, None, 0
    )


def _errors_left_out(
    crystals: Sequence[ScaleCrystal], prior: Mapping[str, float] | None, ridge: float
) -> NDArray[np.float64]:
    """Computed less tabulated formation energy of each crystal by a fit without it; NaN where an element is unknown."""
    errors = np.full(len(crystals), np.nan)
    folds = np.arange(len(crystals)) % N_FOLDS
    for fold in range(N_FOLDS):
        rest = [crystal for crystal, number in zip(crystals, folds, strict=True) if number != fold]
        energies = _fit(rest, prior, ridge)
        for index in np.flatnonzero(folds == fold).tolist():
            crystal = crystals[index]
            fractions = fractions_of(crystal.formula)
            if set(fractions) <= set(energies):
                elements = sum(x * energies[symbol] for symbol, x in fractions.items())
                errors[index] = crystal.energy_per_atom - elements - crystal.formation_energy_per_atom
    return errors


def _fit(crystals: Sequence[ScaleCrystal], prior: Mapping[str, float] | None, ridge: float) -> dict[str, float]:
    """Energies of the elements that can be known, by Huber-weighted least squares."""
    prior = prior or {}
    counts = Counter(symbol for crystal in crystals for symbol in fractions_of(crystal.formula))
    symbols = sorted(symbol for symbol in {*counts, *prior} if symbol in prior or counts[symbol] >= MIN_CRYSTALS)
    column = {symbol: index for index, symbol in enumerate(symbols)}
    used = [crystal for crystal in crystals if set(fractions_of(crystal.formula)) <= set(column)]
    shares = np.zeros((len(used), len(symbols)))
    for row, crystal in enumerate(used):
        for symbol, share in fractions_of(crystal.formula).items():
            shares[row, column[symbol]] = share
    start = np.array([prior.get(symbol, 0.0) for symbol in symbols])
    stiffness = np.diag([ridge if symbol in prior else 0.0 for symbol in symbols])
    target = np.array([crystal.energy_per_atom - crystal.formation_energy_per_atom for crystal in used])
    target = target - shares @ start
    shift = _huber(shares, target, stiffness)
    determined = _determined(shares, stiffness)
    return {symbol: float(start[i] + shift[i]) for symbol, i in column.items() if determined[i]}


def _huber(
    shares: NDArray[np.float64], target: NDArray[np.float64], stiffness: NDArray[np.float64]
) -> NDArray[np.float64]:
    shift: NDArray[Any] = np.zeros(shares.shape[1])
    weights: NDArray[Any] = np.ones(len(target))
    for _ in range(N_REWEIGHTINGS):
        weighted = shares * weights[:, None]
        shift = np.asarray(np.linalg.lstsq(shares.T @ weighted + stiffness, weighted.T @ target, rcond=None)[0])
        weights = np.asarray(HUBER_WIDTH / np.maximum(np.abs(target - shares @ shift), HUBER_WIDTH))
    return shift


def _determined(shares: NDArray[np.float64], stiffness: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which elements the equations fix: those without a part in the null space of the normal matrix."""
    values, vectors = np.linalg.eigh(shares.T @ shares + stiffness)
    free = vectors[:, values < 1e-6]
    return np.asarray((free**2).sum(axis=1) < 1e-6)
