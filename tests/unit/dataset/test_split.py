"""The validation part: decided by the formula alone, the same for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crystalforge.dataset import is_validation, split_materials, training_table, validation_counts
from crystalforge.errors import UnknownSpaceGroupError, UsageError

FORMULAS = np.array(["ScNiP", "CaTiO3", "Cs2AgCl6", "LiMgN", "BaLiF3", "KMgF3", "SrTiO3", "NaTlO2", "TiCo2Sn", "YPtBi"])


def test_the_part_never_changes() -> None:
    # Figures once published must stay comparable: a change of the hash would train on what was judged by.
    assert FORMULAS[is_validation(FORMULAS, 0.1)].tolist() == ["LiMgN", "SrTiO3"]


def test_the_order_of_the_elements_and_common_factors_do_not_matter() -> None:
    names = ["ScNiP", "PNiSc", "NiScP", "Sc4Ni4P4", "Sc2(NiP)2"]
    for share in np.linspace(0, 1, 33):
        assert len(set(is_validation(names, share).tolist())) == 1


def test_the_part_of_a_smaller_share_lies_within_that_of_a_larger(bundled_materials: pa.Table) -> None:
    formulas = bundled_materials["reduced_formula"].to_numpy(zero_copy_only=False)
    small, large = is_validation(formulas, 0.1), is_validation(formulas, 0.25)
    assert not (small & ~large).any()
    n = len(np.unique(formulas))
    for part, share in ((small, 0.1), (large, 0.25)):
        assert abs(part.mean() - share) < 4 * np.sqrt(share * (1 - share) / n)
    assert not is_validation(formulas, 0).any()
    assert is_validation(formulas, 1).all()


def test_another_process_sets_the_same_aside() -> None:
    code = f"from crystalforge.dataset import is_validation; print(is_validation({FORMULAS.tolist()}, 0.3).tolist())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(is_validation(FORMULAS, 0.3).tolist())


def test_no_formula_is_on_both_sides(bundled_materials: pa.Table) -> None:
    training, aside = split_materials(bundled_materials)
    assert training.num_rows + aside.num_rows == bundled_materials.num_rows
    assert not set(training["reduced_formula"].to_pylist()) & set(aside["reduced_formula"].to_pylist())
    counts = validation_counts(bundled_materials)
    assert sum(counts.values()) == aside.num_rows
    assert counts[62] == sum(number == 62 for number in aside["space_group_number"].to_pylist())
    assert counts[62] > 0


def test_the_training_table_leaves_the_part_out(bundled_materials: pa.Table) -> None:
    whole, part = training_table(bundled_materials, 62), training_table(bundled_materials, 62, 0.1)
    assert len(whole) - len(part) == validation_counts(bundled_materials)[62]
    assert len(part.crystals) == len(part)
    np.testing.assert_array_equal(part.crystals.atomic_numbers, part.atomic_numbers)
    with pytest.raises(UnknownSpaceGroupError, match="no crystal of space group 62"):
        training_table(bundled_materials, 62, 1.0)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        is_validation(["NaCl"], share)


@pytest.mark.parametrize("name", ["", "2", "sodium chloride", "Na-Cl"])
def test_what_is_no_formula_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="Not a reduced formula"):
        is_validation([name])


@pytest.mark.shared
def test_each_space_group_of_the_real_crystals_has_a_tenth(shared_data: Path) -> None:
    table = pq.read_table(shared_data / "mp_ternary_12sg.parquet", columns=["space_group_number", "reduced_formula"])
    numbers = table["space_group_number"].to_numpy()
    aside = is_validation(table["reduced_formula"].to_pylist())
    for number in np.unique(numbers):
        share = aside[numbers == number].mean()
        assert 0.06 < share < 0.14, (number, share)
