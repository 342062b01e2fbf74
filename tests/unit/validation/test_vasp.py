"""The VASP engine without VASP: its inputs against files made here, its parser on real outputs, and its dispatch.

No test here runs VASP. What is started in its place is ``stand_in_vasp.py``, labelled as what it is; custodian, the
supervisor and the outputs that are parsed are real.
"""

from __future__ import annotations

import shlex
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ase
import numpy as np
import psutil
import pytest
from pymatgen.core import SETTINGS
from pymatgen.io.vasp.inputs import Incar, Poscar
from small_queue import marked_processes

from crystalforge.files import read_json
from crystalforge.validation.attempt import SUPERVISOR, AttemptOrder, run_attempt
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.elements import element_crystal
from crystalforge.validation.engines import find_engine
from crystalforge.validation.engines.contract import AttemptError
from crystalforge.validation.engines.vasp import COMMAND_VARIABLE, INSTALL_CUSTODIAN, Vasp
from crystalforge.validation.engines.vasp_inputs import POTCAR_VARIABLE, input_set, write_inputs, write_potcar
from crystalforge.validation.engines.vasp_output import read_vasp_output
from crystalforge.validation.engines.vasp_scale import scale_changes
from crystalforge.validation.recipe import CalculationRecipe, load_recipe, recipe_from_values
from crystalforge.validation.states import ErrorClass

SODIUM, CHLORINE, SILICON, IRON, OXYGEN, POLONIUM = 11, 17, 14, 26, 8, 84
FACE_CENTRED = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
TESTS = Path(__file__).parents[2]
GOLDEN = TESTS / "data" / "vasp"
REAL_OUTPUTS = Path(ase.__file__).parent / "test" / "testdata" / "vasp"
"""Of real runs, in the wheel of ASE."""
NACL_EV = -6.74587304
"""Of VASP 6.3.2, as it stands in ``vasprun_dfpt.xml``."""

needs_custodian = pytest.mark.skipif(
    find_spec("custodian") is None, reason=f"THE DISPATCH OF VASP WAS NOT TESTED: no custodian. {INSTALL_CUSTODIAN}"
)


def crystal(name: str, length: float, *numbers: int, step: float = 0.5) -> Crystal:
    """A cubic face-centred crystal with atoms along the diagonal."""
    sites = np.array([[step * index] * 3 for index in range(len(numbers))])
    return Crystal(name, name, length * FACE_CENTRED, sites, np.array(numbers))


def recipe(name: str, **changed: Any) -> CalculationRecipe:
    """A bundled recipe with limits of seconds."""
    values = load_recipe(name).model_dump()
    values["resources"] |= {"cores": 1, "memory_mb": 2000, "walltime_s": 120, "grace_s": 0.3}
    values["physics"] |= changed
    return recipe_from_values(values, name)


def oxygen() -> Crystal:
    """The molecule in its box."""
    found = element_crystal("O")
    assert found is not None
    return found


CASES = {
    "nacl-relax": ("vasp-relax", crystal("NaCl", 5.6, SODIUM, CHLORINE), {}),
    "feo-relax": ("vasp-relax", crystal("FeO", 4.3, IRON, OXYGEN), {}),
    "o2-relax": ("vasp-relax", oxygen(), {}),
    "si-static": ("vasp-static", crystal("Si", 5.43, SILICON, SILICON, step=0.25), {}),
    "si-static-r2scan": ("vasp-static", crystal("Si", 5.43, SILICON, SILICON, step=0.25), {"functional": "r2SCAN"}),
}
"""Folder of golden files: recipe, crystal, changed physics."""


