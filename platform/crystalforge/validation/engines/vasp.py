"""VASP: plane-wave PAW by a licensed code, with the inputs of the Materials Project and custodian's error handlers.

It was never run here: nobody who wrote this had a licence. Inputs, parsing and dispatch are tested (docs/engines.md).
It needs three things, and ``missing`` names the one that is not there: the command that starts VASP, as
``mpirun -n 16 vasp_std``, in ``CRYSTALFORGE_VASP_COMMAND``; the folder of potentials, as pymatgen wants it, in
``PMG_VASP_PSP_DIR``; and custodian (``pip install 'crystalforge[vasp]'``).

The input set decides cut-off, k-points, smearing and spin. A recipe names it in its options as ``input_set`` and leaves
the others out:

- ``MPRelaxSet``: task ``relax``, functional ``PBE``;
- ``MatPESStaticSet``: task ``static``, functional ``PBE`` or ``r2SCAN``.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from crystalforge.files import read_json, write_json
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.engines.contract import (
    Command,
    Ending,
    Engine,
    EngineResult,
    Job,
    class_of_output,
    clean_environment,
)
from crystalforge.validation.engines.vasp_inputs import (
    INPUT_SETS,
    POTCAR_VARIABLE,
    absent_potentials,
    input_set,
    write_inputs,
    write_potcar,
)
from crystalforge.validation.engines.vasp_output import (
    ERROR_FILE,
    INPUT_FILE,
    VASP_STDERR,
    corrections_in,
    read_vasp_output,
)
from crystalforge.validation.recipe import CalculationRecipe
from crystalforge.validation.states import ErrorClass

COMMAND_VARIABLE = "CRYSTALFORGE_VASP_COMMAND"
INSTALL_CUSTODIAN = "Install it: pip install 'crystalforge[vasp]'."
MODULE = "crystalforge.validation.engines.vasp_program"
THE_SETS_OWN = ("cutoff_ev", "kpoint_density")
KEPT_FOR_VASP = ("LD_LIBRARY_PATH", "LD_PRELOAD")
"""Of the environment: a VASP that was compiled here often finds its libraries by them."""
REPORTING = ("SENTRY_DSN", "CUSTODIAN_REPORTING_OPT_IN")
"""By these custodian would send errors to a server of others."""


class Vasp(Engine):
    """See the module."""

    name: ClassVar[str] = "vasp"
    description: ClassVar[str] = "VASP by the Materials Project's inputs, under custodian; needs a licence"

    def missing(self) -> str | None:
        """Looks for the command, its program, custodian and the folder of potentials."""
        words, folder = _command(), _potentials()
        faults = {
            f"{COMMAND_VARIABLE} is not set: expected the command that starts VASP, as 'mpirun -n 16 vasp_std'. VASP "
            "needs a licence of its own": not words,
            f"{COMMAND_VARIABLE} begins with {words[:1]}, which cannot be run": words
            and shutil.which(words[0]) is None,
            f"custodian, which runs VASP, is not installed. {INSTALL_CUSTODIAN}": find_spec("custodian") is None,
            f"{POTCAR_VARIABLE} is not a folder of VASP's potentials (got {folder!r}). Set it as pymatgen's "
            "`pmg config --potcar` tells": not folder or not Path(folder).is_dir(),
        }
        return next((fault for fault, holds in faults.items() if holds), None)

    def refusal(self, crystal: Crystal, recipe: CalculationRecipe) -> str | None:
        """Unknown input sets, physics that is not the set's, and elements for which it names no potential."""
        if unknown := sorted(set(recipe.options) - {"input_set"}):
            return f"VASP has no option {unknown[0]!r}: expected input_set"
        name = recipe.options.get("input_set")
        if name not in INPUT_SETS:
            return f"input_set = {name!r}: expected one of {', '.join(INPUT_SETS)}"
        choice, physics = INPUT_SETS[name], recipe.physics
        given = [key for key in THE_SETS_OWN if getattr(physics, key) is not None]
        absent = absent_potentials(crystal, name)
        faults = {
            f"{name} is for task = {choice.task!r}, got {physics.task!r}": physics.task != choice.task,
            f"functional = {physics.functional!r}: {name} has {', '.join(choice.functionals)}": physics.functional
            not in choice.functionals,
            f"{name} decides {given}: leave it out of the recipe": bool(given),
            f"{name} decides the smearing: leave it out of the recipe": physics.smearing != "none",
            f"spin = {physics.spin!r}: {name} computes with spin always, state 'collinear'": physics.spin
            != "collinear",
            f"{name} names no potential of {', '.join(absent)}": bool(absent),
        }
        return next((fault for fault, holds in faults.items() if holds), None)

    def prepare(self, job: Job) -> None:
        """Write VASP's inputs, the POTCAR too, and what the program is to do."""
        inputs = input_set(job.crystal, job.recipe, job.corrections)
        warned = write_inputs(inputs, job.folder)
        order = {
            "crystal_id": job.crystal.crystal_id,
            "command": _command(),
            "task": job.recipe.physics.task,
            "input_set": job.recipe.options["input_set"],
            "warnings": warned,
            "potentials": write_potcar(inputs, job.folder),
        }
        write_json(job.folder / INPUT_FILE, order)

    def command(self, job: Job) -> Command:  # noqa: ARG002 (the same for every job)
        """This Python with custodian, which starts VASP."""
        kept = {name: os.environ[name] for name in KEPT_FOR_VASP if name in os.environ}
        environment = clean_environment(**kept)
        for name in REPORTING:
            environment.pop(name, None)
        return Command((sys.executable, "-I", "-W", "ignore", "-m", MODULE), environment)

    def read(self, job: Job) -> EngineResult:
        """What VASP wrote."""
        return read_vasp_output(job.folder)

    def diagnose(self, job: Job, ending: Ending) -> ErrorClass:
        """The class that the program named, what the system said through VASP, or what its ending says."""
        path = job.folder / ERROR_FILE
        if path.is_file():
            return ErrorClass(read_json(path)["error_class"])
        return class_of_output(job.folder / VASP_STDERR) or super().diagnose(job, ending)

    def provenance(self, job: Job) -> dict[str, Any]:
        """Input set, potentials with their checksums, versions, and what custodian corrected."""
        from importlib.metadata import version

        asked = read_json(job.folder / INPUT_FILE)
        told = {name: asked[name] for name in ("input_set", "potentials", "warnings", "command")}
        versions = {name: version(name) for name in ("pymatgen", "custodian") if find_spec(name)}
        return {"engine": self.name, "versions": versions, "corrections": corrections_in(job.folder)} | told


def _command() -> list[str]:
    return shlex.split(os.environ.get(COMMAND_VARIABLE, ""))


def _potentials() -> str | None:
    """The folder of potentials, as pymatgen knows it from the environment or its own settings."""
    from pymatgen.core import SETTINGS

    return SETTINGS.get(POTCAR_VARIABLE)
