"""GPAW: plane-wave PAW by a free code, run under whichever Python has it, by default the system's own.

Debian's packages ``gpaw`` and ``gpaw-data`` are enough; ``CRYSTALFORGE_GPAW_PYTHON`` names another Python. Its stress
converges slowly with the cut-off for oxides: a relaxation below ``LEAST_RELAXATION_CUTOFF_EV`` is refused.
"""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from crystalforge.crystals.elements import symbols
from crystalforge.files import read_json, write_json
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.engines.contract import (
    AttemptError,
    Command,
    Ending,
    Engine,
    EngineResult,
    Job,
    clean_environment,
    read_output_of,
)
from crystalforge.validation.engines.gpaw_program import ERROR, INPUT, OUTPUT
from crystalforge.validation.engines.sampling import kpoint_grid, starting_moments
from crystalforge.validation.recipe import CalculationRecipe
from crystalforge.validation.states import ErrorClass

PYTHON_VARIABLE = "CRYSTALFORGE_GPAW_PYTHON"
SYSTEM_PYTHON = "/usr/bin/python3"
INSTALL = f"Install it: apt-get install gpaw gpaw-data; or name a Python that has it by {PYTHON_VARIABLE}."
PROGRAM = Path(__file__).with_name("gpaw_program.py")
FUNCTIONALS = ("PBE",)
LEAST_RELAXATION_CUTOFF_EV = 900.0
"""Below it the stress of oxides is wrong by GPa: SrTiO3 relaxed at 520 eV to 3.87 Å against 3.945 Å by E(V)."""

_ELEMENTS = """
Ag Al Ar As Au B Ba Be Bi Br C Ca Cd Cl Co Cr Cs Cu F Fe Ga Ge H He Hf Hg I In Ir K Kr Li Mg Mn Mo N Na Nb Ne Ni O Os P
Pb Pd Pt Rb Re Rh Rn Ru S Sb Sc Se Si Sn Sr Ta Te Ti Tl V W Xe Y Zn Zr
"""
DATA_SETS = frozenset(_ELEMENTS.split())
"""Elements of gpaw-data's PBE data sets."""


class Gpaw(Engine):
    """See the module."""

    name: ClassVar[str] = "gpaw"
    description: ClassVar[str] = "GPAW, plane waves and PAW data sets, PBE; 68 elements, no La to Lu"

    def missing(self) -> str | None:
        """Asks that Python whether it can import it."""
        return _why_missing(_python())

    def refusal(self, crystal: Crystal, recipe: CalculationRecipe) -> str | None:
        """Elements without a data set, choices that it does not have, and the cut-off at which its stress is wrong."""
        physics = recipe.physics
        absent = sorted(set(symbols(crystal.atomic_numbers).tolist()) - DATA_SETS)
        faults = {
            f"GPAW has no data set of {', '.join(absent)}": bool(absent),
            f"functional = {physics.functional!r}: expected {', '.join(FUNCTIONALS)}": physics.functional
            not in FUNCTIONALS,
            "GPAW needs cutoff_ev and kpoint_density": physics.cutoff_ev is None or physics.kpoint_density is None,
            f"smearing = {physics.smearing!r}: expected 'fermi-dirac', wider than 0": physics.smearing != "fermi-dirac"
            or physics.smearing_ev <= 0,
            f"a relaxation needs cutoff_ev of at least {LEAST_RELAXATION_CUTOFF_EV:g}, for its stress": physics.task
            == "relax"
            and (physics.cutoff_ev or 0) < LEAST_RELAXATION_CUTOFF_EV,
            f"{crystal.formula} is magnetic, and the recipe has no spin": bool(crystal.magnetic_moments)
            and physics.spin == "none",
            f"GPAW has no options, got {', '.join(recipe.options)}": bool(recipe.options),
        }
        return next((fault for fault, holds in faults.items() if holds), None)

    def prepare(self, job: Job) -> None:
        """Write what the program is to compute."""
        crystal, physics = job.crystal, job.recipe.physics
        if physics.kpoint_density is None:
            raise AttemptError(ErrorClass.UNSUITABLE_INPUT, "The recipe has no kpoint_density.")
        write_json(
            job.folder / INPUT,
            {
                "crystal_id": crystal.crystal_id,
                "lattice": crystal.lattice.tolist(),
                "frac_coords": crystal.frac_coords.tolist(),
                "atomic_numbers": crystal.atomic_numbers.tolist(),
                "magnetic_moments": starting_moments(crystal, physics.spin),
                "relax": physics.task == "relax",
                "relax_cell": not crystal.is_molecule,
                "functional": physics.functional,
                "cutoff_ev": physics.cutoff_ev,
                "kpoints": [1, 1, 1] if crystal.is_molecule else kpoint_grid(crystal, physics.kpoint_density),
                "smearing_ev": physics.smearing_ev,
                "force_tolerance": physics.force_tolerance,
                "max_steps": int(physics.max_steps * job.corrections.get("more_steps", 1.0)),
                "slower_mixing": job.corrections.get("slower_mixing", 1.0),
            },
        )

    def command(self, job: Job) -> Command:  # noqa: ARG002 (the same for every job)
        """The program under the Python that has GPAW; nothing of this environment leads it astray.

        Isolated (``-I``): else the folder of the program would come first, where a ``gpaw.py`` of ours lies.
        """
        return Command((_python(), "-I", str(PROGRAM)), clean_environment())

    def read(self, job: Job) -> EngineResult:
        """What the program wrote."""
        output = read_output_of(job.crystal.crystal_id, job.folder / OUTPUT)
        arrays = {name: np.asarray(output.pop(name)) for name in ("lattice", "frac_coords", "atomic_numbers", "forces")}
        energy, converged = float(output.pop("energy_ev")), bool(output.pop("converged"))
        return EngineResult(energy_ev=energy, converged=converged, details=output, **arrays)

    def diagnose(self, job: Job, ending: Ending) -> ErrorClass:
        """The class that the program named, or what its ending says."""
        path = job.folder / ERROR
        return ErrorClass(read_json(path)["error_class"]) if path.is_file() else super().diagnose(job, ending)

    def provenance(self, job: Job) -> dict[str, Any]:
        """Versions, and data sets with their checksums."""
        path = job.folder / OUTPUT
        output = read_json(path) if path.is_file() else {}
        return {"engine": self.name} | {name: output[name] for name in ("versions", "data_sets") if name in output}


def _python() -> str:
    return os.environ.get(PYTHON_VARIABLE) or SYSTEM_PYTHON


@cache
def _why_missing(python: str) -> str | None:
    try:
        subprocess.run(
            [python, "-I", "-c", "import gpaw"], env=clean_environment(), capture_output=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return f"GPAW cannot be imported by {python}. {INSTALL}"
    return None
