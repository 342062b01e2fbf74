"""Relaxation of one primitive cell: first with its symmetry kept, then free.

At a symmetric crystal the forces that would break its symmetry are zero, so a free relaxation from there would stay
even on a saddle. The atoms are therefore displaced, and the cell strained, a little first; a saddle so flat that this
raises no force above ``max_force`` is not seen. The freed crystal is kept when it gains more than ``least_gain``;
otherwise the symmetric one is, whose symmetry is not blurred by what convergence leaves.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalforge.crystals.primitive import PrimitiveCell
from crystalforge.schemas.relaxations import RelaxationStatus

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator


@dataclass(frozen=True)
class RelaxationLimits:
    """When a relaxation ends; part of what decides a screening's rows."""

    max_force: float = 0.05
    """Converged below this (eV/Å); the cell's generalised forces, stress times volume, count among them."""
    max_steps: int = 300
    """Of each of the two stages."""
    max_seconds: float = 120.0
    """Of both stages together; looked at between steps."""
    least_volume_ratio: float = 0.4
    """Of the generated volume; a crystal beyond these two has exploded or collapsed."""
    greatest_volume_ratio: float = 2.5
    greatest_force: float = 1000.0
    """eV/Å; a crystal beyond it has exploded."""
    displacement: float = 0.02
    """Standard deviation of each coordinate (Å) before the free stage; 0 leaves the free stage out."""
    strain: float = 0.01
    """Standard deviation of each component of the cell's strain before the free stage."""
    least_gain: float = 0.001
    """Energy (eV/atom) that the freed crystal must gain to be kept."""


@dataclass(frozen=True)
class Relaxation:
    """What became of one crystal. Energies are the potential's own, per atom (eV/atom); NaN where there is none."""

    status: RelaxationStatus
    reason: str
    """Empty for a converged crystal."""
    cell: PrimitiveCell
    """The last cell that was sound."""
    energy_initial: float
    energy_symmetric: float
    energy_free: float
    energy_per_atom: float
    """Of ``cell``; NaN unless the relaxation converged."""
    symmetry_broken: bool
    """Whether the freed crystal was kept."""
    max_force: float
    """Largest force on an atom (eV/Å)."""
    steps_symmetric: int
    steps_free: int
    volume_change: float
    """Final over initial volume, less 1."""
    rmsd: float
    """Å; see ``displacement_of_atoms``."""
    wall_seconds: float
    cpu_seconds: float


