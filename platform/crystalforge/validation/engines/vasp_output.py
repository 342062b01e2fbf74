"""What VASP and custodian leave in a job's folder, read by pymatgen."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crystalforge.validation.engines.contract import AttemptError, EngineResult, require_output
from crystalforge.validation.states import ErrorClass

if TYPE_CHECKING:
    from pymatgen.io.vasp.outputs import Vasprun

INPUT_FILE = "vasp_input.json"
RUN_FILE = "vasprun.xml"
ERROR_FILE = "vasp_error.json"
CUSTODIAN_FILE = "custodian.json"
VASP_STDERR = "std_err.txt"
KNOWN_ERROR = 3
UNREADABLE = (SyntaxError, ValueError, KeyError, IndexError, AttributeError, TypeError)
"""What pymatgen raises where an output is cut short; broken XML is a SyntaxError of its parser."""


def read_vasp_output(folder: Path) -> EngineResult:
    """The result in a job's folder; the energy is that which the Materials Project takes (pymatgen's final_energy).

    Raises:
        AttemptError: outputs are missing, empty or cut short.
    """
    path = folder / RUN_FILE
    require_output(path)
    try:
        return _result(path)
    except UNREADABLE as error:
        text = f"{path.name} is cut short or not VASP's: {type(error).__name__}: {error}"
        raise AttemptError(ErrorClass.NO_OUTPUT, text) from error


def _result(path: Path) -> EngineResult:
    run = read_vasprun(path)
    final, last = run.final_structure, run.ionic_steps[-1]
    return EngineResult(
        energy_ev=float(run.final_energy),
        lattice=np.array(final.lattice.matrix),
        frac_coords=np.array(final.frac_coords),
        atomic_numbers=np.array(final.atomic_numbers),
        forces=np.array(last["forces"], dtype=np.float64),
        converged=bool(run.converged),
        details={
            "free_energy_ev": float(last["e_fr_energy"]),
            "reason": _reason(run.converged_electronic, run.converged_ionic),
            "steps": len(run.ionic_steps),
            "k_points": len(run.actual_kpoints),
            "vasp": str(run.vasp_version),
            "corrections": corrections_in(path.parent),
        }
        | _of_outcar(path.with_name("OUTCAR")),
    )


def read_vasprun(path: Path) -> Vasprun:
    """Energies, cells and convergence of a run, without what they do not need."""
    from pymatgen.io.vasp.outputs import Vasprun

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it did not converge: who reads asks that
        return Vasprun(path, parse_dos=False, parse_eigen=False, parse_potcar_file=False)


def _reason(electrons_settled: bool, atoms_settled: bool) -> str:
    if not electrons_settled:
        return "The electrons did not settle."
    return "" if atoms_settled else "The atoms did not settle."


def _of_outcar(path: Path) -> dict[str, Any]:
    """Moment and memory, which only OUTCAR holds; nothing where it cannot be read, for the energy does not need it."""
    from pymatgen.io.vasp.outputs import Outcar

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pymatgen leaves the file to the garbage collector
            outcar = Outcar(path)
    except (OSError, *UNREADABLE):
        return {}
    memory = outcar.run_stats.get("Maximum memory used (kb)")
    moment = outcar.total_mag
    return ({} if moment is None else {"magnetic_moment": float(moment)}) | (
        {} if memory is None else {"memory_mb": float(memory) / 1000}
    )


def corrections_in(folder: Path) -> list[dict[str, Any]]:
    """What custodian corrected, in order: its handler, the errors by its names, and the changes; none where it did not.

    Args:
        folder: of a job.
    """
    path = folder / CUSTODIAN_FILE
    if not path.is_file():
        return []
    try:
        runs = json.loads(path.read_text())
    except ValueError:  # VASP's worker was ended while custodian wrote
        return []
    return [
        {
            "handler": correction["handler"]["@class"],
            "errors": list(correction["errors"]),
            "actions": correction["actions"] or [],
        }
        for run in runs
        for correction in run["corrections"]
    ]
