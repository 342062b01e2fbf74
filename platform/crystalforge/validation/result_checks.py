"""Is it a result at all? What every engine's numbers must hold before the ledger may accept them."""

from __future__ import annotations

import math

import numpy as np

from crystalforge.validation.engines.contract import AttemptError, EngineResult, Job
from crystalforge.validation.states import ErrorClass

LARGEST_VOLUME_FACTOR = 4.0
"""Of the cell before and after, either way: beyond it the crystal flew apart or fell into itself."""


def check_result(job: Job, result: EngineResult) -> None:
    """Refuse numbers that are none, another crystal's, or those of a crystal that is no more.

    Raises:
        AttemptError: with the class and what was found.
    """
    arrays = [result.lattice, result.frac_coords] + ([] if result.forces is None else [result.forces])
    if not result.converged:
        relaxing = job.recipe.physics.task == "relax"
        what = ErrorClass.RELAXATION_NOT_CONVERGED if relaxing else ErrorClass.SCF_NOT_CONVERGED
        raise AttemptError(
            what, f"The engine says that it did not converge. {result.details.get('reason', '')}".strip()
        )
    if not math.isfinite(result.energy_ev) or not all(np.isfinite(array).all() for array in arrays):
        raise AttemptError(
            ErrorClass.NOT_A_NUMBER,
            f"Expected finite numbers, got an energy of {result.energy_ev} eV. (Or a force or length is none.)",
        )
    if sorted(result.atomic_numbers.tolist()) != sorted(job.crystal.atomic_numbers.tolist()):
        raise AttemptError(
            ErrorClass.IMPOSSIBLE_RESULT,
            f"Expected the atoms of {job.crystal.formula}, got atomic numbers {result.atomic_numbers.tolist()}.",
        )
    before, after = (abs(np.linalg.det(lattice)) for lattice in (job.crystal.lattice, result.lattice))
    if not 1 / LARGEST_VOLUME_FACTOR < after / before < LARGEST_VOLUME_FACTOR:
        raise AttemptError(
            ErrorClass.IMPOSSIBLE_RESULT,
            f"The cell went from {before:.1f} to {after:.1f} Å³: expected less than {LARGEST_VOLUME_FACTOR:g}-fold.",
        )
