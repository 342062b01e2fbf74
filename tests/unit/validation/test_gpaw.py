"""The GPAW engine: what it refuses, its grids, and real calculations where GPAW is installed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.collections import dcdft
from small_queue import work_off

from crystalforge.validation.attempt import AttemptOrder, run_attempt
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.engines import find_engine
from crystalforge.validation.engines.contract import Ending, Job
from crystalforge.validation.engines.gpaw import INSTALL, PYTHON_VARIABLE, Gpaw, kpoint_grid, starting_moments
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.recipe import CalculationRecipe, load_recipe, recipe_from_values
from crystalforge.validation.requests import enqueue
from crystalforge.validation.stability import judge
from crystalforge.validation.states import ErrorClass

LITHIUM, ALUMINIUM, SILICON, IRON, LANTHANUM = 3, 13, 14, 26, 57
FACE_CENTRED = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])

needs_gpaw = pytest.mark.skipif(
    Gpaw().missing() is not None, reason=f"NO REAL DFT CODE WAS RUN: GPAW is not installed. {INSTALL}"
)


def crystal(name: str, length: float, *numbers: int) -> Crystal:
    """A cubic face-centred crystal with atoms along the diagonal at quarters of it."""
    sites = np.array([[0.25 * index] * 3 for index in range(len(numbers))])
    return Crystal(name, name, length * FACE_CENTRED, sites, np.array(numbers))


def recipe(**physics: Any) -> CalculationRecipe:
    """A coarse recipe, quick to run."""
    values = {"task": "static", "cutoff_ev": 300, "kpoint_density": 3, "smearing": "fermi-dirac", "smearing_ev": 0.1}
    limits = {"walltime_s": 200, "memory_mb": 2000}
    return recipe_from_values({"name": "t", "engine": "gpaw", "physics": values | physics, "resources": limits}, "t")


def attempt(folder: Path, of: Crystal, by: CalculationRecipe) -> dict[str, Any]:
    """A real attempt, as the queue runs it."""
    folder.mkdir(exist_ok=True)
    return run_attempt(AttemptOrder(folder.name, 1, 1, 1, str(folder), of.to_json(), by.model_dump(), {}))


def test_the_bundled_recipes_fit_the_engine() -> None:
    for name in ("gpaw-quick", "gpaw-static", "gpaw-relax", "gpaw-relax-quick"):
        found = load_recipe(name)
        assert find_engine(found.engine).refusal(crystal("Si", 5.43, SILICON, SILICON), found) is None


@pytest.mark.parametrize(
    ("number", "physics", "reason"),
    [
        (LANTHANUM, {}, "no data set of La"),
        (SILICON, {"functional": "SCAN"}, "functional = 'SCAN': expected PBE"),
        (SILICON, {"cutoff_ev": None}, "needs cutoff_ev and kpoint_density"),
        (SILICON, {"smearing": "none"}, "expected 'fermi-dirac'"),
        (SILICON, {"task": "relax", "cutoff_ev": 520}, "cutoff_ev of at least 900"),
    ],
)
def test_what_it_cannot_do_is_refused_before_it_runs(number: int, physics: dict[str, Any], reason: str) -> None:
    assert reason in str(Gpaw().refusal(crystal("X", 5.0, number), recipe(**physics)))


def test_the_grid_is_as_dense_as_asked_and_follows_the_cell() -> None:
    cubic = Crystal("c", "c", 4.0 * np.eye(3), np.zeros((1, 3)), np.array([SILICON]))
    volume = (2 * np.pi / 4.0) ** 3
    assert kpoint_grid(cubic, 64 / volume) == [4, 4, 4]
    assert kpoint_grid(cubic, 65 / volume) == [5, 5, 5]
    long = Crystal("l", "l", np.diag([4.0, 4.0, 16.0]), np.zeros((1, 3)), np.array([SILICON]))
    assert kpoint_grid(long, 64 / volume) == [4, 4, 1]


def test_spin_only_where_the_composition_asks_for_it() -> None:
    plain, magnetic = crystal("AlSi", 5.0, ALUMINIUM, SILICON), crystal("FeSi", 5.0, IRON, SILICON)
    assert starting_moments(plain, "by-composition") is None
    assert starting_moments(magnetic, "by-composition") == [4.0, 0.0]
    assert starting_moments(magnetic, "none") is None
    assert starting_moments(plain, "collinear") == [0.5, 0.5]


def test_a_python_without_gpaw_is_said_with_the_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON_VARIABLE, "/nonexistent/python3")
    assert INSTALL in str(Gpaw().missing())


def test_the_error_that_the_program_named_is_the_class(tmp_path: Path) -> None:
    job = Job(tmp_path, crystal("Si", 5.43, SILICON, SILICON), recipe())
    ending = Ending("exited", 3, 1.0, 1.0, 10.0)
    assert Gpaw().diagnose(job, ending) is ErrorClass.EXITED
    (tmp_path / "gpaw_error.json").write_text('{"error_class": "scf_not_converged", "text": "t"}')
    assert Gpaw().diagnose(job, ending) is ErrorClass.SCF_NOT_CONVERGED


@needs_gpaw
def test_a_real_energy_of_a_crystal_of_the_paper(tmp_path: Path) -> None:
    """LiAlSi: the energy lies between those of a wider and a narrower cell, and everything about it is kept."""
    energies = {}
    for length in (5.7, 5.95, 6.2):
        half_heusler = Crystal(
            "LiAlSi",
            "LiAlSi",
            length * FACE_CENTRED,
            np.array([[0.5, 0.5, 0.5], [0, 0, 0], [0.25, 0.25, 0.25]]),
            np.array([LITHIUM, ALUMINIUM, SILICON]),
        )
        report = attempt(tmp_path / str(length), half_heusler, recipe())
        assert report["error_class"] is None, report["error_text"]
        energies[length] = report["result"]["energy_ev"]
        forces = np.array(report["result"]["forces"])
        assert np.abs(forces).max() < 1e-3, "no force by symmetry"
        assert report["provenance"]["data_sets"]["Si"]["file"].startswith("Si.PBE")
        assert report["provenance"]["versions"]["gpaw"]
    assert energies[5.95] < min(energies[5.7], energies[6.2])
    assert -13.0 < energies[5.95] < -10.0


@needs_gpaw
def test_a_calculation_that_does_not_settle_is_told_apart(tmp_path: Path) -> None:
    job = Job(tmp_path, crystal("Si", 5.43, SILICON, SILICON), recipe(), {"slower_mixing": 0.01})
    engine = Gpaw()
    engine.prepare(job)  # three steps at most, and mixing five times too wild
    command = engine.command(job)
    ended = subprocess.run(command.arguments, cwd=tmp_path, env=dict(command.environment), capture_output=True)
    assert ended.returncode == 3, ended.stderr
    assert engine.diagnose(job, Ending("exited", 3, 1.0, 1.0, 10.0)) is ErrorClass.SCF_NOT_CONVERGED


@needs_gpaw
def test_a_formation_energy_comes_through_the_queue_with_elements_by_the_same_recipe(tmp_path: Path) -> None:
    """LiAlSi from coarse calculations of itself, Li, Al and Si, none of them given: near −0.19 eV/atom.

    That is what the Materials Project tabulates for it (mp-3161, PBE with the corrections of MP2020).
    """
    half_heusler = Crystal(
        "LiAlSi",
        "LiAlSi",
        5.93 * FACE_CENTRED,
        np.array([[0.5, 0.5, 0.5], [0, 0, 0], [0.25, 0.25, 0.25]]),
        np.array([LITHIUM, ALUMINIUM, SILICON]),
    )
    with Ledger(tmp_path) as ledger:
        done = enqueue(ledger, [half_heusler], recipe(kpoint_density=10, correction="MP2020"))
        assert (done.added, done.elements, done.elements_without_reference) == (1, 3, ())
        assert {state for _, state in work_off(ledger)} == {"accepted"}
        assert judge(ledger, None) == 1
        (row,) = ledger.rows("SELECT formation_energy_per_atom AS energy FROM calculations WHERE element IS NULL")
    assert row["energy"] == pytest.approx(-0.191, abs=0.06)


def wien2k_length(symbol: str, atoms_per_cube: int) -> float:
    """Length (Å) of an element's cubic cell by all-electron PBE (WIEN2k), from the Δ-project's table in ASE."""
    return float((atoms_per_cube * dcdft.data[symbol]["wien2k_volume"]) ** (1 / 3))


PBE_LENGTHS = {
    "LiF": ("rocksalt", 4.064, 4.12),
    "MgO": ("rocksalt", 4.255, 4.20),
    "NaCl": ("rocksalt", 5.695, 5.60),
    "Si": ("diamond", wien2k_length("Si", 8), 5.40),
    "Al": ("fcc", wien2k_length("Al", 4), 4.10),
}
"""Structure, conventional length by PBE (Å) and the length that is begun with.

The lengths of the compounds are those of the repository statt8900/ksb_scripts, data/data_solids_wPBE.py (`pbe_lp`).
"""


@needs_gpaw
@pytest.mark.nightly
@pytest.mark.parametrize("name", PBE_LENGTHS)
def test_a_relaxation_ends_within_a_hundredth_of_the_known_length(tmp_path: Path, name: str) -> None:
    structure, known, start = PBE_LENGTHS[name]
    atoms = bulk(name, structure, a=start)
    begun = Crystal(name, name, np.array(atoms.cell), atoms.get_scaled_positions(), atoms.numbers)
    report = attempt(tmp_path / name, begun, load_recipe("gpaw-relax"))
    assert report["error_class"] is None, report["error_text"]
    length = (4 * abs(np.linalg.det(np.array(report["result"]["lattice"])))) ** (1 / 3)
    assert length == pytest.approx(known, rel=0.01)
