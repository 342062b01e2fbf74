"""Scales fitted to crystals whose elemental energies are known, with wrong entries among them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from crystalforge.errors import UsageError
from crystalforge.screening.compositions import fractions_of
from crystalforge.screening.energy_scale import EnergyScale, ScaleCrystal, fit_scale, given_scale

TRUE = {"Li": -1.9, "Na": -1.3, "Cl": -1.8, "Br": -1.6, "O": -4.9, "Ti": -7.8, "Sr": -1.7}
NAMES = {"potential": "p", "potential_version": "1", "reference": "r", "correction": "none"}


def crystals(n: int, noise: float = 0.0, seed: int = 0) -> list[ScaleCrystal]:
    """Ternaries of random elements and subscripts whose energies follow TRUE, up to noise (eV/atom)."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        chosen = random.choice(sorted(TRUE), 3, replace=False)
        formula = "".join(f"{symbol}{count}" for symbol, count in zip(chosen, random.integers(1, 5, 3), strict=True))
        formation = -2.0 * random.random()
        elements = sum(x * TRUE[symbol] for symbol, x in fractions_of(formula).items())
        made.append(ScaleCrystal(formula, formation + elements + noise * random.normal(), formation))
    return made


def test_elements_are_found_without_any_given_energy() -> None:
    scale = fit_scale(crystals(60), **NAMES)
    assert scale.element_energies == {symbol: pytest.approx(energy, abs=1e-6) for symbol, energy in TRUE.items()}
    assert scale.mean_absolute_error == pytest.approx(0.0, abs=1e-6)
    assert scale.n_crystals == scale.n_judged == 60
    assert scale.formation_energy_per_atom("LiCl", -4.0) == pytest.approx(-4.0 - (-1.9 - 1.8) / 2)


def test_the_error_is_that_of_crystals_the_fit_did_not_see() -> None:
    scale = fit_scale(crystals(400, noise=0.03), **NAMES)
    expected = 0.03 * np.sqrt(2 / np.pi)  # mean of |noise|; 7 elements of 400 crystals add little
    assert scale.mean_absolute_error == pytest.approx(expected, rel=0.15)
    assert abs(scale.mean_error or 0.0) < 0.01


def test_wrong_entries_of_the_table_do_not_turn_the_fit() -> None:
    wrong = [
        ScaleCrystal(each.formula, each.energy_per_atom, each.formation_energy_per_atom + 3) for each in crystals(5)
    ]
    scale = fit_scale(crystals(200, seed=1) + wrong, **NAMES)
    for symbol, energy in TRUE.items():
        assert scale.element_energies[symbol] == pytest.approx(energy, abs=0.05)


def test_an_element_of_too_few_crystals_is_missing_not_guessed() -> None:
    rare = ScaleCrystal("XeNaCl", -1.0, 0.5)
    scale = fit_scale([*crystals(60), rare, rare], **NAMES)
    assert "Xe" not in scale.element_energies
    assert scale.missing_elements("XeO") == ("Xe",)
    assert scale.formation_energy_per_atom("XeO", -1.0) is None


def test_elements_that_always_come_together_in_one_ratio_are_not_told_apart() -> None:
    pair = [ScaleCrystal(f"AgAuCl{n}", -2.0 - n, -0.5) for n in (1, 2, 3, 4)]
    scale = fit_scale(crystals(60) + pair, **NAMES)
    assert not {"Ag", "Au"} & set(scale.element_energies)
    assert "Cl" in scale.element_energies


def test_given_energies_hold_where_crystals_are_few_and_give_way_where_they_are_many() -> None:
    prior = {symbol: energy + 0.2 for symbol, energy in TRUE.items()} | {"Xe": -0.1}
    few, many = (fit_scale(crystals(n), prior=prior, **NAMES) for n in (3, 600))
    shift = [scale.element_energies["Li"] - TRUE["Li"] for scale in (few, many)]
    assert 0.1 < shift[0] <= 0.2
    assert abs(shift[1]) < 0.02
    assert many.element_energies["Xe"] == pytest.approx(-0.1)
    assert "drawn to the given" in many.method


def test_a_scale_goes_through_json() -> None:
    scale = fit_scale(crystals(20), **NAMES)
    assert EnergyScale.from_json(json.loads(json.dumps(scale.to_json()))) == scale


def test_given_energies_are_taken_as_they_are() -> None:
    scale = given_scale({"Li": -1.0, "Cl": -2.0}, **NAMES)
    assert scale.formation_energy_per_atom("LiCl", -2.0) == pytest.approx(-0.5)
    assert scale.mean_absolute_error is None
    assert scale.missing_elements("NaCl") == ("Na",)


def test_no_crystal_makes_no_scale() -> None:
    with pytest.raises(UsageError, match="No real crystal"):
        fit_scale([], **NAMES)


def test_a_heavier_ridge_stays_closer_to_the_given_energies() -> None:
    given = {symbol: energy + 0.2 for symbol, energy in TRUE.items()}

    def distance(ridge: float) -> float:
        scale = fit_scale(crystals(20), prior=given, ridge=ridge, **NAMES)
        return sum(abs(scale.element_energies[symbol] - energy) for symbol, energy in given.items())

    assert distance(100.0) < distance(1.0) < distance(0.01)
