"""Rows of ``relaxations``: relax the crystals of a shard, one row each, whatever becomes of them.

A sample that was rejected when it was drawn is a row with that reason; it is not relaxed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from crystalforge.crystals.elements import symbols
from crystalforge.crystals.primitive import PrimitiveCell, primitive_cells
from crystalforge.crystals.rows import batch_from_table
from crystalforge.crystals.symmetry_search import find_space_group
from crystalforge.schemas.relaxations import RELAXATIONS, RelaxationStatus
from crystalforge.screening.plan import ScreeningPlan, ScreeningShard
from crystalforge.screening.relaxation import Relaxation, relax

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

STRICT, LOOSE = 0.01, 0.1
"""Å; the two tolerances of the symmetry search."""
MEASURED = (
    "energy_initial",
    "energy_symmetric",
    "energy_free",
    "energy_per_atom",
    "symmetry_broken",
    "max_force",
    "steps_symmetric",
    "steps_free",
    "volume_change",
    "rmsd",
    "wall_seconds",
    "cpu_seconds",
)
"""Columns that are values of a ``Relaxation``."""
NOT_RELAXED = {
    "status": RelaxationStatus.REJECTED.value,
    "symmetry_broken": False,
    "steps_symmetric": 0,
    "steps_free": 0,
    "wall_seconds": 0.0,
    "cpu_seconds": 0.0,
}
"""Of a rejected sample; all else is null."""


def relax_shard(inputs: pa.Table, plan: ScreeningPlan, shard: ScreeningShard, calculator: Calculator) -> pa.Table:
    """Relax one shard's crystals.

    Args:
        inputs: all crystals of the screening, in order.
        plan: the screening.
        shard: which of them.
        calculator: of the plan's potential.

    Returns:
        table ``relaxations``, in the order of the inputs.
    """
    some = inputs.slice(shard.first_index, shard.n_crystals)
    accepted = _accepted(some)
    cells = dict(primitive_cells(batch_from_table(some.filter(accepted))))
    place = dict(zip(pc.indices_nonzero(accepted).to_pylist(), range(some.num_rows), strict=False))
    rows = []
    for index, row in enumerate(some.to_pylist()):
        identity = _identity(row, plan, shard.first_index + index)
        if index in place:
            cell = cells[place[index]]
            rows.append(identity | _outcome(cell, relax(cell, calculator, plan.limits)))
        else:
            rows.append(identity | NOT_RELAXED | {"reason": row["reject_reason"]})
    return pa.Table.from_pylist(rows, schema=RELAXATIONS)


def _accepted(inputs: pa.Table) -> pa.ChunkedArray:
    if "reject_reason" not in inputs.column_names:
        return pa.chunked_array([[True] * inputs.num_rows], pa.bool_())
    return pc.is_null(inputs["reject_reason"])


def _identity(row: dict[str, Any], plan: ScreeningPlan, index: int) -> dict[str, Any]:
    same = ("source_id", "crystal_id", "space_group_number", "formula", "chemical_system")
    return {name: row[name] for name in same} | {
        "relaxation_id": f"{plan.screening_id}-{index}",
        "screening_id": plan.screening_id,
        "source": plan.source,
        "potential": plan.potential,
        "potential_version": plan.potential_version,
        "generation_id": row.get("generation_id"),
    }


def _outcome(before: PrimitiveCell, relaxation: Relaxation) -> dict[str, Any]:
    after = relaxation.cell
    n_atoms = len(after.atomic_numbers)
    return {name: _known(getattr(relaxation, name)) for name in MEASURED} | {
        "n_atoms": n_atoms,
        "status": relaxation.status.value,
        "reason": relaxation.reason or None,
        "volume_per_atom": _volume(after) / n_atoms,
        "space_group_before": find_space_group(before, STRICT) or None,
        "space_group_before_loose": find_space_group(before, LOOSE) or None,
        "space_group_after": find_space_group(after, STRICT) or None,
        "space_group_after_loose": find_space_group(after, LOOSE) or None,
        "lattice": after.lattice.reshape(-1).tolist(),
        "species": symbols(after.atomic_numbers).tolist(),
        "frac_coords": (after.frac_coords % 1.0).reshape(-1).tolist(),
    }


def _volume(cell: PrimitiveCell) -> float:
    from numpy.linalg import det

    return float(abs(det(cell.lattice)))


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
