"""What runs under the Python that has GPAW: from ``gpaw_input.json`` to ``gpaw_output.json``, or an error's class.

It stands alone: that Python need not have this package, only gpaw, ase and numpy, also in the older versions of a
Linux distribution. Exit code 3 says that ``gpaw_error.json`` holds the class of the error.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

INPUT, OUTPUT, ERROR = "gpaw_input.json", "gpaw_output.json", "gpaw_error.json"
KNOWN_ERROR = 3
USUAL_MIXING = 0.05
"""GPAW's own for periodic crystals; a repetition divides it."""
HISTORY = 5
DAMPING = 100


def main() -> int:
    """Compute; the exit code."""
    with open(INPUT, encoding="utf-8") as stream:  # noqa: PTH123
        job = json.load(stream)
    try:
        from gpaw import KohnShamConvergenceError  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        return _fail("engine_missing", error)
    try:
        result = _compute(job)
    except KohnShamConvergenceError as error:
        return _fail("scf_not_converged", error)
    except FileNotFoundError as error:  # GPAW's word for an element without a data set
        return _fail("unsuitable_input", error)
    _write(OUTPUT, result)
    return 0


def _compute(job: dict[str, Any]) -> dict[str, Any]:
    import ase
    import gpaw
    from ase import Atoms

    atoms = Atoms(
        numbers=job["atomic_numbers"],
        scaled_positions=job["frac_coords"],
        cell=job["lattice"],
        pbc=True,
        magmoms=job["magnetic_moments"],
    )
    atoms.calc = _calculator(job)
    steps, converged = _relax(atoms, job) if job["relax"] else (0, True)
    energy = float(atoms.get_potential_energy())
    calculator = atoms.calc
    return {
        "crystal_id": job["crystal_id"],
        "energy_ev": energy,
        "free_energy_ev": float(atoms.get_potential_energy(force_consistent=True)),
        "forces": atoms.get_forces().tolist(),
        "stress": atoms.get_stress().tolist() if job["relax"] else None,
        "lattice": [[float(x) for x in row] for row in atoms.cell],
        "frac_coords": atoms.get_scaled_positions(wrap=False).tolist(),
        "atomic_numbers": [int(number) for number in atoms.numbers],
        "converged": bool(converged),
        "steps": int(steps),
        "magnetic_moment": float(atoms.get_magnetic_moment()) if job["magnetic_moments"] else 0.0,
        "k_points": [int(n) for n in job["kpoints"]],
        "irreducible_k_points": len(calculator.get_ibz_k_points()),
        "versions": {"gpaw": gpaw.__version__, "ase": ase.__version__, "python": sys.version.split()[0]},
        "data_sets": _data_sets(calculator),
    }


def _calculator(job: dict[str, Any]) -> Any:
    from gpaw import GPAW, PW, FermiDirac, Mixer, MixerSum

    slower = float(job["slower_mixing"])
    mixer = MixerSum if job["magnetic_moments"] else Mixer
    return GPAW(
        mode=PW(job["cutoff_ev"]),
        xc=job["functional"],
        kpts={"size": job["kpoints"], "gamma": True},
        occupations=FermiDirac(job["smearing_ev"]),
        mixer=mixer(USUAL_MIXING / slower, HISTORY, DAMPING),
        maxiter=int(333 * slower),
        spinpol=bool(job["magnetic_moments"]),
        symmetry={"symmorphic": False},
        txt="gpaw.txt",
    )


def _relax(atoms: Any, job: dict[str, Any]) -> tuple[int, bool]:
    """Steps, and whether cell and atoms settled."""
    from ase.constraints import UnitCellFilter
    from ase.optimize import BFGS

    optimizer = BFGS(UnitCellFilter(atoms) if job["relax_cell"] else atoms, logfile="relaxation.txt")
    converged = optimizer.run(fmax=job["force_tolerance"], steps=job["max_steps"])
    return optimizer.get_number_of_steps(), converged


def _data_sets(calculator: Any) -> dict[str, Any]:
    """Name and MD5, by GPAW, of the PAW data set of each element."""
    return {
        setup.symbol: {"file": os.path.basename(str(setup.filename)), "md5": str(setup.fingerprint)}  # noqa: PTH119
        for setup in calculator.wfs.setups.setups.values()
    }


def _fail(error_class: str, error: BaseException) -> int:
    _write(ERROR, {"error_class": error_class, "text": "{}: {}".format(type(error).__name__, error)})  # noqa: UP032
    return KNOWN_ERROR


def _write(name: str, value: dict[str, Any]) -> None:
    """Whole or not at all."""
    with open(name + ".partial", "w", encoding="utf-8") as stream:  # noqa: PTH123
        json.dump(value, stream)
    os.replace(name + ".partial", name)  # noqa: PTH105


if __name__ == "__main__":
    sys.exit(main())
