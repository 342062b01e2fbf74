"""The hull of a small reference whose answers are worked out by hand, and of the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crystalforge.errors import UsageError
from crystalforge.screening.hull import NEARLY_STABLE, ReferenceHull
from crystalforge.screening.reference import MP_CORRECTION, Reference, ReferenceCrystal, read_reference

CRYSTALS = (
    ReferenceCrystal("salt", "NaCl", -2.0),
    ReferenceCrystal("worse-salt", "NaCl", -1.9),
    ReferenceCrystal("potash", "KCl", -2.2),
    ReferenceCrystal("silicon-at-high-pressure", "Si", 0.3),
    ReferenceCrystal("green-rust", "Na3Cl", -0.2),
)


@pytest.fixture
def hull() -> ReferenceHull:
    return ReferenceHull(Reference("small", "none", CRYSTALS))


def test_a_crystal_on_the_tie_line_of_two_is_judged_by_their_mixture(hull: ReferenceHull) -> None:
    found = hull.energy_above_hull("NaKCl2", -2.0)
    assert found.energy_above_hull == pytest.approx(-2.0 - (-2.0 - 2.2) / 2)
    assert found.decomposition == (("KCl", 0.5), ("NaCl", 0.5))
    assert found.is_stable is False
    assert found.is_nearly_stable is True


def test_a_binary_off_the_compounds_mixes_with_an_element(hull: ReferenceHull) -> None:
    # Na2Cl = 2/3 NaCl + 1/3 Na by atoms; Na3Cl at -0.2 lies far above that line.
    found = hull.energy_above_hull("Na2Cl", -1.0)
    assert found.energy_above_hull == pytest.approx(-1.0 + 2.0 * 2 / 3)
    assert dict(found.decomposition) == {"Na": pytest.approx(0.333), "NaCl": pytest.approx(0.667)}


def test_below_the_hull_is_below_zero_and_stable(hull: ReferenceHull) -> None:
    found = hull.energy_above_hull("NaCl", -2.05)
    assert found.energy_above_hull == pytest.approx(-0.05)
    assert found.is_stable is True


@pytest.mark.parametrize(("energy", "near"), [(-1.9 - 1e-9, True), (-1.9 + 1e-6, False)])
def test_nearly_stable_ends_at_a_tenth(hull: ReferenceHull, energy: float, near: bool) -> None:
    assert NEARLY_STABLE == 0.1
    assert hull.energy_above_hull("NaCl", energy).is_nearly_stable is near


def test_a_crystal_may_be_left_out_of_its_own_hull(hull: ReferenceHull) -> None:
    assert hull.energy_above_hull("NaCl", -2.0, leave_out=["salt"]).energy_above_hull == pytest.approx(-0.1)
    assert hull.energy_above_hull("NaCl", -2.0).energy_above_hull == pytest.approx(0.0)


def test_an_element_that_the_reference_does_not_know_is_said(hull: ReferenceHull) -> None:
    found = hull.energy_above_hull("NaXeCl", -1.0)
    assert found.energy_above_hull is None
    assert found.is_stable is None
    assert found.missing_terminals == ("Xe",)


def test_systems_without_a_compound_are_said(hull: ReferenceHull) -> None:
    found = hull.energy_above_hull("NaKCl2", -2.0)
    assert found.systems_without_reference == ("K-Na", "Cl-K-Na")
    assert hull.energy_above_hull("NaCl", -2.0).systems_without_reference == ()


def test_a_high_form_of_an_element_does_not_lift_its_terminal(hull: ReferenceHull) -> None:
    assert hull.energy_above_hull("NaSi", 0.0).energy_above_hull == pytest.approx(0.0)


def test_a_reference_file_is_named_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    pq.write_table(pa.table({"formula": ["NaCl", "KCl"], "formation_energy_per_atom": [-2.0, None]}), path)
    reference = read_reference(path)
    assert reference.name.startswith("mine-")
    assert reference.correction == "not stated"
    assert [crystal.name for crystal in reference.crystals] == ["NaCl"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"formula": ["NaCl"]}, "lacks formation_energy_per_atom"),
        ({"formula": ["NaCl"], "formation_energy_per_atom": [float("nan")]}, "no crystal with a formation energy"),
    ],
)
def test_a_file_that_is_no_reference_is_refused(tmp_path: Path, columns: dict[str, list[object]], message: str) -> None:
    path = tmp_path / "wrong.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(UsageError, match=message):
        read_reference(path)
    with pytest.raises(UsageError, match="found none"):
        read_reference(tmp_path / "absent.parquet")


@pytest.mark.shared
def test_the_real_hull_gives_the_tabulated_energies_of_its_own_crystals(shared_data: Path) -> None:
    path = shared_data / "hull_reference.parquet"
    hull = ReferenceHull(read_reference(path, MP_CORRECTION))
    table = pq.read_table(path)
    rows = np.random.default_rng(1).choice(table.num_rows, 60, replace=False)
    errors = []
    for row in table.take(rows).to_pylist():
        found = hull.energy_above_hull(row["formula"], row["formation_energy_per_atom"])
        assert found.energy_above_hull is not None
        errors.append(found.energy_above_hull - row["e_above_hull"])
    # Reference and tabulated hull are not of one day: some competing crystals are missing, a few came later.
    assert np.mean(np.abs(errors) < 0.02) >= 0.88
    assert abs(np.mean(errors)) < 0.005


def test_a_noble_gas_is_judged_without_a_warning() -> None:
    """pymatgen warns of its electronegativity where it writes a formula; warnings are errors in these tests."""
    hull = ReferenceHull(Reference("r", "none", (ReferenceCrystal("x", "NaAr2", -0.1),)))
    found = hull.energy_above_hull("NaAr", 0.0)
    assert found.decomposition == (("Na", 0.25), ("NaAr2", 0.75))
