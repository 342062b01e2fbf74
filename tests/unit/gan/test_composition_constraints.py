"""Constraints inside the sampling: met exactly, by conditioning and not by filtering, and refused clearly."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crystalforge.crystals.elements import atomic_number, symbols
from crystalforge.crystals.oxidation import is_metal
from crystalforge.errors import CompositionError
from crystalforge.gan.compositions import CompositionSampler, Constraints, Drawn, fit

MULTIPLICITY = {"a": 1, "b": 1, "c": 3, "d": 3, "e": 6, "f": 6, "g": 8}


@pytest.fixture(scope="module")
def sampler(bundled_materials: pa.Table) -> CompositionSampler:
    """Space group 221: perovskites and antiperovskites beside others."""
    rows = bundled_materials.filter(pc.equal(bundled_materials["space_group_number"], 221))
    numbers = atomic_number(np.array(rows["elements"].to_pylist()))
    return fit("swap", rows["wyckoff_letters"].to_pylist(), numbers, 0, space_group_number=221)


def draw(sampler: CompositionSampler, **words: object) -> Drawn:
    return sampler.draw(500, np.random.default_rng(0), Constraints.parse(**words))  # type: ignore[arg-type]


def formula_units(drawn: Drawn) -> list[dict[str, int]]:
    rows = zip(symbols(drawn.atomic_numbers).tolist(), drawn.letters.tolist(), strict=True)
    return [{symbol: MULTIPLICITY[letter] for symbol, letter in zip(*row, strict=True)} for row in rows]


def test_elements_in_with_wildcards_and_out(sampler: CompositionSampler) -> None:
    units = formula_units(draw(sampler, elements="Ba,*,O", without="Ti Zr"))
    assert all({"Ba", "O"} <= set(unit) and not {"Ti", "Zr"} & set(unit) for unit in units)
    assert len({tuple(sorted(unit)) for unit in units}) > 5


def test_an_anonymous_formula_fixes_the_template(sampler: CompositionSampler) -> None:
    units = formula_units(draw(sampler, formula="ABX3"))
    assert all(sorted(unit.values()) == [1, 1, 3] for unit in units)
    assert all(sorted(unit.values()) == [1, 1, 3] for unit in formula_units(draw(sampler, formula="A2X6Z2")))


def test_an_exact_formula_fixes_elements_and_counts(sampler: CompositionSampler) -> None:
    units = formula_units(draw(sampler, formula="SrTiO3"))
    assert all(unit == {"Sr": 1, "Ti": 1, "O": 3} for unit in units)


def test_max_atoms_counts_the_primitive_cell(sampler: CompositionSampler) -> None:
    assert max(sum(unit.values()) for unit in formula_units(draw(sampler))) > 5
    assert max(sum(unit.values()) for unit in formula_units(draw(sampler, max_atoms=5))) == 5


def test_channels(sampler: CompositionSampler) -> None:
    from smact.screening import smact_validity

    metals = draw(sampler, channel="intermetallic")
    assert is_metal()[metals.atomic_numbers].all()
    balanced = formula_units(draw(sampler, channel="charge_balanced"))
    texts = ["".join(f"{symbol}{count}" for symbol, count in unit.items()) for unit in balanced]
    assert np.mean([smact_validity(text, include_alloys=False) for text in texts]) >= 0.95


def test_novel_never_repeats_a_training_crystal(sampler: CompositionSampler) -> None:
    drawn = draw(sampler, novel=True)
    assert not np.isin(sampler.space.encode(drawn.letters, drawn.atomic_numbers), sampler.space.training_cells).any()
    plain = draw(sampler)
    assert np.isin(sampler.space.encode(plain.letters, plain.atomic_numbers), sampler.space.training_cells).any()


def test_a_constraint_is_the_condition_of_the_distribution(sampler: CompositionSampler) -> None:
    plain = sampler.draw(200_000, np.random.default_rng(1))
    held = (plain.atomic_numbers == 8).any(axis=1)
    oxygen = sampler.draw(held.sum(), np.random.default_rng(2), Constraints(elements_in=("O",)))
    for element in np.unique(plain.atomic_numbers[held]):
        filtered = (plain.atomic_numbers[held] == element).any(axis=1).mean()
        conditioned = (oxygen.atomic_numbers == element).any(axis=1).mean()
        assert abs(filtered - conditioned) < 6 * np.sqrt(2 * max(filtered, 1 / held.sum()) / held.sum())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"elements": "Qq"}, "Unknown element 'Qq'"),
        ({"elements": "Li,Na,K,O"}, "three elements, but 4 were asked for"),
        ({"elements": "Fe,Fe,O"}, "Fe stands twice"),
        ({"elements": "Li,O", "without": "O"}, "O must be both in and out"),
        ({"channel": "magic"}, "expected one of charge_balanced, intermetallic"),
        ({"formula": "LiO"}, "no formula of three elements"),
        ({"formula": "li2o3"}, "no formula of three elements"),
        ({"formula": "AFeO3x"}, "no formula of three elements"),
        ({"formula": "AFeO3"}, "mixes elements and unknown symbols"),
        ({"max_atoms": 2}, "cannot hold three elements"),
        ({"elements": "He"}, r"No training crystal of space group 221 contains He.*Possible: "),
        ({"formula": "A2B3X7"}, r"formula A2B3X7\. Possible formulas: AB3X3, ABX3"),
        ({"formula": "SrTiO3", "elements": "Ba"}, "does not contain Ba"),
        ({"formula": "SrTiO3", "without": "O"}, "contains O, which must be out"),
        ({"max_atoms": 4}, "smallest primitive cell has 5 atoms"),
        ({"elements": "O,F", "channel": "intermetallic"}, "no composition that meets all of: with O, F; intermetallic"),
    ],
)
def test_what_cannot_be_met_is_refused(sampler: CompositionSampler, words: dict[str, object], message: str) -> None:
    with pytest.raises(CompositionError, match=message):
        draw(sampler, **words)
