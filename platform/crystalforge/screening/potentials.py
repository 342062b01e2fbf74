"""Potentials by name: those that are known here, and any that an installed package offers.

A package offers a potential by an entry point of the group ``crystalforge.potentials``, whose object is called with the
user's model file (or None) and returns a ``Potential``:

    [project.entry-points."crystalforge.potentials"]
    mine = "my_package:load"
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystalforge.errors import MissingDependencyError, UsageError
from crystalforge.suggestions import did_you_mean

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

GROUP = "crystalforge.potentials"
DEFAULT_POTENTIAL = "chgnet"


@dataclass(frozen=True)
class Potential:
    """An interatomic potential: gives energy (eV), forces (eV/Å) and stress (eV/Å³) through ASE."""

    name: str
    version: str
    """Of the weights: energies of two versions never share a scale."""
    new_calculator: Callable[[], Calculator]

    def calculator(self) -> Calculator:
        """A new ASE calculator; keep it, for loading the weights takes seconds."""
        return self.new_calculator()


@dataclass(frozen=True)
class KnownPotential:
    """A potential that this package knows how to load."""

    module: str
    """Imported package; its absence is said with the install line."""
    install: str
    loader: str
    """``module:function`` called with the model file or None."""


_ADAPTERS = "crystalforge.screening.potential_adapters"
KNOWN = {
    "chgnet": KnownPotential("chgnet", "pip install 'crystalforge[mlip]'", f"{_ADAPTERS}:load_chgnet"),
    "mace": KnownPotential("mace", "pip install mace-torch", f"{_ADAPTERS}:load_mace"),
    "mattersim": KnownPotential("mattersim", "pip install mattersim", f"{_ADAPTERS}:load_mattersim"),
    "orb": KnownPotential("orb_models", "pip install orb-models", f"{_ADAPTERS}:load_orb"),
    "sevennet": KnownPotential("sevenn", "pip install sevenn", f"{_ADAPTERS}:load_sevennet"),
    "emt": KnownPotential("ase", "pip install ase", f"{_ADAPTERS}:load_emt"),
}


def known_potentials() -> list[str]:
    """Names that ``load_potential`` takes, installed or not."""
    return sorted({*KNOWN, *(point.name for point in entry_points(group=GROUP))})


def load_potential(name: str = DEFAULT_POTENTIAL, model: Path | None = None) -> Potential:
    """Find a potential; a package's own entry point goes before the loader that is known here.

    Args:
        name: such as ``chgnet``.
        model: file of weights; None for those that the package brings.

    Raises:
        UsageError: no potential of that name, no such file, or the potential needs a file.
        MissingDependencyError: its package is not installed; the message has the install line.
    """
    if model is not None and not model.is_file():
        raise UsageError(f"--model {model}: expected the file of a model for the potential '{name}', found none.")
    points = [point for point in entry_points(group=GROUP) if point.name == name]
    if points:
        return _checked(name, points[0].load()(model))
    if name not in KNOWN:
        raise UsageError(
            f"No potential '{name}': expected one of {', '.join(known_potentials())}. An installed package offers "
            f"others by entry points of the group {GROUP}.{did_you_mean(name, known_potentials())}"
        )
    known = KNOWN[name]
    if find_spec(known.module) is None:
        raise MissingDependencyError(
            f"The potential '{name}' needs the package '{known.module}', which is not installed. "
            f"Install it: {known.install}"
        )
    module, _, function = known.loader.partition(":")
    return _checked(name, getattr(import_module(module), function)(model))


def _checked(name: str, potential: Any) -> Potential:
    if not isinstance(potential, Potential):
        raise UsageError(
            f"The entry point '{name}' of {GROUP} gave {type(potential).__name__}: expected a Potential. "
            "Report it to the package that offers it."
        )
    return potential
