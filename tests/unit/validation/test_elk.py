"""The Elk engine: what it refuses, how it reads and classes, and real calculations where Elk is installed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_queue import work_off

from crystalforge.files import sha256_of_file
from crystalforge.validation.attempt import AttemptOrder, run_attempt
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.elements import element_crystal
from crystalforge.validation.engines import find_engine
from crystalforge.validation.engines.contract import AttemptError, Ending, Job
from crystalforge.validation.engines.elk import COMMAND_VARIABLE, DEBIANS_SPECIES, INSTALL, SPECIES_VARIABLE, Elk
from crystalforge.validation.engines.elk_output import error_of, read_elk_output
from crystalforge.validation.engines.gpaw import Gpaw
from crystalforge.validation.ledger import Ledger
from crystalforge.validation.recipe import CalculationRecipe, load_recipe, recipe_from_values
from crystalforge.validation.requests import enqueue
from crystalforge.validation.stability import judge
from crystalforge.validation.states import ErrorClass

HYDROGEN, LITHIUM, NITROGEN, ALUMINIUM, SILICON, NICKEL, LANTHANUM = 1, 3, 7, 13, 14, 28, 57
FACE_CENTRED = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])

needs_elk = pytest.mark.skipif(
    Elk().missing() is not None, reason=f"A REAL DFT CODE WAS NOT RUN: Elk is not installed. {INSTALL}"
)


def crystal(name: str, length: float, *numbers: int, step: float = 0.25) -> Crystal:
    """A cubic face-centred crystal with atoms along the diagonal, at quarters of it if not said otherwise."""
    sites = np.array([[step * index] * 3 for index in range(len(numbers))])
    return Crystal(name, name, length * FACE_CENTRED, sites, np.array(numbers))


def recipe(options: dict[str, Any] | None = None, **physics: Any) -> CalculationRecipe:
    """A coarse recipe, quick to run."""
    coarse = {"gmaxvr": 12.0, "lmaxapw": 8, "nempty": 4, "epsengy": 1e-4}
    values = {"task": "static", "cutoff_ev": 120, "kpoint_density": 3, "smearing": "fermi-dirac", "smearing_ev": 0.1}
    limits = {"walltime_s": 200, "memory_mb": 2000}
    given = {
        "name": "t",
        "engine": "elk",
        "physics": values | physics,
        "options": coarse | (options or {}),
        "resources": limits,
    }
    return recipe_from_values(given, "t")


def attempt(folder: Path, of: Crystal, by: CalculationRecipe, **corrections: float) -> dict[str, Any]:
    """A real attempt, as the queue runs it."""
    folder.mkdir(exist_ok=True)
    return run_attempt(AttemptOrder(folder.name, 1, 1, 1, str(folder), of.to_json(), by.model_dump(), corrections))


def half_heusler(length: float) -> Crystal:
    """LiAlSi."""
    sites = np.array([[0.5, 0.5, 0.5], [0, 0, 0], [0.25, 0.25, 0.25]])
    return Crystal("LiAlSi", "LiAlSi", length * FACE_CENTRED, sites, np.array([LITHIUM, ALUMINIUM, SILICON]))


def test_the_bundled_recipe_fits_the_engine_and_reaches_what_gpaw_does_not() -> None:
    found = load_recipe("elk-static")
    lanthanum = crystal("LaN", 5.3, LANTHANUM, NITROGEN, step=0.5)
    assert find_engine(found.engine).refusal(lanthanum, found) is None
    assert "no data set of La" in str(Gpaw().refusal(lanthanum, load_recipe("gpaw-static")))


@pytest.mark.parametrize(
    ("physics", "options", "reason"),
    [
        ({"task": "relax"}, {}, "static energies only"),
        ({"functional": "SCAN"}, {}, "functional = 'SCAN': expected one of PBE, PBEsol, LDA"),
        ({"cutoff_ev": None}, {}, "needs cutoff_ev and kpoint_density"),
        ({"kpoint_density": None}, {}, "needs cutoff_ev and kpoint_density"),
        ({"smearing": "gaussian"}, {}, "expected 'fermi-dirac'"),
        ({}, {"rkmax": 7}, "no option ['rkmax']"),
        ({}, {"gmaxvr": "12"}, "options ['gmaxvr']: expected numbers above 0"),
    ],
)
def test_what_it_cannot_do_is_refused_before_it_runs(
    physics: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    assert reason in str(Elk().refusal(crystal("Si", 5.43, SILICON, SILICON), recipe(options, **physics)))


def test_what_decides_the_energy_must_be_stated_and_is_hashed() -> None:
    silent = recipe().model_copy(update={"options": {"gmaxvr": 12.0}})
    assert "must state lmaxapw, nempty, epsengy" in str(Elk().refusal(crystal("Al", 4.05, ALUMINIUM), silent))
    assert recipe().recipe_hash != recipe({"gmaxvr": 16.0}).recipe_hash


def test_molecules_in_a_box_are_refused() -> None:
    hydrogen = element_crystal("H")
    assert hydrogen is not None
    assert "molecules in a box" in str(Elk().refusal(hydrogen, recipe()))


def test_an_element_without_a_species_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SPECIES_VARIABLE, str(tmp_path))
    (tmp_path / "Si.in").touch()
    assert "no species file of Al" in str(Elk().refusal(crystal("AlSi", 5.0, ALUMINIUM, SILICON), recipe()))


def test_a_machine_without_elk_is_told_with_the_repair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMAND_VARIABLE, "/nonexistent/elk")
    report = attempt(tmp_path / "attempt", crystal("Al", 4.05, ALUMINIUM), recipe())
    assert report["error_class"] == "engine_missing"
    assert INSTALL in report["error_text"]


def test_the_input_holds_every_choice_of_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SPECIES_VARIABLE, "/species")
    nickel = crystal("Ni", 3.52, NICKEL)
    job = Job(tmp_path, nickel, recipe(kpoint_density=3, spin="by-composition"), {"slower_mixing": 2.0})
    Elk().prepare(job)
    text = (tmp_path / "elk.in").read_text()
    blocks = dict(part.split("\n", 1) for part in text.split("\n\n") if "\n" in part)
    found = {name: " ".join(value.split()) for name, value in blocks.items()}
    assert found["xctype"] == "20", "PBE"
    assert found["ngridk"] == "5 5 5"
    assert (found["stype"], float(found["swidth"])) == ("3", pytest.approx(0.1 / 27.2114, rel=1e-4))
    assert (found["spinpol"], found["sppath"]) == (".true.", "'/species/'")
    assert (found["gmaxvr"], found["nempty"], found["epsengy"]) == ("12.0", "4", "0.0001")
    assert float(found["rgkmax"]) / 2 == pytest.approx((2 * 120 / 27.2114) ** 0.5, rel=1e-4)
    assert (found["isgkmax"], found["lradstp"]) == ("-2", "2"), "one longest wave vector, and half of the radial points"
    assert (found["broydpm"], found["maxscl"]) == ("0.1 0.15", "400"), "mixing twice as slow, in twice the loops"
    assert found["atoms"].endswith("0.0 0.0 -0.04000000000000"), "a field against 2 μB"


def test_output_that_is_missing_or_cut_short_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(AttemptError, match=r"INFO\.OUT is missing") as missing:
        read_elk_output(tmp_path)
    (tmp_path / "INFO.OUT").write_text("| Elk version 8.4.30 started |\n")
    with pytest.raises(AttemptError, match="cut short") as short:
        read_elk_output(tmp_path)
    assert missing.value.error_class is short.value.error_class is ErrorClass.NO_OUTPUT


@pytest.mark.parametrize(
    ("line", "error_class"),
    [
        ("Error(readspecies): error opening species file /nonexistent/Al.in", ErrorClass.UNSUITABLE_INPUT),
        ("Error(init1): number of first-variational states larger than matrix size", ErrorClass.UNSUITABLE_INPUT),
        ("Error(eveqnfvz): diagonalisation failed", ErrorClass.SCF_NOT_CONVERGED),
        ("Error(getevecfv): differing vectors for k-point        3", ErrorClass.EXITED),
    ],
)
def test_messages_of_elk_have_their_class(tmp_path: Path, line: str, error_class: ErrorClass) -> None:
    (tmp_path / "stdout.txt").write_text(f"\nElk code version 8.4.30 started\n\n{line}\n\n")
    job = Job(tmp_path, crystal("Al", 4.05, ALUMINIUM), recipe())
    assert error_of(tmp_path / "stdout.txt") == (error_class, line)
    assert Elk().diagnose(job, Ending("exited", 2, 1.0, 1.0, 10.0)) is error_class
    assert Elk().diagnose(job, Ending("walltime", -15, 1.0, 1.0, 10.0)) is ErrorClass.WALLTIME
    with pytest.raises(AttemptError, match="Error"):  # Elk exits with 0 after most errors
        Elk().read(job)


@needs_elk
def test_a_real_energy_of_aluminium_and_everything_about_it(tmp_path: Path) -> None:
    """At its measured length it lies below those of a wider and a narrower cell."""
    energies = {}
    for length in (3.85, 4.05, 4.25):
        report = attempt(tmp_path / str(length), crystal("Al", length, ALUMINIUM), recipe())
        assert report["error_class"] is None, report["error_text"]
        energies[length] = report["result"]["energy_ev"]
        assert np.allclose(report["result"]["lattice"], length * FACE_CENTRED, atol=1e-6)
        assert np.abs(report["result"]["forces"]).max() < 1e-3, "no force by symmetry"
    assert energies[4.05] < min(energies[3.85], energies[4.25])
    details, provenance = report["result"]["details"], report["provenance"]
    assert energies[4.25] > details["free_energy_ev"], "the entropy of the smearing is taken away"
    assert details["spin_polarised"] is False
    assert provenance["versions"]["elk"]
    assert provenance["sphere_radii"] == {"Al": 2.2}
    assert provenance["species"]["Al"]["sha256"] == sha256_of_file(Path(DEBIANS_SPECIES) / "Al.in")
    assert "elk.in" in report["files"]
    assert "EVECFV.OUT" not in report["files"], "wave functions are not kept"
    stdout = tmp_path / "4.25" / "stdout.txt"
    warning = f"Warning(linengy): could not find   1 linearisation energies in s.c. loop{details['loops']:6d}\n"
    stdout.write_text(stdout.read_text() + warning)
    with pytest.raises(AttemptError, match="false state") as false_state:
        read_elk_output(tmp_path / "4.25")
    assert false_state.value.error_class is ErrorClass.SCF_NOT_CONVERGED


@needs_elk
def test_forces_pull_a_displaced_atom_back(tmp_path: Path) -> None:
    bonds = Crystal("Li2", "Li", 3.4 * np.eye(3), np.array([[0, 0, 0], [0.5, 0.5, 0.56]]), np.array([LITHIUM] * 2))
    report = attempt(tmp_path / "attempt", bonds, recipe(kpoint_density=1))
    assert report["error_class"] is None, report["error_text"]
    first, second = np.array(report["result"]["forces"])
    assert first[2] > 0.05 > -0.05 > second[2], "the planes that came close push each other apart"


@needs_elk
def test_nickel_is_magnetic_where_the_recipe_asks_for_spin(tmp_path: Path) -> None:
    by = recipe(spin="by-composition", kpoint_density=1)
    report = attempt(tmp_path / "attempt", crystal("Ni", 3.52, NICKEL), by)
    assert report["error_class"] is None, report["error_text"]
    assert report["result"]["details"]["spin_polarised"] is True
    assert 0.3 < report["result"]["details"]["magnetic_moment"] < 1.5


@needs_elk
def test_a_calculation_that_does_not_settle_is_told_apart(tmp_path: Path) -> None:
    job = Job(tmp_path, crystal("Al", 4.05, ALUMINIUM), recipe())
    engine = Elk()
    engine.prepare(job)
    path = tmp_path / "elk.in"
    path.write_text(path.read_text().replace("maxscl\n  200", "maxscl\n  3"))
    command = engine.command(job)
    with (tmp_path / "stdout.txt").open("wb") as stdout:
        subprocess.run(command.arguments, cwd=tmp_path, env=dict(command.environment), stdout=stdout, check=True)
    result = engine.read(job)
    assert not result.converged
    assert result.details["warnings"] == ["Warning(gndstate): failed to reach self-consistency after    3 loops"]


@needs_elk
def test_atoms_that_lie_on_each_other_are_unsuitable(tmp_path: Path) -> None:
    report = attempt(tmp_path / "attempt", crystal("Al", 4.05, ALUMINIUM, ALUMINIUM, step=1e-4), recipe())
    assert report["error_class"] == "unsuitable_input"
    assert "muffin-tin radius too small" in report["error_text"]
    assert report["ending"]["exit_code"] == 0, "Elk exits so; its words count"


@needs_elk
def test_lost_electrons_make_a_converged_result_impossible(tmp_path: Path) -> None:
    """Two Al atoms in 0.84 Å³: Elk says that it converged, and loses 2 of 26 electrons out of spheres too small."""
    by = recipe(cutoff_ev=1400, kpoint_density=0.05)
    report = attempt(tmp_path / "attempt", crystal("Al", 1.5, ALUMINIUM, ALUMINIUM), by)
    assert report["error_class"] == "impossible_result"
    assert "of the electrons are lost" in report["error_text"]


@needs_elk
@pytest.mark.nightly
def test_a_lanthanide_that_gpaw_lacks(tmp_path: Path) -> None:
    """LaN in rock salt: lowest near the length by PBE, 5.3 Å, of three."""
    energies = {}
    for length in (4.9, 5.3, 5.7):
        nitride = crystal("LaN", length, LANTHANUM, NITROGEN, step=0.5)
        report = attempt(tmp_path / str(length), nitride, recipe(cutoff_ev=130))
        assert report["error_class"] is None, report["error_text"]
        energies[length] = report["result"]["energy_ev"]
    assert energies[5.3] < min(energies[4.9], energies[5.7])


@needs_elk
@pytest.mark.nightly
def test_a_formation_energy_by_elk_is_near_the_tabulated_one(tmp_path: Path) -> None:
    """LiAlSi, its elements by the same recipe: near −0.191 eV/atom, as the Materials Project has it (mp-3161)."""
    by = recipe(cutoff_ev=200, kpoint_density=10, correction="MP2020")
    with Ledger(tmp_path) as ledger:
        done = enqueue(ledger, [half_heusler(5.93)], by)
        assert (done.added, done.elements, done.elements_without_reference) == (1, 3, ())
        assert {state for _, state in work_off(ledger)} == {"accepted"}
        assert judge(ledger, None) == 1
        (row,) = ledger.rows("SELECT formation_energy_per_atom AS energy FROM calculations WHERE element IS NULL")
    assert row["energy"] == pytest.approx(-0.191, abs=0.05)
