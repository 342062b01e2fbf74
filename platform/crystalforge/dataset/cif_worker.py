"""The process in which CIFs are parsed: ``python -m crystalforge.dataset.cif_worker``, started by ``cif_parser``.

A CIF comes from anywhere, and its parser may run or grow without end; here it can harm nothing but itself. One JSON
object per line, in: ``{"cif": text}``, or a cell as servers give it, ``{"unit_cell": {"lattice": …, "frac_coords": …,
"atomic_numbers": …}}``; out: ``{"crystal": {…}}`` or ``{"reason": …, "detail": …}``. First comes ``{"ready": true}``.
Never pickles: what a parser that was taken over might write is only data.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import warnings
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from crystalforge.dataset.exclusion import ExclusionReason, LeftOutError
from crystalforge.dataset.standardise import FULL_OCCUPANCY_TOLERANCE, StandardisedCrystal, standardise

EXIT_OUT_OF_MEMORY = 86
"""Leaves the process after a ``MemoryError``: its memory may be in pieces."""


def main() -> None:
    """Answer one line per line, until the input ends."""
    cpu_seconds, memory_mib = int(sys.argv[1]), int(sys.argv[2])
    answers = _own_standard_output()
    warnings.simplefilter("ignore")
    _import_parser()
    _limit_memory(memory_mib)
    _send(answers, {"ready": True})
    for line in sys.stdin:
        _limit_cpu(cpu_seconds)
        _answer(answers, line)


def _own_standard_output() -> TextIO:
    """Keep the pipe for answers; what a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _import_parser() -> None:
    import pymatgen.io.cif  # noqa: F401
    import spglib  # noqa: F401


def _limit_memory(memory_mib: int) -> None:
    """Allow this much address space above what the parser itself takes (Linux only: elsewhere it is not enforced)."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return
    taken = int(statm.read_text().split()[0]) * resource.getpagesize()
    limit = taken + memory_mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_cpu(cpu_seconds: int) -> None:
    """Allow this many more seconds: the kernel counts from the start of the process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(usage.ru_utime + usage.ru_stime) + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _send(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer, allow_nan=False) + "\n")
    answers.flush()


def _answer(answers: TextIO, line: str) -> None:
    try:
        answer: dict[str, Any] = {"crystal": _crystal(json.loads(line)).to_json()}
    except LeftOutError as error:
        answer = {"reason": str(error.reason), "detail": error.detail}
    except MemoryError:
        _send(answers, {"reason": str(ExclusionReason.PARSE_MEMORY), "detail": "the parser ran out of memory"})
        sys.exit(EXIT_OUT_OF_MEMORY)
    _send(answers, answer)


def _crystal(question: dict[str, Any]) -> StandardisedCrystal:
    if "cif" in question:
        return parse_cif(question["cif"])
    cell = question["unit_cell"]
    lattice, frac_coords = (np.array(cell[name], dtype=float) for name in ("lattice", "frac_coords"))
    return standardise(lattice, frac_coords, np.array(cell["atomic_numbers"], dtype=np.int64))


def parse_cif(cif: str) -> StandardisedCrystal:
    """Parse the first crystal of a CIF and standardise it.

    Raises:
        LeftOutError: it cannot be used; the reason says why.
    """
    structure = _structure(cif)
    if not structure.is_ordered or any(
        abs(site.species.num_atoms - 1) > FULL_OCCUPANCY_TOLERANCE for site in structure
    ):
        raise LeftOutError(ExclusionReason.DISORDERED, f"expected full occupancy, found {structure.formula}")
    try:
        atomic_numbers = np.array([site.specie.Z for site in structure], dtype=np.int64)
    except AttributeError as error:
        raise LeftOutError(ExclusionReason.UNKNOWN_ELEMENT, f"expected elements, found {structure.formula}") from error
    if ((atomic_numbers < 1) | (atomic_numbers > 118)).any():
        raise LeftOutError(ExclusionReason.UNKNOWN_ELEMENT, f"expected elements, found {structure.formula}")
    return standardise(np.array(structure.lattice.matrix), np.array(structure.frac_coords), atomic_numbers)


def _structure(cif: str) -> Any:
    from pymatgen.io.cif import CifParser

    try:
        structures = CifParser.from_str(cif).parse_structures(primitive=False)
    except MemoryError:
        raise
    except Exception as error:  # pymatgen raises what it meets; every failure becomes a row with its text
        detail = f"{type(error).__name__}: {error}".strip()
        raise LeftOutError(ExclusionReason.PARSE_FAILED, detail[:300]) from error
    if not structures or len(structures[0]) == 0:
        raise LeftOutError(ExclusionReason.PARSE_FAILED, "expected a crystal with atoms, found none")
    return structures[0]


if __name__ == "__main__":
    main()
