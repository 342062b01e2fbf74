"""What an engine is: four small answers, and the values that pass between it and the runner of attempts.

An engine is one file that subclasses ``Engine`` and one line in ``engines.ENGINES``. It never starts a process itself:
it says which command to run, and the supervisor runs it in a process group of its own.
"""

from __future__ import annotations

import json
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from crystalforge.secrecy import without_secrets
from crystalforge.validation.crystal import Crystal
from crystalforge.validation.recipe import CalculationRecipe
from crystalforge.validation.states import ErrorClass

STDOUT_FILE = "stdout.txt"
STDERR_FILE = "stderr.txt"
LOST_BY_SIGNAL = 128
"""A shell reports a program that a signal ended as 128 and the signal's number."""
CLEAN_PREFIXES = ("PYTHON", "VIRTUAL_ENV", "LD_", "RAY", "CONDA", "MLFLOW")


class AttemptError(Exception):
    """An attempt that gives no result, with its class: caught by the runner of attempts, never shown as a traceback."""

    def __init__(self, error_class: ErrorClass, text: str) -> None:
        super().__init__(text)
        self.error_class = error_class


@dataclass(frozen=True)
class Job:
    """What one attempt works on."""

    folder: Path
    """Its own; holds inputs, outputs and, last, the result."""
    crystal: Crystal
    recipe: CalculationRecipe
    corrections: Mapping[str, float] = field(default_factory=dict)
    """By name: ``slower_mixing``, ``more_steps`` are for the engine; none may change the scale of the energies."""
    number: int = 1
    """Which attempt of its calculation, from 1."""


@dataclass(frozen=True)
class Command:
    """A program to run in the job's folder."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    """The whole environment: nothing is inherited."""


@dataclass(frozen=True)
class Ending:
    """How a program ended, as the supervisor saw it."""

    reason: str
    """``exited`` by itself, or was ended: ``walltime``, ``memory``, ``stopped`` (its worker died or wants so)."""
    exit_code: int
    """As a shell has it negated: below 0 the signal that ended it."""
    wall_s: float
    cpu_s: float
    max_memory_mb: float
    ended_by_force: int = 0
    """Processes that were left over and were ended by SIGKILL."""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Ending:
        """From the supervisor's record."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class EngineResult:
    """What a calculation gave.

    Attributes:
        energy_ev: total energy of the cell (eV), on the recipe's own scale.
        lattice: (3, 3) final vectors as rows (Å).
        frac_coords: (n_atoms, 3) final.
        atomic_numbers: (n_atoms,).
        forces: (n_atoms, 3) (eV/Å), if the engine gives them.
        converged: by the engine's own criteria.
        details: anything else worth keeping, plain values.
    """

    energy_ev: float
    lattice: NDArray[np.float64]
    frac_coords: NDArray[np.float64]
    atomic_numbers: NDArray[np.int64]
    forces: NDArray[np.float64] | None = None
    converged: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        arrays = {name: value.tolist() for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return vars(self) | arrays | {"energy_ev": float(self.energy_ev), "details": dict(self.details)}


class Engine(ABC):
    """A code that computes energies."""

    name: ClassVar[str]
    description: ClassVar[str]
    """One line, for the user."""
    counts_from_elements: ClassVar[bool] = True
    """Whether its energies mean something against those of the elements."""

    def missing(self) -> str | None:
        """Why it cannot run on this machine, with the repair; None if it can."""
        return None

    def refusal(self, crystal: Crystal, recipe: CalculationRecipe) -> str | None:  # noqa: ARG002 (for engines to use)
        """Why it cannot compute this crystal by this recipe; None if it can."""
        return None

    @abstractmethod
    def prepare(self, job: Job) -> None:
        """Write the inputs into the job's folder.

        Raises:
            AttemptError: it cannot.
        """

    @abstractmethod
    def command(self, job: Job) -> Command:
        """The program to run, after ``prepare``."""

    @abstractmethod
    def read(self, job: Job) -> EngineResult:
        """The result from the outputs of a program that exited with 0.

        Raises:
            AttemptError: the outputs are empty, cut short, not numbers or not converged.
        """

    def diagnose(self, job: Job, ending: Ending) -> ErrorClass:
        """The class of the error of a program that did not exit with 0; engines know their own messages better."""
        return class_of_output(job.folder / STDERR_FILE) or class_of_ending(ending)

    def provenance(self, job: Job) -> dict[str, Any]:  # noqa: ARG002 (for engines to use)
        """Version of the code, and names and checksums of its pseudopotentials; plain values."""
        return {"engine": self.name}


def require_output(path: Path) -> None:
    """Refuse an output that was not written.

    Raises:
        AttemptError: it is missing or empty.
    """
    if not path.is_file() or not path.stat().st_size:
        raise AttemptError(ErrorClass.NO_OUTPUT, f"{path.name} is {'empty' if path.exists() else 'missing'}.")


def read_output(path: Path) -> dict[str, Any]:
    """What a program of ours wrote as JSON.

    Raises:
        AttemptError: it is missing, empty or cut short.
    """
    require_output(path)
    try:
        output: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise AttemptError(ErrorClass.NO_OUTPUT, f"{path.name} is cut short: {error}.") from error
    return output


def read_output_of(crystal_id: str, path: Path) -> dict[str, Any]:
    """The same, of a program that says which crystal it computed.

    Raises:
        AttemptError: as ``read_output``, or it is of another crystal.
    """
    output = read_output(path)
    if output["crystal_id"] != crystal_id:
        raise AttemptError(ErrorClass.IMPOSSIBLE_RESULT, f"The output is of crystal {output['crystal_id']}.")
    return output


REASONS = {
    "walltime": ErrorClass.WALLTIME,
    "memory": ErrorClass.OUT_OF_MEMORY,
    "stopped": ErrorClass.WORKER_LOST,
}


MESSAGES = {
    "No space left on device": ErrorClass.DISK_FULL,
    "Disk quota exceeded": ErrorClass.DISK_FULL,
    "MemoryError": ErrorClass.OUT_OF_MEMORY,
    "Cannot allocate memory": ErrorClass.OUT_OF_MEMORY,
    "std::bad_alloc": ErrorClass.OUT_OF_MEMORY,
}
"""What the system says through any program."""
LONGEST_TAIL = 20_000


def class_of_output(path: Path) -> ErrorClass | None:
    """The class of an error that the system named in a program's output; None where it named none."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - LONGEST_TAIL))
        text = stream.read().decode(errors="replace")
    return next((error_class for message, error_class in MESSAGES.items() if message in text), None)


def class_of_ending(ending: Ending) -> ErrorClass:
    """The class of an error from how the program ended alone.

    SIGKILL that was not ours is the kernel's, for memory: nobody else ends programs so.
    """
    if ending.reason in REASONS:
        return REASONS[ending.reason]
    number = -ending.exit_code if ending.exit_code < 0 else ending.exit_code - LOST_BY_SIGNAL
    if number == signal.SIGKILL:
        return ErrorClass.OUT_OF_MEMORY
    return ErrorClass.CRASHED if number > 0 else ErrorClass.EXITED


def clean_environment(**more: str) -> dict[str, str]:
    """This environment without secrets and what would lead another program's Python or libraries astray, one thread."""
    plain = without_secrets(os.environ)
    kept = {name: value for name, value in plain.items() if not name.startswith(CLEAN_PREFIXES)}
    return kept | {"OMP_NUM_THREADS": "1"} | more


def ending_to_json(ending: Ending) -> dict[str, Any]:
    """Plain values."""
    return asdict(ending)
