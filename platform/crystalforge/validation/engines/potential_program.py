"""The program that the potential engine runs in a job's folder: one energy, or one relaxation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crystalforge.crystals.primitive import PrimitiveCell
from crystalforge.screening.potentials import load_potential
from crystalforge.screening.relaxation import RelaxationLimits, atoms_of, relax
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.engines.potential import INPUT_FILE, OUTPUT_FILE


def main() -> None:
    """Read the input, compute, write the output."""
    asked = json.loads(Path(INPUT_FILE).read_text())
    crystal = Crystal.from_json(asked["crystal"])
    cell = PrimitiveCell(crystal.lattice, crystal.frac_coords, crystal.atomic_numbers)
    model = Path(asked["model"]) if asked["model"] else None
    calculator = load_potential(asked["potential"], model).calculator()
    output = (_relaxed if asked["task"] == "relax" else _static)(cell, calculator, asked)
    Path(OUTPUT_FILE).write_text(json.dumps(output))


def _static(cell: PrimitiveCell, calculator: Any, _: dict[str, Any]) -> dict[str, Any]:
    atoms = atoms_of(cell)
    atoms.calc = calculator
    energy = float(atoms.get_potential_energy())
    largest = float((atoms.get_forces() ** 2).sum(axis=1).max() ** 0.5)
    told = {"status": "converged", "reason": "", "max_force": largest, "steps": 0, "rmsd": 0.0}
    return {"energy_ev": energy, **_cell(cell), **told}


def _relaxed(cell: PrimitiveCell, calculator: Any, asked: dict[str, Any]) -> dict[str, Any]:
    limits = RelaxationLimits(
        max_force=asked["max_force"], max_steps=asked["max_steps"], max_seconds=asked["max_seconds"]
    )
    done = relax(cell, calculator, limits)
    return {
        "energy_ev": done.energy_per_atom * len(done.cell.atomic_numbers),
        **_cell(done.cell),
        "status": done.status.value,
        "reason": done.reason,
        "max_force": done.max_force,
        "steps": done.steps_symmetric + done.steps_free,
        "rmsd": done.rmsd,
    }


def _cell(cell: PrimitiveCell) -> dict[str, Any]:
    return {
        "lattice": cell.lattice.tolist(),
        "frac_coords": cell.frac_coords.tolist(),
        "atomic_numbers": cell.atomic_numbers.tolist(),
    }


if __name__ == "__main__":
    main()