class _StoppedError(Exception):
    """A relaxation that ends without convergence."""

    def __init__(self, status: RelaxationStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def relax(cell: PrimitiveCell, calculator: Calculator, limits: RelaxationLimits | None = None) -> Relaxation:
    """Relax a crystal; whatever happens to it, what comes back says so.

    Args:
        cell: the primitive cell.
        calculator: of a potential; kept by the caller for many crystals.
        limits: when to stop.
    """
    run = _Run(cell, calculator, limits or RelaxationLimits())
    return run.relax()


class _Run:
    """One relaxation on its way: what is known so far is what a stop leaves."""

    def __init__(self, cell: PrimitiveCell, calculator: Calculator, limits: RelaxationLimits) -> None:
        self.start = cell
        self.limits = limits
        self.atoms = atoms_of(cell)
        self.atoms.calc = calculator
        self.sound = cell
        self.energies = {"initial": np.nan, "symmetric": np.nan, "free": np.nan}
        self.steps = {"symmetric": 0, "free": 0}
        self.max_force = np.nan
        self.broken = False
        self.began = (time.monotonic(), time.process_time())

    def relax(self) -> Relaxation:
        """Both stages."""
        try:
            with warnings.catch_warnings():
                # FixSymmetry and filters warn of large steps; such a step either explodes, which is a row, or heals.
                warnings.simplefilter("ignore")
                self._both_stages()
        except _StoppedError as stop:
            return self._result(stop.status, str(stop))
        except Exception as error:  # noqa: BLE001  (boundary: potentials raise what they like; the row has the reason)
            return self._result(RelaxationStatus.FAILED, f"{type(error).__name__}: {error}"[:500])
        return self._result(RelaxationStatus.CONVERGED, "")

    def _both_stages(self) -> None:
        from ase.constraints import FixSymmetry

        self.energies["initial"] = self._check()
        self.atoms.set_constraint(FixSymmetry(self.atoms))
        self.energies["symmetric"] = self._descend("symmetric")
        self.atoms.set_constraint(None)
        if not self.limits.displacement:
            return
        symmetric, force = self.sound, self.max_force
        self._disturb()
        self.energies["free"] = self._descend("free")
        self.broken = self.energies["free"] < self.energies["symmetric"] - self.limits.least_gain
        if not self.broken:
            self.sound, self.max_force = symmetric, force

    def _disturb(self) -> None:
        """Leave the symmetric point: the same small strain and displacements whenever the crystal is relaxed."""
        random = np.random.default_rng(0)
        strain = random.normal(scale=self.limits.strain, size=(3, 3))
        self.atoms.set_cell(self.atoms.cell @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
        self.atoms.rattle(self.limits.displacement, rng=random)

    def _descend(self, stage: str) -> float:
        from ase.filters import UnitCellFilter
        from ase.optimize import FIRE

        optimizer = FIRE(UnitCellFilter(self.atoms), logfile=None)
        converged = False
        energy = np.nan
        for done in optimizer.irun(fmax=self.limits.max_force, steps=self.limits.max_steps):
            energy, converged = self._check(), bool(done)
            self.steps[stage] = int(optimizer.nsteps)
            if not converged and time.monotonic() - self.began[0] > self.limits.max_seconds:
                reason = f"expected an end within {self.limits.max_seconds:g} s; stopped in the {stage} stage"
                raise _StoppedError(RelaxationStatus.TIME_LIMIT, reason)
        if not converged:
            reason = f"expected forces below {self.limits.max_force:g} eV/Å within {self.limits.max_steps} steps"
            raise _StoppedError(
                RelaxationStatus.STEP_LIMIT, f"{reason} of the {stage} stage; {self.max_force:.3g} are left"
            )
        return energy

    def _check(self) -> float:
        """Energy (eV/atom) of a crystal that is still one; what was checked is kept as sound."""
        limits, atoms = self.limits, self.atoms
        volume = float(atoms.get_volume())
        ratio = volume / abs(np.linalg.det(self.start.lattice))
        if not limits.least_volume_ratio <= ratio <= limits.greatest_volume_ratio:
            bounds = f"{limits.least_volume_ratio:g} to {limits.greatest_volume_ratio:g}"
            raise _StoppedError(
                RelaxationStatus.EXPLODED, f"expected {bounds} of the generated volume, got {ratio:.3g} of it"
            )
        energy = float(atoms.get_potential_energy()) / len(atoms)
        force = float(np.linalg.norm(atoms.get_forces(apply_constraint=False), axis=1).max())
        if not np.isfinite([energy, force]).all():
            raise _StoppedError(
                RelaxationStatus.EXPLODED, f"energy {energy} eV/atom and force {force} eV/Å are no numbers"
            )
        if force > limits.greatest_force:
            raise _StoppedError(
                RelaxationStatus.EXPLODED, f"expected forces below {limits.greatest_force:g} eV/Å, got {force:.3g}"
            )
        self.max_force = force
        self.sound = replace(
            self.start, lattice=np.array(atoms.cell), frac_coords=atoms.get_scaled_positions(wrap=False)
        )
        return energy

    def _result(self, status: RelaxationStatus, reason: str) -> Relaxation:
        converged = status is RelaxationStatus.CONVERGED
        volumes = [abs(np.linalg.det(cell.lattice)) for cell in (self.start, self.sound)]
        return Relaxation(
            status=status,
            reason=reason,
            cell=self.sound,
            energy_initial=self.energies["initial"],
            energy_symmetric=self.energies["symmetric"],
            energy_free=self.energies["free"],
            energy_per_atom=self.energies["free" if self.broken else "symmetric"] if converged else np.nan,
            symmetry_broken=self.broken,
            max_force=self.max_force,
            steps_symmetric=self.steps["symmetric"],
            steps_free=self.steps["free"],
            volume_change=volumes[1] / volumes[0] - 1,
            rmsd=displacement_of_atoms(self.start, self.sound),
            wall_seconds=time.monotonic() - self.began[0],
            cpu_seconds=time.process_time() - self.began[1],
        )


def atoms_of(cell: PrimitiveCell) -> Atoms:
    """The cell as periodic ASE ``Atoms``."""
    from ase import Atoms

    return Atoms(numbers=cell.atomic_numbers, scaled_positions=cell.frac_coords, cell=cell.lattice, pbc=True)


def displacement_of_atoms(before: PrimitiveCell, after: PrimitiveCell) -> float:
    """Root mean square displacement (Å) of the atoms, in order, after removal of the common translation.

    Fractional displacements (to the nearest image) are measured in the mean of both lattices: a change of the cell
    alone moves no atom, it is the volume change.
    """
    change: NDArray[Any] = after.frac_coords - before.frac_coords
    change = change - np.round(change)
    change = change - change.mean(axis=0)
    moved = change @ ((before.lattice + after.lattice) / 2)
    return float(np.sqrt((moved**2).sum(axis=1).mean()))