@pytest.mark.parametrize("name", CASES)
def test_inputs_are_those_that_were_checked_by_eye(tmp_path: Path, name: str) -> None:
    by, of, changed = CASES[name]
    write_inputs(input_set(of, recipe(by, **changed), {}), tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {path.name for path in (GOLDEN / name).iterdir()}, "without a licence there is no POTCAR"
    for file in written - {"POSCAR"}:
        assert (tmp_path / file).read_text() == (GOLDEN / name / file).read_text(), file
    found, expected = (Poscar.from_file(folder / "POSCAR").structure for folder in (tmp_path, GOLDEN / name))
    assert [site.species_string for site in found] == [site.species_string for site in expected]
    assert np.allclose(found.lattice.matrix, expected.lattice.matrix, atol=1e-8)
    assert np.allclose(found.frac_coords, expected.frac_coords, atol=1e-8)


def test_what_the_project_adds_to_the_sets_is_in_the_inputs(tmp_path: Path) -> None:
    of, by = crystal("FeO", 4.3, IRON, OXYGEN), recipe("vasp-relax")
    write_inputs(input_set(of, by, {"more_steps": 2.0, "slower_mixing": 2.0}), tmp_path)
    incar = Incar.from_file(tmp_path / "INCAR")
    assert (incar["ENCUT"], incar["EDIFFG"], incar["NSW"]) == (520, -0.02, 198)
    assert (incar["AMIX"], incar["NELM"]) == (0.2, 200)
    assert not incar["LDAU"], "no +U"
    assert "LDAUU" not in incar
    write_inputs(input_set(oxygen(), by, {}), tmp_path)
    molecule = Incar.from_file(tmp_path / "INCAR")
    assert molecule["ISIF"] == 2, "the box stays"
    assert molecule["MAGMOM"] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("by", "number", "changed", "reason"),
    [
        ("vasp-relax", POLONIUM, {}, "names no potential of Po"),
        ("vasp-relax", SILICON, {"task": "static"}, "MPRelaxSet is for task = 'relax'"),
        ("vasp-relax", SILICON, {"functional": "r2SCAN"}, "MPRelaxSet has PBE"),
        ("vasp-static", SILICON, {"cutoff_ev": 600}, "decides ['cutoff_ev']"),
        ("vasp-static", SILICON, {"smearing": "gaussian"}, "decides the smearing"),
        ("vasp-static", SILICON, {"spin": "none"}, "state 'collinear'"),
    ],
)
def test_what_does_not_fit_the_set_is_refused(by: str, number: int, changed: dict[str, Any], reason: str) -> None:
    assert reason in str(Vasp().refusal(crystal("X", 5.4, number), recipe(by, **changed)))


def test_unknown_options_and_sets_are_refused() -> None:
    of, by = crystal("Si", 5.4, SILICON), recipe("vasp-static")
    assert find_engine("vasp").refusal(of, by) is None
    other = by.model_copy(update={"options": {"input_set": "MITRelaxSet"}})
    assert "expected one of MPRelaxSet, MatPESStaticSet" in str(Vasp().refusal(of, other))
    assert "no option 'encut'" in str(Vasp().refusal(of, by.model_copy(update={"options": {"encut": 500}})))


def test_each_thing_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(COMMAND_VARIABLE, raising=False)
    monkeypatch.delitem(SETTINGS, POTCAR_VARIABLE, raising=False)
    order = AttemptOrder("a", 1, 1, 1, str(tmp_path), crystal("Si", 5.4, SILICON).to_json(), {}, {})
    report = run_attempt(AttemptOrder(**vars(order) | {"recipe": recipe("vasp-static").model_dump()}))
    assert report["error_class"] == "engine_missing"
    assert f"{COMMAND_VARIABLE} is not set" in report["error_text"]
    monkeypatch.setenv(COMMAND_VARIABLE, "mpirun-that-is-not-there -n 4 vasp_std")
    assert "mpirun-that-is-not-there" in str(Vasp().missing())
    monkeypatch.setenv(COMMAND_VARIABLE, sys.executable)
    if find_spec("custodian"):
        assert f"{POTCAR_VARIABLE} is not a folder" in str(Vasp().missing())
        monkeypatch.setitem(SETTINGS, POTCAR_VARIABLE, str(tmp_path))
        assert Vasp().missing() is None
    else:
        assert INSTALL_CUSTODIAN in str(Vasp().missing())


def test_a_potential_that_is_not_in_the_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SETTINGS, POTCAR_VARIABLE, str(tmp_path))
    inputs = input_set(crystal("Si", 5.4, SILICON), recipe("vasp-static"), {})
    with pytest.raises(AttemptError, match="Si") as caught:
        write_potcar(inputs, tmp_path)
    assert caught.value.error_class is ErrorClass.ENGINE_MISSING


