"""SMACT's verdicts, each formula judged once, are SMACT's."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from smact.screening import smact_validity as judge

from crystalforge.evaluation.compositional_validity import smact_validity
from crystalforge.evaluation.workers import Workers


def test_salts_pass_alloys_by_their_rule_and_nonsense_never(here: Workers) -> None:
    formulas = np.array(["SrTiO3", "AlMnCu2", "NaClO7F9", "SrTiO3"])
    with_alloys, without = smact_validity(formulas, here)
    assert with_alloys.tolist() == [True, True, False, True]
    assert without.tolist() == [True, False, False, True]


def test_as_smact_itself_on_real_formulas(bundled_materials: pa.Table, here: Workers) -> None:
    formulas = np.array(bundled_materials["reduced_formula"].to_pylist())
    formulas = np.random.default_rng(0).choice(formulas, 60, replace=False)
    with_alloys, without = smact_validity(formulas, here)
    assert with_alloys.tolist() == [judge(str(formula)) for formula in formulas]
    assert without.tolist() == [judge(str(formula), include_alloys=False) for formula in formulas]
    assert 0 < without.sum() < with_alloys.sum()


def test_no_formulas_no_verdicts(here: Workers) -> None:
    with_alloys, without = smact_validity(np.array([], dtype=str), here)
    assert (len(with_alloys), len(without)) == (0, 0)
