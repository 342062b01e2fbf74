"""Elk: all-electron LAPW by a free code, where GPAW has no data set of an element (lanthanides, Tc, Po, At).

Debian's package ``elk-lapw`` is enough; ``CRYSTALFORGE_ELK_COMMAND`` and ``CRYSTALFORGE_ELK_SPECIES`` name another
program and another folder of species files. ASE writes its input and reads its geometry, forces and convergence.

Energies of crystals as they are only. Elk's own optimisation of a cell has no analytic stress: it takes a whole
calculation for each strain and each step, by steepest descent. Molecules in a box are refused too: the small spheres of
H, N, O and F make a basis of more than ten thousand waves there.

``cutoff_ev`` is that of the waves between the spheres. Elk itself counts it in radii of the crystal's spheres, mean or
smallest: another basis, and another error of the energy, for each composition. Here it is one length for all crystals
of a recipe, so that compounds and elements stay on one scale. Options of a recipe, which must state them all:

- ``gmaxvr``: longest wave vector of density and potential (1/Bohr);
- ``lmaxapw``: highest angular momentum of the waves in the spheres;
- ``nempty``: empty states for each atom and spin;
- ``epsengy``: change of the energy (Ha) from loop to loop at which it has settled.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from crystalforge.crystals.elements import symbols
from crystalforge.files import sha256_of_file
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.engines.contract import (
    STDOUT_FILE,
    AttemptError,
    Command,
    Ending,
    Engine,
    EngineResult,
    Job,
    clean_environment,
)
from crystalforge.validation.engines.elk_output import error_of, provenance_of, read_elk_output
from crystalforge.validation.engines.sampling import kpoint_grid, starting_moments
from crystalforge.validation.recipe import CalculationRecipe
from crystalforge.validation.states import ErrorClass

COMMAND_VARIABLE = "CRYSTALFORGE_ELK_COMMAND"
SPECIES_VARIABLE = "CRYSTALFORGE_ELK_SPECIES"
DEBIANS_COMMAND = "elk-lapw"
DEBIANS_SPECIES = "/usr/share/elk-lapw/species"
INSTALL = (
    f"Install it: apt-get install elk-lapw; or name program and species files by {COMMAND_VARIABLE} and "
    f"{SPECIES_VARIABLE}."
)
INPUT_FILE = "elk.in"
FUNCTIONALS = {"PBE": "PBE", "PBEsol": "PBESOL", "LDA": "LDA"}
"""By the recipe's name: ASE's."""
OPTIONS = ("gmaxvr", "lmaxapw", "nempty", "epsengy")
FIELD_PER_MOMENT = -0.02
"""Magnetic field in a sphere (Ha) for each μB that its atom is to start with; Elk's sign is against the moment."""
FIELD_KEPT = 0.6
"""Share of the field that is left after each loop; after twenty nothing is."""
BY_FIXED_RADIUS = -2
"""Elk's number for a cut-off that is counted in a radius of 2 Bohr, whatever the spheres are."""
FIXED_RADIUS = 2.0
RADIAL_STEP = 2
"""Every second radial point in the spheres. Elk's own 4 leaves Al 52 meV/atom from where 1 does, 2 leaves it at 0.6."""
USUAL_MIXING = (0.2, 0.15)
"""Broyden's; a repetition divides the first. By Elk's own 0.4 Al once settled 717 eV above its ground state."""
USUAL_LOOPS = 200
WAVE_FUNCTIONS = ("EVECFV.OUT", "EVECSV.OUT")
"""Not kept: they are the largest files by far, and the density in STATE.OUT gives them again."""
WITH_LARGE_STACK = 'ulimit -s "$(ulimit -H -s)"; exec "$0"'
"""Elk keeps arrays on the stack and crashes where it is small."""