@pytest.mark.parametrize(
    ("file", "energy_ev", "numbers"),
    [("vasprun_dfpt.xml", NACL_EV, [SODIUM, CHLORINE]), ("vasprun_pstress.xml", -20.24010135, [6, 6])],
)
def test_outputs_of_real_runs_are_read(tmp_path: Path, file: str, energy_ev: float, numbers: list[int]) -> None:
    (tmp_path / "vasprun.xml").write_bytes((REAL_OUTPUTS / file).read_bytes())
    (tmp_path / "OUTCAR").write_bytes((REAL_OUTPUTS / "OUTCAR_example_1").read_bytes())
    result = read_vasp_output(tmp_path)
    assert result.energy_ev == pytest.approx(energy_ev, abs=1e-8)
    assert (result.converged, result.atomic_numbers.tolist()) == (True, numbers)
    assert result.forces is not None
    assert result.forces.shape == (2, 3)
    assert result.details["vasp"].startswith("6.3.")
    assert result.details["memory_mb"] == pytest.approx(142.87)


def test_an_output_cut_short_is_no_result(tmp_path: Path) -> None:
    whole = (REAL_OUTPUTS / "vasprun_dfpt.xml").read_bytes()
    for part in (b"", whole[:300], whole[: len(whole) // 2], whole[:-300]):
        (tmp_path / "vasprun.xml").write_bytes(part)
        with pytest.raises(AttemptError, match=r"empty|cut short") as caught:
            read_vasp_output(tmp_path)
        assert caught.value.error_class is ErrorClass.NO_OUTPUT


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("INCAR", "ALGO = Fast", "ALGO = Normal", []),
        ("INCAR", "EDIFF = 0.0001", "EDIFF = 1e-06", []),
        ("INCAR", "EDIFF = 0.0001", "EDIFF = 0.001", ["EDIFF: 0.0001 to 0.001"]),
        ("INCAR", "ENCUT = 520.0", "ENCUT = 400.0", ["ENCUT: 520.0 to 400.0"]),
        ("INCAR", "ISMEAR = -5\n", "", ["ISMEAR: -5 to none"]),
        ("KPOINTS", "Gamma", "Monkhorst", ["KPOINTS: Gamma 7×7×7 to Monkhorst 7×7×7"]),
        ("POSCAR", "1.0\n", "1.1\n", []),
    ],
)
def test_corrections_that_change_the_energy_are_told_from_those_that_do_not(
    tmp_path: Path, file: str, old: str, new: str, said: list[str]
) -> None:
    for path in (GOLDEN / "nacl-relax").iterdir():
        (tmp_path / path.name).write_text(path.read_text())
        (tmp_path / f"{path.name}.orig").write_text(path.read_text())
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new, 1))
    assert scale_changes(tmp_path, "relax") == said
    static = scale_changes(tmp_path, "static")
    assert static[len(said) :] == (["POSCAR: 43.904 to 58.436 Å³"] if file == "POSCAR" else []), "its cell must stay"


