"""Rows of ``discoveries``: which raw samples are stable, unique and novel once they are relaxed.

Crystals are compared as relaxed, by the structure matcher of the evaluation, with all others of their reduced formula,
whatever the space group: what falls into a known crystal, or into the same one as another sample, is not new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from crystalforge.crystals.elements import atomic_number
from crystalforge.crystals.primitive import PrimitiveCell, primitive_cells
from crystalforge.crystals.rows import batch_from_table
from crystalforge.evaluation.matching import are_equal, reduced_structure
from crystalforge.schemas.discoveries import DISCOVERIES
from crystalforge.schemas.relaxations import IDENTITY, RelaxationStatus
from crystalforge.screening.compositions import reduced_formula
from crystalforge.screening.reference import Reference

if TYPE_CHECKING:
    from pymatgen.core import Structure

SAME = [column.name for column in IDENTITY if column.name != "generation_id"]
STABLE_COLUMNS = ("energy_above_hull", "is_stable", "is_nearly_stable", "systems_without_reference")
ASYMMETRIC = (None, 1)
"""Space groups found after relaxation, at symprec 0.1 Å, that are no symmetry: none, and P1."""


@dataclass
class KnownCrystals:
    """Structures by reduced formula, each with its name; ``find`` gives the first that matches."""

    by_formula: dict[str, list[tuple[str, Structure]]] = field(default_factory=lambda: defaultdict(list))

    def find(self, formula: str, structure: Structure) -> str | None:
        """Name of the first known crystal that equals a structure."""
        return next((name for name, known in self.by_formula.get(formula, []) if are_equal(structure, known)), None)


def discoveries(
    relaxations: pa.Table, stabilities: pa.Table, materials: pa.Table, reference: Reference, generation_id: str
) -> pa.Table:
    """Judge every sample that was drawn.

    Args:
        relaxations: all rows of a screening of raw samples, rejected ones too; what they hold is what was drawn.
        stabilities: of its converged crystals, against the reference.
        materials: the dataset against which novelty is told, all of it.
        reference: its formulas are known ones too.
        generation_id: whose samples, or whose null.
    """
    judged = {row["relaxation_id"]: row for row in stabilities.select(["relaxation_id", *STABLE_COLUMNS]).to_pylist()}
    rows = relaxations.to_pylist()
    formulas = {reduced_formula(row["formula"]) for row in rows if row["status"] == RelaxationStatus.CONVERGED}
    known = _known_crystals(materials, formulas)
    known_formulas = {*map(reduced_formula, materials["reduced_formula"].to_pylist())}
    known_formulas |= {reduced_formula(crystal.formula) for crystal in reference.crystals}
    seen = KnownCrystals()
    found = []
    for row in rows:
        verdict = _nothing(row, generation_id, reference.name)
        if verdict["is_converged"]:
            verdict |= _stability(judged.get(row["relaxation_id"], {}))
            verdict |= _novelty(row, seen, known)
            verdict["is_new_formula"] = reduced_formula(row["formula"]) not in known_formulas
            verdict["is_symmetric"] = row["space_group_after_loose"] not in ASYMMETRIC
            verdict["rmsd"] = row["rmsd"]
        found.append(verdict)
    return pa.Table.from_pylist(found, schema=DISCOVERIES)


def _nothing(row: Mapping[str, Any], generation_id: str, reference: str) -> dict[str, Any]:
    """The verdict on a sample that did not converge."""
    booleans = [column.name for column in DISCOVERIES if pa.types.is_boolean(column.type)]
    return {
        **dict.fromkeys(booleans, False),
        **{name: row[name] for name in (*SAME, "status")},
        "generation_id": generation_id,
        "reference": reference,
        "is_accepted": row["status"] != RelaxationStatus.REJECTED,
        "is_converged": row["status"] == RelaxationStatus.CONVERGED,
    }


def _stability(row: Mapping[str, Any]) -> dict[str, Any]:
    energy = row.get("energy_above_hull")
    if energy is None:
        return {}
    same = {name: row[name] for name in ("energy_above_hull", "is_stable", "is_nearly_stable")}
    return same | {"is_judged": True, "is_covered": row["systems_without_reference"] is None}


def _novelty(row: Mapping[str, Any], seen: KnownCrystals, known: KnownCrystals) -> dict[str, Any]:
    formula, structure = reduced_formula(row["formula"]), reduced_structure(relaxed_cell(row))
    equal_to, known_as = seen.find(formula, structure), known.find(formula, structure)
    if equal_to is None:
        seen.by_formula[formula].append((row["relaxation_id"], structure))
    return {"is_unique": equal_to is None, "equal_to": equal_to, "is_novel": known_as is None, "known_as": known_as}


def _known_crystals(materials: pa.Table, formulas: set[str]) -> KnownCrystals:
    """The crystals of a dataset that have one of the formulas."""
    wanted = [reduced_formula(formula) in formulas for formula in materials["reduced_formula"].to_pylist()]
    some = materials.filter(pa.array(wanted, pa.bool_()))
    known = KnownCrystals()
    for index, cell in primitive_cells(batch_from_table(some)):
        name = reduced_formula(some["reduced_formula"][index].as_py())
        known.by_formula[name].append((some["material_id"][index].as_py(), reduced_structure(cell)))
    return known


def relaxed_cell(row: Mapping[str, Any]) -> PrimitiveCell:
    """The final crystal of a row of ``relaxations``."""
    return PrimitiveCell(
        lattice=np.array(row["lattice"]).reshape(3, 3),
        frac_coords=np.array(row["frac_coords"]).reshape(-1, 3),
        atomic_numbers=atomic_number(np.array(row["species"])),
    )