class Elk(Engine):
    """See the module."""

    name: ClassVar[str] = "elk"
    description: ClassVar[str] = "Elk, all-electron LAPW; energies of crystals as they are, La to Lu too"

    def missing(self) -> str | None:
        """Looks for the program and the folder of species files."""
        if shutil.which(_program()) is None:
            return f"{_program()} is not there or cannot be run. {INSTALL}"
        return None if _species().is_dir() else f"There are no species files in {_species()}. {INSTALL}"

    def refusal(self, crystal: Crystal, recipe: CalculationRecipe) -> str | None:
        """Choices that it does not have, molecules, relaxations, and elements without a species file."""
        physics, options = recipe.physics, recipe.options
        unknown, left_out = sorted(set(options) - set(OPTIONS)), [key for key in OPTIONS if key not in options]
        wrong = [key for key in OPTIONS if key in options and not _is_positive(options[key])]
        faults = {
            "Elk computes static energies only: its relaxation of a cell takes a calculation for each strain and step; "
            "relax by GPAW or a potential first": physics.task != "static",
            f"functional = {physics.functional!r}: expected one of {', '.join(FUNCTIONALS)}": physics.functional
            not in FUNCTIONALS,
            "Elk needs cutoff_ev and kpoint_density": physics.cutoff_ev is None or physics.kpoint_density is None,
            f"smearing = {physics.smearing!r}: expected 'fermi-dirac', wider than 0": physics.smearing != "fermi-dirac"
            or physics.smearing_ev <= 0,
            f"Elk has no option {unknown}: expected {', '.join(OPTIONS)}": bool(unknown),
            f"the recipe must state {', '.join(left_out)} of its [options]": bool(left_out),
            f"options {wrong}: expected numbers above 0": bool(wrong),
            "Elk is not for molecules in a box: their basis would be too large": crystal.is_molecule,
            f"{crystal.formula} is magnetic, and the recipe has no spin": bool(crystal.magnetic_moments)
            and physics.spin == "none",
            f"Elk has no species file of {', '.join(absent := _absent_species(crystal))}": bool(absent),
        }
        return next((fault for fault, holds in faults.items() if holds), None)

    def prepare(self, job: Job) -> None:
        """Write ``elk.in``."""
        from ase.io.elk import write_elk_in

        crystal, physics = job.crystal, job.recipe.physics
        if physics.kpoint_density is None or physics.cutoff_ev is None:
            raise AttemptError(ErrorClass.UNSUITABLE_INPUT, "The recipe has no cutoff_ev or no kpoint_density.")
        moments = starting_moments(crystal, physics.spin)
        atoms = crystal.to_atoms()
        if moments:  # ASE writes them where Elk expects the field in the sphere
            atoms.set_initial_magnetic_moments([FIELD_PER_MOMENT * moment for moment in moments])
        slower = job.corrections.get("slower_mixing", 1.0)
        blocks = {
            "tasks": [[0]],
            "xc": FUNCTIONALS[physics.functional],
            "ngridk": kpoint_grid(crystal, physics.kpoint_density),
            "smearing": (physics.smearing, physics.smearing_ev),
            "spinpol": moments is not None,
            "reducebf": FIELD_KEPT,
            "isgkmax": BY_FIXED_RADIUS,
            "rgkmax": FIXED_RADIUS * longest_wave_vector(physics.cutoff_ev),
            "lradstp": RADIAL_STEP,
            "tforce": True,
            "broydpm": [USUAL_MIXING[0] / slower, USUAL_MIXING[1]],
            "maxscl": int(USUAL_LOOPS * slower),
            "maxthd": _threads(job.recipe),
            "sppath": str(_species()),
        }
        with (job.folder / INPUT_FILE).open("w") as stream:
            write_elk_in(stream, atoms, blocks | {key: job.recipe.options[key] for key in OPTIONS})

    def command(self, job: Job) -> Command:
        """The program, with as much stack as the system grants."""
        threads = _threads(job.recipe)
        environment = clean_environment(OMP_NUM_THREADS=str(threads), OMP_STACKSIZE="256M")
        return Command(("/bin/sh", "-c", WITH_LARGE_STACK, _program()), environment)

    def read(self, job: Job) -> EngineResult:
        """What Elk wrote; it exits with 0 after an error too."""
        if error := error_of(job.folder / STDOUT_FILE):
            raise AttemptError(*error)
        result = read_elk_output(job.folder)
        for name in WAVE_FUNCTIONS:
            (job.folder / name).unlink(missing_ok=True)
        return result

    def diagnose(self, job: Job, ending: Ending) -> ErrorClass:
        """The class of the message that Elk printed, or what its ending says."""
        error = error_of(job.folder / STDOUT_FILE) if ending.reason == "exited" else None
        return error[0] if error else super().diagnose(job, ending)

    def provenance(self, job: Job) -> dict[str, Any]:
        """Version, species files with their checksums, and the radii of the spheres as Elk took them."""
        names = sorted(set(symbols(job.crystal.atomic_numbers).tolist()))
        files = {name: _species() / f"{name}.in" for name in names}
        checksums = {name: sha256_of_file(path) for name, path in files.items() if path.is_file()}
        species = {name: {"file": files[name].name, "sha256": checksum} for name, checksum in checksums.items()}
        return {"engine": self.name, "species": species} | provenance_of(job.folder)


def longest_wave_vector(cutoff_ev: float) -> float:
    """Of waves up to an energy (eV), in 1/Bohr."""
    from ase.units import Hartree

    return float(np.sqrt(2 * cutoff_ev / Hartree))


def _program() -> str:
    return os.environ.get(COMMAND_VARIABLE) or DEBIANS_COMMAND


def _species() -> Path:
    return Path(os.environ.get(SPECIES_VARIABLE) or DEBIANS_SPECIES)


def _absent_species(crystal: Crystal) -> list[str]:
    """Elements without a species file; none on a machine that has no species files at all, which is another error."""
    if not _species().is_dir():
        return []
    return [name for name in sorted(set(symbols(crystal.atomic_numbers).tolist())) if not _has_species(name)]


def _has_species(symbol: str) -> bool:
    return (_species() / f"{symbol}.in").is_file()


def _threads(recipe: CalculationRecipe) -> int:
    return max(1, int(recipe.resources.cores))


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
