"""VASP's inputs, as the Materials Project writes them: pymatgen's input sets. None needs a licence but the POTCAR.

What is changed in a set, always and for every crystal alike:

- no +U: the sets put it on some metals in oxides and fluorides only, and such energies lie on another scale than those
  of the elements by the same recipe;
- a molecule in a box keeps its box and has one k-point;
- a relaxation ends by the recipe's ``force_tolerance`` and ``max_steps``.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystalforge.crystals.elements import symbols
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.engines.contract import AttemptError
from crystalforge.validation.recipe import CalculationRecipe
from crystalforge.validation.states import ErrorClass

if TYPE_CHECKING:
    from pymatgen.io.vasp.sets import VaspInputSet

POTCAR_VARIABLE = "PMG_VASP_PSP_DIR"
NO_U = {"LDAU": False}
USUAL_MIXING = 0.4
"""VASP's own AMIX; a repetition divides it."""


@dataclass(frozen=True)
class SetChoice:
    """One of pymatgen's input sets, and which recipes it fits."""

    task: str
    functionals: Mapping[str, Mapping[str, str]]
    """By the recipe's name: how the set is asked for it."""
    loops: int
    """Electronic steps that it allows (NELM)."""


INPUT_SETS = {
    "MPRelaxSet": SetChoice("relax", {"PBE": {}}, 100),
    "MatPESStaticSet": SetChoice(
        "static", {"PBE": {"xc_functional": "PBE"}, "r2SCAN": {"xc_functional": "R2SCAN"}}, 200
    ),
}


def absent_potentials(crystal: Crystal, set_name: str) -> list[str]:
    """Elements of a crystal for which an input set names no potential."""
    named = _class_of(set_name).CONFIG["POTCAR"]
    return sorted(set(symbols(crystal.atomic_numbers).tolist()) - set(named))


def input_set(crystal: Crystal, recipe: CalculationRecipe, corrections: Mapping[str, float]) -> VaspInputSet:
    """The inputs of a calculation, not yet written.

    Args:
        crystal: sites in any order; VASP gets them by element.
        recipe: that the engine did not refuse.
        corrections: ``slower_mixing`` and ``more_steps``.
    """
    from pymatgen.core import Structure
    from pymatgen.io.vasp.inputs import Kpoints

    name = recipe.options["input_set"]
    choice, physics = INPUT_SETS[name], recipe.physics
    settings: dict[str, Any] = dict(NO_U)
    if choice.task == "relax":
        settings |= {
            "EDIFFG": -physics.force_tolerance,
            "NSW": int(physics.max_steps * corrections.get("more_steps", 1.0)),
        } | ({"ISIF": 2} if crystal.is_molecule else {})
    if slower := corrections.get("slower_mixing"):
        settings |= {"AMIX": USUAL_MIXING / slower, "NELM": int(choice.loops * slower)}
    moments = {"magmom": list(crystal.magnetic_moments)} if crystal.magnetic_moments else None
    structure = Structure(
        crystal.lattice, crystal.atomic_numbers.tolist(), crystal.frac_coords, site_properties=moments
    )
    return _class_of(name)(
        structure,
        user_incar_settings=settings,
        user_kpoints_settings=Kpoints() if crystal.is_molecule else {},
        **choice.functionals[physics.functional],
    )


def write_inputs(inputs: VaspInputSet, folder: Path) -> list[str]:
    """Write INCAR, POSCAR, POTCAR.spec and, where the set does not leave it to VASP, KPOINTS.

    Returns:
        what pymatgen warns of.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inputs.write_input(folder, potcar_spec=True)
    found = {str(warning.message) for warning in caught if not issubclass(warning.category, DeprecationWarning)}
    return sorted(found)


def write_potcar(inputs: VaspInputSet, folder: Path) -> dict[str, dict[str, str]]:
    """Put the licensed potentials together.

    Returns:
        by symbol: title and SHA-256 of each.

    Raises:
        AttemptError: pymatgen does not find one.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of potentials that are not in pymatgen's list of checksums
            potcar = inputs.potcar
    except (OSError, ValueError, RuntimeError) as error:
        raise AttemptError(ErrorClass.ENGINE_MISSING, f"{error} Set {POTCAR_VARIABLE}.") from error
    potcar.write_file(folder / "POTCAR")
    return {
        single.symbol: {"title": str(single.TITEL), "sha256": hashlib.sha256(single.data.encode()).hexdigest()}
        for single in potcar
    }


def _class_of(name: str) -> Any:
    from pymatgen.io.vasp import sets

    return getattr(sets, name)
