"""The program that the VASP engine runs in a job's folder: custodian over the VASP command, with its error handlers.

Exit code 3 says that ``vasp_error.json`` holds the class of the error. What custodian corrected is in its own
``custodian.json``, and the outputs of each corrected run in ``error.N.tar.gz``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from custodian import Custodian
from custodian.custodian import CustodianError, ReturnCodeError, ValidationError
from custodian.vasp.handlers import (
    FrozenJobErrorHandler,
    MeshSymmetryErrorHandler,
    NonConvergingErrorHandler,
    PositiveEnergyErrorHandler,
    PotimErrorHandler,
    StdErrHandler,
    UnconvergedErrorHandler,
    VaspErrorHandler,
)
from custodian.vasp.jobs import VaspJob
from custodian.vasp.validators import VaspFilesValidator, VasprunXMLValidator

from crystalforge.files import write_json
from crystalforge.validation.engines.contract import Ending, class_of_ending, class_of_output
from crystalforge.validation.engines.vasp_output import (
    ERROR_FILE,
    INPUT_FILE,
    KNOWN_ERROR,
    RUN_FILE,
    VASP_STDERR,
    corrections_in,
    read_vasprun,
)
from crystalforge.validation.engines.vasp_scale import scale_changes
from crystalforge.validation.states import ErrorClass

HANDLERS = (
    VaspErrorHandler,
    MeshSymmetryErrorHandler,
    UnconvergedErrorHandler,
    NonConvergingErrorHandler,
    PotimErrorHandler,
    PositiveEnergyErrorHandler,
    FrozenJobErrorHandler,
    StdErrHandler,
)
VALIDATORS = (VasprunXMLValidator, VaspFilesValidator)
MOST_CORRECTIONS = 5
POLL_S = 0.5
"""From one look whether VASP has ended to the next."""
MONITOR_EVERY = 60
"""Looks, after which the handlers read the outputs of a running VASP."""

_NOT_SETTLED = """
Unconverged Non-converging brmix edddav eddrmm eddiag zheev pssyevx pdsyevx subspacematrix grad_not_orth algo_tet
too_few_bands amin
"""
CLASSES = dict.fromkeys(_NOT_SETTLED.split(), ErrorClass.SCF_NOT_CONVERGED) | {
    "Frozen": ErrorClass.EXITED,
    "out_of_memory": ErrorClass.OUT_OF_MEMORY,
    "seg_fault": ErrorClass.CRASHED,
}
"""By the first word of an error's name; others are a crystal that VASP cannot compute by these inputs."""


class ScaleChangeError(Exception):
    """A correction would take the energy off the recipe's scale."""


class OnScaleJob(VaspJob):
    """VASP, started only by inputs that give energies on the recipe's scale."""

    task = "static"

    def run(self, directory: str = "./") -> Any:
        """Start VASP, at first and after each correction.

        Raises:
            ScaleChangeError: the inputs were changed so that the energy would be another.
        """
        if changes := scale_changes(Path(directory), self.task):
            raise ScaleChangeError("; ".join(changes))
        return super().run(directory)

    @property
    def exit_code(self) -> int:
        """Of the last run; 0 where none began."""
        process = getattr(self, "_vasp_process", None)
        return 0 if process is None else process.returncode or 0


def main() -> int:
    """Run; the exit code."""
    order = json.loads(Path(INPUT_FILE).read_text())
    job = OnScaleJob(order["command"], stderr_file=VASP_STDERR, auto_gamma=False)
    job.task = order["task"]
    custodian = Custodian(
        [handler() for handler in HANDLERS],
        [job],
        validators=[validator() for validator in VALIDATORS],
        max_errors=MOST_CORRECTIONS,
        polling_time_step=POLL_S,
        monitor_freq=MONITOR_EVERY,
    )
    try:
        custodian.run()
    except ScaleChangeError as error:
        text = f"Custodian would change what decides the energy ({error}): another scale than the recipe's."
        return _fail(ErrorClass.UNSUITABLE_INPUT, f"{text} Errors it met: {_met()}.")
    except FileNotFoundError as error:
        return _fail(ErrorClass.ENGINE_MISSING, f"VASP cannot be started: {error}.")
    except CustodianError as error:
        return _fail(_class_of(error, job.exit_code), f"{_first_line(error)} Errors it met: {_met()}.")
    return 0


def _class_of(error: CustodianError, exit_code: int) -> ErrorClass:
    """What the system said comes first, then how VASP ended, then what custodian made of it."""
    if said := class_of_output(Path(VASP_STDERR)):
        return said
    if exit_code < 0:
        return class_of_ending(Ending("exited", exit_code, 0.0, 0.0, 0.0))
    if isinstance(error, ReturnCodeError) or (isinstance(error, ValidationError) and exit_code):
        return ErrorClass.EXITED
    if isinstance(error, ValidationError):
        return ErrorClass.NO_OUTPUT
    names = [name.split()[0] for correction in corrections_in(Path()) for name in correction["errors"]]
    found = CLASSES.get(names[-1], ErrorClass.UNSUITABLE_INPUT) if names else ErrorClass.UNSUITABLE_INPUT
    return ErrorClass.RELAXATION_NOT_CONVERGED if names[-1:] == ["Unconverged"] and _electrons_settled() else found


def _electrons_settled() -> bool:
    return bool(read_vasprun(Path(RUN_FILE)).converged_electronic)


def _met() -> str:
    return ", ".join(name for correction in corrections_in(Path()) for name in correction["errors"]) or "none"


def _first_line(error: CustodianError) -> str:
    text = str(error).strip().splitlines()[0]
    return text if text.endswith(".") else f"{text}."


def _fail(error_class: ErrorClass, text: str) -> int:
    write_json(Path(ERROR_FILE), {"error_class": error_class.value, "text": text})
    print(text, file=sys.stderr)  # noqa: T201 (the supervisor keeps it)
    return KNOWN_ERROR


if __name__ == "__main__":
    sys.exit(main())