@pytest.fixture
def licensed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of potentials that are none, where pymatgen finds them."""
    folder = tmp_path / "potentials"
    of_sets = {"POT_GGA_PAW_PBE": "Na_pv 19Sep2006", "POT_PAW_PBE_64": "Na_pv 19Sep2006"}
    titles = [(kind, f"PAW_PBE {name}") for kind, sodium in of_sets.items() for name in (sodium, "Cl 06Sep2000")]
    for kind, title in titles:
        symbol = title.split()[1]
        path = folder / kind / symbol / "POTCAR"
        path.parent.mkdir(parents=True)
        path.write_text(
            f"  {title}\n   1.0\n parameters from PSCTR are:\n   VRHFIN ={symbol[:2]}: none\n   LEXCH  = PE\n"
            f"   TITEL  = {title}\n   ZVAL   =    7.000\n   ENMAX  =  260.000; ENMIN  =  195.000 eV\n"
            "END of PSCTR-controll parameters\n 0.0 1.0 2.0\n End of Dataset\n"
        )
    monkeypatch.setitem(SETTINGS, POTCAR_VARIABLE, str(folder))
    return folder


def attempt(folder: Path, behaviour: str, monkeypatch: pytest.MonkeyPatch, by: str = "vasp-relax") -> dict[str, Any]:
    """A real attempt of the engine over the stand-in for VASP."""
    words = [sys.executable, "-I", "-S", str(TESTS / "stand_in_vasp.py"), behaviour, str(REAL_OUTPUTS)]
    monkeypatch.setenv(COMMAND_VARIABLE, shlex.join(words))
    salt = crystal("NaCl", 5.6, SODIUM, CHLORINE).to_json()
    plain = recipe(by).model_dump()
    return run_attempt(AttemptOrder(folder.name, 1, 1, 1, str(folder), salt, plain, {}))


@needs_custodian
def test_a_run_that_custodian_healed_gives_its_result_and_says_what_was_corrected(
    tmp_path: Path, licensed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = attempt(tmp_path / "attempt-healed", "heal", monkeypatch)
    assert report["error_class"] is None, report["error_text"]
    assert report["result"]["energy_ev"] == pytest.approx(NACL_EV)
    (correction,) = report["provenance"]["corrections"]
    assert report["result"]["details"]["corrections"] == [correction]
    assert (correction["handler"], correction["errors"]) == ("VaspErrorHandler", ["zbrent"])
    assert {"dict": "INCAR", "action": {"_set": {"NELMIN": 8}}} in correction["actions"]
    assert report["provenance"]["potentials"]["Na_pv"]["title"] == "PAW_PBE Na_pv 19Sep2006"
    assert {"INCAR", "INCAR.orig", "KPOINTS", "POTCAR", "vasprun.xml", "custodian.json"} <= set(report["files"])


@needs_custodian
@pytest.mark.parametrize(
    ("behaviour", "by", "error_class", "text"),
    [
        ("tetrahedra", "vasp-relax", "unsuitable_input", "ISMEAR: -5 to 0"),
        ("early", "vasp-static", "no_output", "VasprunXMLValidator"),
        pytest.param("hopeless", "vasp-static", "scf_not_converged", "subspacematrix", marks=pytest.mark.nightly),
        pytest.param("hopeless", "vasp-relax", "unsuitable_input", "LREAL: Auto to False", marks=pytest.mark.nightly),
        pytest.param("crash", "vasp-relax", "crashed", "Validation failed", marks=pytest.mark.nightly),
    ],
)
def test_each_way_that_vasp_fails_has_its_class_and_its_text(
    tmp_path: Path,
    licensed: Path,
    monkeypatch: pytest.MonkeyPatch,
    behaviour: str,
    by: str,
    error_class: str,
    text: str,
) -> None:
    folder = tmp_path / f"attempt-{behaviour}"
    report = attempt(folder, behaviour, monkeypatch, by)
    assert (report["error_class"], report["result"]) == (error_class, None), report["error_text"]
    assert text in report["error_text"]
    assert text in read_json(folder / "vasp_error.json")["text"]
    assert marked_processes(folder.name) == []


@needs_custodian
def test_a_hang_is_ended_with_all_its_processes(
    tmp_path: Path, licensed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Custodian starts VASP in a session of its own; it and its child ignore SIGTERM, and are ended all the same."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(attempt, tmp_path / "attempt-hang", "hang", monkeypatch)
        deadline = time.monotonic() + 60
        while len(hung := [one for one in marked_processes("attempt-hang") if _hangs(one)]) < 2:
            assert time.monotonic() < deadline, "the stand-in did not begin"
            time.sleep(0.1)
        (supervisor,) = (one for one in psutil.Process().children() if one.cmdline() == list(SUPERVISOR))
        supervisor.terminate()  # as a dispatcher does with one that was cancelled
        report = running.result(timeout=60)
    assert report["error_class"] == "worker_lost"
    assert report["ending"]["ended_by_force"] >= 2, "VASP and its child"
    assert len(hung) == 2
    assert marked_processes("attempt-hang") == []


def _hangs(process: psutil.Process) -> bool:
    return "hang" in process.cmdline() or "signal.SIG_IGN" in " ".join(process.cmdline())
