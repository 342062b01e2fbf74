"""Rows of ``stabilities``: relaxed crystals on the scale of a reference, against its hull."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from crystalforge.schemas.relaxations import IDENTITY, STABILITIES, RelaxationStatus
from crystalforge.screening.energy_scale import EnergyScale, ScaleCrystal
from crystalforge.screening.hull import HullEnergy, ReferenceHull
from crystalforge.screening.reference import Reference

IDENTITY_NAMES = [column.name for column in IDENTITY]
NOWHERE = HullEnergy(None, (), (), ())
SAME_CRYSTAL_RMSD = 0.2
"""Å; a real crystal that moved further, or lost its symmetry, is no longer the one that the reference tabulates."""


def stabilities(relaxations: pa.Table, scale: EnergyScale, hull: ReferenceHull) -> pa.Table:
    """Formation energy and energy above hull of each converged crystal.

    Args:
        relaxations: table ``relaxations``; crystals that did not converge get no row.
        scale: of their potential, against the hull's reference.
        hull: of the reference.
    """
    rows = [_row(row, scale, hull) for row in _converged(relaxations)]
    return pa.Table.from_pylist(rows, schema=STABILITIES)


def _row(row: Mapping[str, Any], scale: EnergyScale, hull: ReferenceHull) -> dict[str, Any]:
    formula = row["formula"]
    formation = scale.formation_energy_per_atom(formula, row["energy_per_atom"])
    found = NOWHERE if formation is None else hull.energy_above_hull(formula, formation)
    missing = sorted({*scale.missing_elements(formula), *found.missing_terminals})
    return {name: row[name] for name in IDENTITY_NAMES} | {
        "reference": scale.reference,
        "correction": scale.correction,
        "scale": _describe(scale),
        "formation_energy_per_atom": formation,
        "energy_above_hull": found.energy_above_hull,
        "is_stable": found.is_stable,
        "is_nearly_stable": found.is_nearly_stable,
        "decomposition": " + ".join(f"{share:g} {name}" for name, share in found.decomposition) or None,
        "missing_terminals": ", ".join(missing) or None,
        "systems_without_reference": ", ".join(found.systems_without_reference) or None,
    }


def _describe(scale: EnergyScale) -> str:
    if scale.mean_absolute_error is None:
        return scale.method
    error = f"mean absolute error {scale.mean_absolute_error:.3f} eV/atom of {scale.n_judged} left out"
    return f"{scale.method}; {error}"


def scale_crystals(relaxations: pa.Table, reference: Reference) -> list[ScaleCrystal]:
    """Real crystals that stand on both scales: converged, still the crystal that the reference tabulates.

    Args:
        relaxations: of real crystals; their ``source_id`` is the reference's name of them.
        reference: with their formation energies.
    """
    tabulated = {crystal.name: crystal.formation_energy_per_atom for crystal in reference.crystals}
    return [
        ScaleCrystal(row["formula"], row["energy_per_atom"], tabulated[row["source_id"]])
        for row in _converged(relaxations)
        if row["source_id"] in tabulated and not row["symmetry_broken"] and row["rmsd"] <= SAME_CRYSTAL_RMSD
    ]


def _converged(relaxations: pa.Table) -> Iterable[dict[str, Any]]:
    return (row for row in relaxations.to_pylist() if row["status"] == RelaxationStatus.CONVERGED)
