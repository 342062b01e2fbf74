"""What Elk leaves in its folder: energy, forces, cell, convergence, and the messages of its errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from crystalforge.validation.engines.contract import STDOUT_FILE, AttemptError, EngineResult, require_output
from crystalforge.validation.states import ErrorClass

INFO_FILE = "INFO.OUT"
ENERGY_FILE = "TOTENERGY.OUT"
GEOMETRY_FILE = "GEOMETRY.OUT"
FINISHED = re.compile(r"Elk version (\S+) stopped")
STARTED = re.compile(r"Elk version (\S+) started")
SPHERE = re.compile(r"^Species :\s+\d+ \((\w+)\).*?muffin-tin radius :\s+(\S+)", re.MULTILINE | re.DOTALL)
MESSAGE = re.compile(r"^\s*(Error\((\w+)\):.*)$", re.MULTILINE)
WARNING = re.compile(r"^\s*(Warning\(\w+\):.*?)(?: (?:in|for) s\.c\. loop.*| :.*)?$", re.MULTILINE)
LOST_LEVEL = re.compile(r"Warning\(linengy\): could not find .* in s\.c\. loop\s+(\d+)")
QUANTITIES = {
    "entropic_ha": "electron entropic",
    "magnetic_moment": "total moment",
    "irreducible_k_points": "Total number of k-points",
    "charge": "total charge",
    "charge_error": "error",
}
"""Names of ours: the words of INFO.OUT, of which the last count."""
LARGEST_CHARGE_ERROR = 0.002
"""Of the electrons; Elk itself warns at half of it. Beyond it the spheres are too small to hold the cores."""
ENTROPY_SHARE = 0.5
"""Of the entropic energy, taken away: by that the energy at this width is nearly the one without smearing."""

ERRORS = {
    "readspecies": ErrorClass.UNSUITABLE_INPUT,
    "readinput": ErrorClass.UNSUITABLE_INPUT,
    "init1": ErrorClass.UNSUITABLE_INPUT,
    "checkmt": ErrorClass.UNSUITABLE_INPUT,
    "match": ErrorClass.UNSUITABLE_INPUT,
    "findsymlat": ErrorClass.UNSUITABLE_INPUT,
    "mixbroyden": ErrorClass.SCF_NOT_CONVERGED,
    "eveqnfvr": ErrorClass.SCF_NOT_CONVERGED,
    "eveqnfvz": ErrorClass.SCF_NOT_CONVERGED,
    "eveqnzg": ErrorClass.SCF_NOT_CONVERGED,
    "eveqnzh": ErrorClass.SCF_NOT_CONVERGED,
    "genapwfr": ErrorClass.SCF_NOT_CONVERGED,
    "genlofr": ErrorClass.SCF_NOT_CONVERGED,
    "rdirac": ErrorClass.SCF_NOT_CONVERGED,
}
"""By the routine that Elk names: what slower mixing may cure, and what nothing will. All others are ``exited``."""


def error_of(path: Path) -> tuple[ErrorClass, str] | None:
    """Class and text of the error that Elk printed; None where it printed none.

    Args:
        path: of its standard output.
    """
    found = MESSAGE.search(path.read_text(errors="replace")) if path.is_file() else None
    return (ERRORS.get(found[2], ErrorClass.EXITED), found[1].strip()) if found else None


def read_elk_output(folder: Path) -> EngineResult:
    """The result in an attempt's folder.

    Raises:
        AttemptError: files are missing, empty or cut short, or hold no numbers.
    """
    info = _text(folder / INFO_FILE)
    if not FINISHED.search(info):
        raise AttemptError(ErrorClass.NO_OUTPUT, f"{INFO_FILE} is cut short: Elk did not say that it stopped.")
    try:
        return _result(folder, info)
    except (ValueError, IndexError, KeyError, RuntimeError) as error:
        text = f"Elk's output is not as expected: {type(error).__name__}: {error}"
        raise AttemptError(ErrorClass.NO_OUTPUT, text) from error


def _result(folder: Path, info: str) -> EngineResult:
    from ase.io.elk import parse_elk_info, read_elk
    from ase.units import Hartree

    atoms = read_elk(folder / GEOMETRY_FILE)
    parsed = dict(parse_elk_info(iter(info.splitlines(keepends=True))))
    free_energy = float(_text(folder / ENERGY_FILE).split()[-1]) * Hartree
    quantities = {name: float(found[-1]) for name, words in QUANTITIES.items() if (found := _all(info, words))}
    lost = abs(quantities["charge_error"]) / quantities["charge"]
    if parsed["converged"] and lost > LARGEST_CHARGE_ERROR:
        raise AttemptError(
            ErrorClass.IMPOSSIBLE_RESULT,
            f"{lost:.1%} of the electrons are lost, expected less than {LARGEST_CHARGE_ERROR:.1%}: atoms are so close "
            "that Elk's spheres do not hold their cores.",
        )
    said, loops = _text(folder / STDOUT_FILE), info.count("| Loop number :")
    if str(loops) in LOST_LEVEL.findall(said):
        raise AttemptError(
            ErrorClass.SCF_NOT_CONVERGED,
            "Elk settled in a false state: to its last loop it did not find the energy of a level that the spheres "
            "must describe.",
        )
    entropic = quantities.pop("entropic_ha", 0.0) * Hartree
    return EngineResult(
        energy_ev=free_energy - ENTROPY_SHARE * entropic,
        lattice=atoms.cell.array,
        frac_coords=atoms.get_scaled_positions(wrap=False),
        atomic_numbers=atoms.numbers,
        forces=parsed["forces"][-len(atoms) :],
        converged=bool(parsed["converged"]),
        details=quantities
        | {
            "free_energy_ev": free_energy,
            "loops": loops,
            "spin_polarised": bool(parsed["spinpol"]),
            "warnings": sorted(set(WARNING.findall(said))),
        },
    )


def _all(info: str, words: str) -> list[str]:
    return re.findall(rf"^ ?{re.escape(words)}\s*:\s*(\S+)\s*$", info, re.MULTILINE)


def _text(path: Path) -> str:
    require_output(path)
    return path.read_text(errors="replace")


def provenance_of(folder: Path) -> dict[str, Any]:
    """Version, and radii of the spheres (Bohr), which Elk makes smaller where they would overlap."""
    path = folder / INFO_FILE
    info = path.read_text(errors="replace") if path.is_file() else ""
    version = STARTED.search(info)
    radii = {symbol: float(radius) for symbol, radius in SPHERE.findall(info)}
    return ({"versions": {"elk": version[1]}} if version else {}) | ({"sphere_radii": radii} if radii else {})
