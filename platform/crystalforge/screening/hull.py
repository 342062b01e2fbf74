"""Energy above the convex hull of a reference (pymatgen's PhaseDiagram), and what the reference lacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from crystalforge.screening.compositions import (
    composition_of,
    elements_of,
    noble_gases_allowed,
    system_name,
    systems_within,
)
from crystalforge.screening.reference import Reference, ReferenceCrystal

if TYPE_CHECKING:
    from pymatgen.analysis.phase_diagram import PhaseDiagram

STABLE = 0.0
NEARLY_STABLE = 0.1
"""Energies above hull (eV/atom) up to which a crystal counts as stable, and as nearly so."""
ROUNDING = 1e-9

DIAGRAMS_KEPT = 256


@dataclass(frozen=True)
class HullEnergy:
    """Where a crystal stands against the reference."""

    energy_above_hull: float | None
    """eV/atom; below 0 under the reference's hull; None where a terminal is missing."""
    decomposition: tuple[tuple[str, float], ...]
    """Crystals of the hull at that composition, with their shares of the atoms."""
    missing_terminals: tuple[str, ...]
    """Elements of which the reference knows nothing: no crystal of it holds them."""
    systems_without_reference: tuple[str, ...]
    """Systems of two or more of the elements in which the reference has no compound.

    That may be nature's doing or the reference's gap: in the second case the energy above hull is too low.
    """

    @property
    def is_stable(self) -> bool | None:
        """On the hull or under it."""
        return None if self.energy_above_hull is None else self.energy_above_hull <= STABLE + ROUNDING

    @property
    def is_nearly_stable(self) -> bool | None:
        """Within 0.1 eV/atom."""
        return None if self.energy_above_hull is None else self.energy_above_hull <= NEARLY_STABLE + ROUNDING


class ReferenceHull:
    """The hull of a reference. Elements stand at 0 by the definition of a formation energy."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self._by_system: dict[str, list[ReferenceCrystal]] = defaultdict(list)
        for crystal in reference.crystals:
            self._by_system[system_name(elements_of(crystal.formula))].append(crystal)
        self._elements = {symbol for system in self._by_system for symbol in system.split("-")}
        self._diagram = lru_cache(maxsize=DIAGRAMS_KEPT)(self._new_diagram)

    def energy_above_hull(
        self, formula: str, formation_energy_per_atom: float, *, leave_out: Iterable[str] = ()
    ) -> HullEnergy:
        """Distance of a crystal from the hull at its composition.

        Args:
            formula: of the crystal.
            formation_energy_per_atom: eV/atom, on the reference's scale.
            leave_out: names of reference crystals that are not to compete, such as the crystal itself.
        """
        elements = elements_of(formula)
        missing = tuple(symbol for symbol in elements if symbol not in self._elements)
        gaps = tuple(name for name in systems_within(elements) if "-" in name and not self._by_system.get(name))
        if missing:
            return HullEnergy(None, (), missing, gaps)
        composition = composition_of(formula)
        with noble_gases_allowed():
            diagram = self._diagram(system_name(elements), frozenset(leave_out) & self._names(elements))
            shares = diagram.get_decomposition(composition)
            names = {entry: entry.composition.reduced_formula for entry in shares}
        found = sorted((names[entry], round(float(share), 3)) for entry, share in shares.items())
        energy = float(sum(entry.energy_per_atom * share for entry, share in shares.items()))
        return HullEnergy(formation_energy_per_atom - energy, tuple(found), (), gaps)

    def _names(self, elements: tuple[str, ...]) -> set[str]:
        return {crystal.name for name in systems_within(elements) for crystal in self._by_system.get(name, [])}

    def _new_diagram(self, system: str, left_out: frozenset[str]) -> PhaseDiagram:
        from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram

        elements = system.split("-")
        entries = [PDEntry(composition_of(symbol), 0.0, name=symbol) for symbol in elements]
        for name in systems_within(elements):
            # A form of an element that is not its ground state competes with nothing.
            for crystal in self._by_system.get(name, []) if "-" in name else []:
                if crystal.name not in left_out:
                    composition = composition_of(crystal.formula)
                    energy = crystal.formation_energy_per_atom * composition.num_atoms
                    entries.append(PDEntry(composition, energy, name=crystal.name))
        return PhaseDiagram(entries)
