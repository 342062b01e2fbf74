"""The screening's potentials as an engine: a machine-learned potential in place of a quantum-mechanical code.

For tests, demos and second opinions: quick, real forces, but no more than the potential knows. Options of a recipe:

- ``potential``: as ``platform screen`` names it (``chgnet`` by default);
- ``version``: how the version of its weights must begin, for another version has another scale of energies;
- ``model``: file of weights of the user's.

The physics of a recipe gives the task, the force tolerance and the steps; cut-off, k-points, smearing and spin are not
the potential's to choose and must be left out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from crystalforge.errors import MissingDependencyError, UsageError
from crystalforge.files import read_json, write_json
from crystalforge.screening.potentials import Potential, known_potentials, load_potential
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.engines.contract import (
    AttemptError,
    Command,
    Engine,
    EngineResult,
    Job,
    clean_environment,
    read_output,
)
from crystalforge.validation.recipe import CalculationRecipe
from crystalforge.validation.states import ErrorClass

INPUT_FILE = "potential_input.json"
OUTPUT_FILE = "potential_output.json"
OPTIONS = ("potential", "version", "model")
DEFAULT = "chgnet"
NOT_ITS_OWN = ("cutoff_ev", "kpoint_density")
WALLTIME_SHARE = 0.9
"""Of the walltime, after which the program itself stops relaxing, so that it can still say so."""
FAILURES = {
    "exploded": ErrorClass.IMPOSSIBLE_RESULT,
    "failed": ErrorClass.UNSUITABLE_INPUT,
}
"""By the status of the relaxation; the others are ``converged`` or a limit."""


class PotentialEngine(Engine):
    """See the module."""

    name: ClassVar[str] = "potential"
    description: ClassVar[str] = "a potential of the screening: quick, for tests and second opinions"

    def refusal(self, crystal: Crystal, recipe: CalculationRecipe) -> str | None:  # noqa: ARG002 (any crystal)
        """Unknown options and potentials, and physics that a potential does not have."""
        if unknown := sorted(set(recipe.options) - set(OPTIONS)):
            return f"the potential engine has no option {unknown[0]!r}: expected {', '.join(OPTIONS)}"
        name = recipe.options.get("potential", DEFAULT)
        if name not in known_potentials():
            return f"no potential {name!r}: expected one of {', '.join(known_potentials())}"
        if given := [key for key in NOT_ITS_OWN if getattr(recipe.physics, key) is not None]:
            return f"a potential has no {given[0]}: leave it out of the recipe"
        return None

    def prepare(self, job: Job) -> None:
        """Write the cell and the limits, after a look whether the potential is there in the right version."""
        potential = _potential(job.recipe)
        resources = job.recipe.corrected(job.corrections)
        write_json(
            job.folder / INPUT_FILE,
            {
                "crystal": job.crystal.to_json(),
                "potential": potential.name,
                "version": potential.version,
                "model": job.recipe.options.get("model"),
                "task": job.recipe.physics.task,
                "max_force": job.recipe.physics.force_tolerance,
                "max_steps": int(job.recipe.physics.max_steps * job.corrections.get("more_steps", 1.0)),
                "max_seconds": WALLTIME_SHARE * resources.walltime_s,
            },
        )

    def command(self, job: Job) -> Command:  # noqa: ARG002 (the same for every job)
        """This Python with its packages."""
        module = "crystalforge.validation.engines.potential_program"
        return Command((sys.executable, "-I", "-W", "ignore", "-m", module), clean_environment())

    def read(self, job: Job) -> EngineResult:
        """The final cell and its energy."""
        output = read_output(job.folder / OUTPUT_FILE)
        if error_class := FAILURES.get(output["status"]):
            raise AttemptError(error_class, f"{output['status']}: {output['reason']}")
        return EngineResult(
            energy_ev=output["energy_ev"],
            lattice=np.array(output["lattice"]),
            frac_coords=np.array(output["frac_coords"]),
            atomic_numbers=np.array(output["atomic_numbers"]),
            converged=output["status"] == "converged",
            details={key: output[key] for key in ("status", "reason", "max_force", "steps", "rmsd")},
        )

    def provenance(self, job: Job) -> dict[str, Any]:
        """Potential and version of its weights."""
        asked = read_json(job.folder / INPUT_FILE)
        return {"engine": self.name, "potential": asked["potential"], "version": asked["version"]}


def _potential(recipe: CalculationRecipe) -> Potential:
    model = recipe.options.get("model")
    try:
        potential = load_potential(recipe.options.get("potential", DEFAULT), Path(model) if model else None)
    except MissingDependencyError as error:
        raise AttemptError(ErrorClass.ENGINE_MISSING, str(error)) from error
    except UsageError as error:
        raise AttemptError(ErrorClass.UNSUITABLE_INPUT, str(error)) from error
    wanted = recipe.options.get("version", "")
    if not potential.version.startswith(wanted):
        raise AttemptError(
            ErrorClass.ENGINE_MISSING,
            f"The recipe asks for version {wanted!r} of {potential.name}, here is {potential.version!r}: another scale "
            "of energies. Install that version, or enqueue by a recipe of the one that is here.",
        )
    return potential
