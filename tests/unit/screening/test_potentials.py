"""Potentials are found by name; one that is absent is an error with the line that installs it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from crystalforge.errors import MissingDependencyError, UsageError
from crystalforge.screening.potentials import GROUP, KNOWN, known_potentials, load_potential

ENTRY_POINT = """
from ase.calculators.lj import LennardJones
from crystalforge.screening.potentials import Potential

def load(model):
    return Potential("mine", "1", LennardJones)

def wrong(model):
    return 3
"""


@pytest.fixture
def package_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that offers two potentials by entry points, one of them wrong."""
    (tmp_path / "my_potential.py").write_text(ENTRY_POINT)
    information = tmp_path / "my_potential-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: my-potential\nVersion: 1\n")
    points = "mine = my_potential:load\nwrong = my_potential:wrong\n"
    (information / "entry_points.txt").write_text(f"[{GROUP}]\n{points}")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_potential_comes_with_name_version_and_calculator() -> None:
    potential = load_potential("emt")
    assert potential.name == "emt"
    assert potential.version.startswith("ase 3")
    assert "stress" in potential.calculator().implemented_properties


@pytest.mark.parametrize("name", [name for name, known in KNOWN.items() if find_spec(known.module) is None])
def test_an_absent_potential_names_its_install_line(name: str) -> None:
    with pytest.raises(MissingDependencyError, match="Install it: pip install") as error:
        load_potential(name)
    assert KNOWN[name].install in str(error.value)


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"No potential 'nonsense'.*chgnet, emt, mace"):
        load_potential("nonsense")


def test_a_model_file_must_exist_and_be_wanted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected the file of a model"):
        load_potential("emt", tmp_path / "absent.pt")
    there = tmp_path / "weights.pt"
    there.write_bytes(b"weights")
    with pytest.raises(UsageError, match="leave out --model"):
        load_potential("emt", there)


@pytest.mark.usefixtures("package_of_a_user")
def test_an_installed_package_offers_a_potential_by_entry_point() -> None:
    assert "mine" in known_potentials()
    assert load_potential("mine").version == "1"


@pytest.mark.usefixtures("package_of_a_user")
def test_an_entry_point_that_gives_something_else_is_refused() -> None:
    with pytest.raises(UsageError, match="gave int: expected a Potential"):
        load_potential("wrong")
