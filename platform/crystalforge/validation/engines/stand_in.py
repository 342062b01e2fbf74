"""The stand-in engine: NOT a calculation. It replays invented energies, or fails in a way that is asked for.

It is for trying the queue itself, by real processes that really fail. Its energies have no physical meaning, and each
result says so. Options of a recipe:

- ``behaviour``: what every attempt does (``replay`` by default), or a list, one for each attempt, the last for all
  further ones;
- ``by_formula``: the same for some crystals, by their reduced formula;
- ``seconds``: how long it takes.
"""

from __future__ import annotations

import hashlib
import math
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from crystalforge.files import read_json, write_json
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.engines.contract import Command, Engine, EngineResult, Job, read_output_of
from crystalforge.validation.recipe import CalculationRecipe

PROGRAM = Path(__file__).with_name("stand_in_program.py")
LABEL = "stand-in: an invented number, not a calculation"
BEHAVIOURS = ("replay", "fail", "crash", "hang", "empty", "early_end", "nan", "memory", "full_disk", "wrong_crystal")
OPTIONS = ("behaviour", "by_formula", "seconds")


class StandIn(Engine):
    """See the module."""

    name: ClassVar[str] = "stand-in"
    description: ClassVar[str] = "NOT a calculation: replays, fails, hangs or ends early, to try the queue itself"
    counts_from_elements: ClassVar[bool] = False

    def refusal(self, crystal: Crystal, recipe: CalculationRecipe) -> str | None:
        """Unknown options and behaviours."""
        unknown = sorted(set(recipe.options) - set(OPTIONS))
        if unknown:
            return f"the stand-in has no option {unknown[0]!r}: expected {', '.join(OPTIONS)}"
        wrong = sorted(set(behaviours(recipe, crystal)) - set(BEHAVIOURS))
        return f"the stand-in cannot {wrong[0]!r}: expected {', '.join(BEHAVIOURS)}" if wrong else None

    def prepare(self, job: Job) -> None:
        """Write what the program is to do."""
        asked = behaviours(job.recipe, job.crystal)
        write_json(
            job.folder / "stand_in.json",
            {
                "behaviour": asked[min(job.number, len(asked)) - 1],
                "seconds": float(job.recipe.options.get("seconds", 0.0)),
                "crystal_id": job.crystal.crystal_id,
                "energy_ev": invented_energy(job.crystal),
            },
        )

    def command(self, job: Job) -> Command:  # noqa: ARG002 (the same for every job)
        """This Python, without its packages: the program needs none."""
        return Command((sys.executable, "-I", "-S", str(PROGRAM)), {})

    def read(self, job: Job) -> EngineResult:
        """The energy that the program wrote."""
        output = read_output_of(job.crystal.crystal_id, job.folder / "stand_in_output.json")
        crystal = job.crystal
        return EngineResult(
            energy_ev=float(output["energy_ev"]),
            lattice=crystal.lattice,
            frac_coords=crystal.frac_coords,
            atomic_numbers=crystal.atomic_numbers,
            forces=np.zeros((crystal.n_atoms, 3)),
            details={"label": LABEL},
        )

    def provenance(self, job: Job) -> dict[str, Any]:
        """Says what it is."""
        return {"engine": self.name, "label": LABEL, "asked": read_json(job.folder / "stand_in.json")["behaviour"]}


def behaviours(recipe: CalculationRecipe, crystal: Crystal) -> list[str]:
    """What the attempts on a crystal do, one after the other."""
    chosen = recipe.options.get("by_formula", {}).get(crystal.formula, recipe.options.get("behaviour", "replay"))
    return [chosen] if isinstance(chosen, str) else list(chosen)


def invented_energy(crystal: Crystal) -> float:
    """An energy (eV) between −8 and −2 eV for each atom, always the same for a crystal."""
    digest = hashlib.sha256(crystal.crystal_id.encode()).digest()
    share = int.from_bytes(digest[:4], "big") / 2**32
    return -math.fsum([2.0, 6.0 * share]) * crystal.n_atoms
